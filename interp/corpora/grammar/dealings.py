"""What happens between two people, and what may be said of either of them afterwards."""

from interp.corpora.grammar.lexicon import phrases, words
from interp.corpora.grammar.schemas import reasons

PERSON_REASONS = reasons("""
thank / _
    grateful; very pleased; very polite
    generous; so kind; very helpful; had find / the keys
visit / _
    bored; homesick; need / advice; curious
    in the hospital; very ill; had move / to a new house
call / _
    lost; worried; in danger; need / a doctor
    late; had forget / the tickets; very late
help / _
    kind; have / enough time; feel / sorry; very helpful
    in trouble; lost; too weak; had fall
praise / _
    impressed; very pleased; very proud
    talented; had win / the prize; had work / hard
scold / _
    angry; impatient; in a bad mood
    late; careless; had break / the window; lazy
envy / _
    poor; unsuccessful; in debt
    rich; famous; very successful; had win / the race
comfort / _
    kind; sympathetic; very gentle
    sad; had lose / the game; upset; in tears
hire / _
    overworked; need / an assistant; have / no time
    experienced; qualified; had pass / the test
follow / _
    lost; suspicious; curious
    know / the way; familiar with the city; have / a map
hug / _
    relieved; grateful; very affectionate
    sad; had pass / the exam; in tears; had win / the race
interview / _
    write / a book about the war; need / a good story; be a journalist
    famous; had see / the accident; had win / the election
avoid / _
    embarrassed; ashamed; shy
    rude; boring; too talkative
forgive / _
    generous; very patient; too kind
    sorry; had apologize; had tell / the truth
trust / _
    naive; too trusting
    honest; reliable; had keep / the secret
ignore / _
    too busy; distracted; very arrogant
    rude; noisy; talk / too much
didn't recognize / _
    nearsighted; distracted; had lose / own glasses
    in disguise; wear / a mask; had change
pay / _
    grateful; rich
    had repair / the roof; had find / the dog; had wash / the windows
didn't believe / _
    suspicious; skeptical
    dishonest; had tell / a lie; had break / own promise
congratulate / _
    polite; impressed
    had win / the prize; had pass / the exam; had find / a job
apologize / to _
    sorry; guilty; had break / the vase; had forget / the meeting
    angry; offended; upset
listen / to _
    curious; need / advice; eager
    wise; interesting; be a good speaker
laugh / at _
    cruel; rude
    clumsy; funny; wear / a silly hat; had fall / off the chair
shout / at _
    impatient; in a bad mood; furious
    deaf; careless; too slow
lend / _ / some money
    rich; generous
    poor; in debt; had lose / own wallet
buy / _ / a coffee
    generous; in a good mood
    thirsty; tired; had forget / own wallet
send / _ / some flowers
    in love; grateful; sorry
    ill; in the hospital; had win / the prize
show / _ / the way
    helpful; familiar with the city; know / the city
    lost; new in town; be a stranger
offer / _ / a seat
    polite; very kind
    old; tired; had break / own leg
beat / _ / at chess
    clever; had practice / for weeks
    too careless; be a beginner
wait / for _
    patient; polite; need / a ride
    late; too slow; had miss / the bus
warn / _
    worried; had hear / the forecast
    in danger; careless; drive / too fast
""")
"""Two people, or one and several."""

ENCOUNTERS = phrases(
    "meet / _ / at the station; visit / _ / in the hospital; see / _ / at the party; greet / _ / politely; thank / _; "
    "help / _; interview / _; talk / to _; photograph / _; meet / _ / in _city; dance / with _; smile / at _; "
    "recognize / _ / immediately; find / _ / in the library; join / _; argue / with _; surprise / _ / at home; "
    "chat / with _; travel / with _ / to _city; sing / with _ / at the wedding; hear / _ / upstairs; notice / _; "
    "sit / behind _; work / with _ / in _city; listen / to _; meet / _ / last week; invite / _ / to the party; "
    "follow / _ / quietly; look / for _ / everywhere; wait / for _ / patiently; pass / _ / on the bridge"
)
"""How two people meet, in terms that leave open who of them is spoken of next."""
SCENES = {
    "before": phrases(
        "leave / the office; go / to bed; leave / the city; lock / the door; eat / lunch; move / to _country; "
        "start / a new job; close / the shop; take / the train; learn / the truth; write / the report"
    ),
    "after": phrases(
        "had finish / the exam; had return / from _country; had lose / the game; had leave / the hospital; "
        "had move / to a new flat; had win / the race; had hear / the news; had sell / the farm; had eat / dinner"
    ),
    "when": phrases(
        "arrive / at the station; come / home; enter / the room; open / the door; be ill; be in trouble; "
        "need / help; leave / the theater; come / back / from _city"
    ),
    "while": phrases(
        "was wait / for the bus; was cook / dinner; was work / in the garden; was read / a book; "
        "was talk / on the phone; was rest / in the shade; was look / for a taxi; was clean / the windows; "
        "be on vacation"
    ),
}
"""What one of them did, by the conjunction that joins it."""
ANSWERS = {
    "and": phrases(
        "smile; leave / early; begin / +laugh; promise / +write / a letter; tell / a funny story; look / happy; "
        "wave; blush; laugh / loudly; offer / some help; ask / a strange question; suggest / a walk; sit down"
    ),
    "but": phrases(
        "didn't stay / long; have / no time; look / tired; didn't say / a word; seem / nervous; didn't smile; "
        "miss / the last bus; have / a headache; leave / alone; remain / calm; be late; didn't laugh; feel / lonely"
    ),
    "when": phrases(
        "was read / a newspaper; was carry / a heavy suitcase; smile; look / tired; wear / a blue coat; drop / a cup; "
        "seem / nervous; was talk / about the weather; was eat / a sandwich; was look / for a taxi; be very busy; "
        "was hold / a red umbrella; turn / around; leave / the room; was whistle / a tune; forget / the time"
    ),
}
"""What one of them did next, by what joins it."""
NEWS = phrases(
    "had win / the prize; need / a rest; could keep / the money; would get / the job; had pass / the exam; be late; "
    "look / ill; had lose / the key; had make / a mistake; could sleep / in the attic; play / the piano / very well; "
    "be in danger; would miss / the train; have / no chance; could stay / at the hotel; would become / famous; "
    "had find / a new job; would need / a doctor; had miss / the meeting; be ready; had see / the accident; "
    "could drive / the van; would travel / to _city; had break / a rule; could use / the computer; had sell / the boat"
)
"""What may be told of either of two people."""
FAMILIES = phrases(
    "ask / _ / about own sister; tell / _ / about own childhood; meet / _ / near own house; find / _ / in own office; "
    "talk / to _ / about own plans; show / _ / a photograph of own children; see / _ / in own garden; "
    "help / _ / in own shop; give / _ / a portrait of own mother; drive / _ / to own school; "
    "visit / _ / in own cottage; warn / _ / about own dog; send / _ / a picture of own cat; "
    "introduce / _ / to own parents; remind / _ / of own promise; paint / _ / in own kitchen; "
    "wait / for _ / outside own office; read / _ / a letter from own brother; argue / with _ / about own car; "
    "meet / _ / during own vacation; interview / _ / in own studio; dance / with _ / at own wedding"
)
"""Something that may belong to either."""
ATTENTIONS = (
    ("waiter", "bring / _ / a coffee"),
    ("dog", "bark / at _"),
    ("guide", "show / _ / the castle"),
    ("nurse", "help / _"),
    ("guard", "stop / _"),
    ("manager", "offer / _ / a job"),
    ("child", "wave / at _"),
    ("librarian", "hand / _ / a map"),
    ("stranger", "smile / at _"),
    ("chef", "give / _ / a cake"),
    ("clerk", "ignore / _"),
    ("pilot", "wave / to _"),
    ("singer", "give / _ / a rose"),
    ("thief", "watch / _"),
    ("baker", "sell / _ / a cake"),
    ("crowd", "cheer / for _"),
)
"""What somebody else did to one of them."""
COMPANIONS = (
    (
        "ANIMAL",
        words("dog cat horse goat goose donkey fox rabbit"),
        phrases("sleep / in the garden; rest / under a tree; wait / near the door; stand / behind the fence"),
        phrases("hear / a noise; run / away; see / the farmer; become / hungry; wake up"),
    ),
    (
        "PERSON",
        words("doctor lawyer nurse farmer painter teacher tourist soldier"),
        phrases("wait / at the station; sit / on the bench; work / in the library; talk / in the hall"),
        phrases("call / a taxi; leave / the building; hear / the bell; become / tired; notice / the snow"),
    ),
)
"""Two of a kind, what they did together, and what one of them did in the end."""
