"""Who does what to what, where and how: frames of everyday events, in the shorthand of `notation`."""

from typing import NamedTuple

from interp.corpora.grammar.lexicon import phrases, words


class Action(NamedTuple):
    """A transitive verb of people with what fits it; places and tools are shorthand phrases."""

    verb: str
    objects: tuple[str, ...]
    places: tuple[str, ...] = ()
    manners: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


def _actions(table: str) -> tuple[Action, ...]:
    """Two lines an action: verb and objects, then places, manners and tools, `-` where there are none."""
    lines = [line.strip().split(" | ") for line in table.strip().splitlines()]
    return tuple(
        Action(
            verb,
            words(objects),
            *(() if cell == "-" else split(cell) for cell, split in zip(rest, _CELLS, strict=True)),
        )
        for (verb, objects), rest in zip(lines[::2], lines[1::2], strict=True)
    )


_CELLS = (phrases, words, phrases)
ACTIONS = _actions("""
read | book letter novel poem article report newspaper magazine story
    in the library; on the train; in bed | slowly quietly | -
write | letter poem novel report essay article song
    in the library; in the office; upstairs | quickly carefully | with a pencil
buy | car coat lamp camera guitar ring table bicycle umbrella painting watch jacket cake hat
    at the market; in a small shop; at the airport; in the city | quickly | -
sell | car boat piano camera house painting bicycle cottage
    in the city; at the market | quickly secretly | -
find | key wallet ring watch coin ticket passport necklace letter
    in the attic; on the train; behind the sofa; in the park | finally | -
lose | key wallet ring umbrella ticket passport camera scarf
    on the train; at the station; in the park | - | -
repair | clock radio bicycle car roof computer fence chair engine
    in the garage; in the yard | carefully quickly patiently | with a hammer; with an old knife
paint | fence wall door portrait boat gate house
    in the yard; in the garden | carefully slowly | with a thick brush
wash | plate cup shirt car window pot
    in the yard; behind the house | quickly carefully | -
open | door window box letter suitcase bottle gate drawer envelope
    - | slowly carefully quietly | with a knife; with a rusty key
eat | apple cake soup sandwich pizza pie salad omelet pancake
    in the kitchen; at the restaurant; in the garden | quickly slowly happily | with a spoon
bake | cake pie cookie pizza loaf
    in the kitchen; at the bakery | happily patiently | -
carry | box bag suitcase basket chair ladder tray lamp
    across the yard; into the house; down the street | carefully slowly | -
drive | car truck bus taxi van tractor
    through the village; across the bridge; along the coast | carefully fast slowly | -
visit | museum castle theater church school factory island
    - | - | -
admire | painting statue portrait castle bridge rose tree
    - | quietly | -
watch | film play game show race
    at the theater; in the city; at home | eagerly quietly | -
play | piano guitar violin flute
    at the party; in the park; at the wedding | beautifully badly loudly | -
move | table sofa desk shelf mirror bench cabinet
    into the attic; across the room; into the hall | carefully slowly | -
borrow | book umbrella ladder hammer bicycle van tent
    - | - | -
hide | letter diary ring key coin necklace wallet
    under the bed; in the cellar; behind the sofa | quickly carefully secretly | -
drop | plate vase cup tray bottle phone pot
    in the kitchen; on the floor | suddenly | -
break | window vase mirror cup plate lamp
    in the hall; at the party | - | with a ball; with a stone
steal | ring car painting wallet bicycle watch necklace
    at the airport; in the city; from the museum | secretly | -
photograph | bridge castle church tower flower statue
    - | carefully | with an old camera
build | house bridge cabin wall boat fence tower
    near the river; behind the school; on the hill | slowly carefully | -
plant | tree rose flower bush
    in the garden; behind the house; near the gate | carefully | -
cut | rope bush apple loaf
    in the kitchen; in the garden | carefully quickly | with a sharp knife
answer | letter question email
    - | politely immediately quickly | -
solve | puzzle problem
    - | quickly finally | -
close | window door gate drawer shop
    - | quietly quickly gently | -
sing | song
    at the wedding; in the church; on the stage | softly beautifully loudly | -
miss | bus train flight lesson meeting
    - | - | -
forget | umbrella passport ticket key suitcase
    at the hotel; on the train; at home | - | -
cook | soup meal steak dinner
    in the kitchen; at the restaurant | slowly happily | -
design | bridge house dress garden
    - | carefully | -
draw | map portrait tree
    in the park; at school | carefully quickly | with a pencil
""")
GREETINGS = words(
    "help thank visit call meet invite follow greet interview hug trust admire interrupt ignore recognize "
    "photograph surprise comfort warn praise"
)
ANIMAL_ACTIONS = words("chase watch follow find hear avoid scare fight")
PURSUITS = phrases(
    "sleep / in the garden; laugh / loudly; smile / politely; swim / in the lake; dance / at the party; work / in "
    "the office; wait / at the station; travel / to _city; cry / quietly; walk / through the forest; rest / under a "
    "tree; sing / beautifully; arrive / late; live / in _city; run / across the field; sit / on the bench; stand / "
    "near the window; work / at the hospital; go / home / early; move / to _country; stay / at the hotel; talk / "
    "about the weather; lie / on the beach; study / at the university; complain / about the noise; walk / along the "
    "beach; fly / to _country; return / from _city; jump / into the lake; wake up / early; get up / late; come / to "
    "the meeting; listen / to the radio; look / at the map"
)
ANIMAL_PURSUITS = phrases(
    "sleep / under the table; rest / in the shade; run / across the field; drink / from the river; lie / near the "
    "fire; stand / in the rain; eat / slowly; sleep / soundly; live / in the stable; hide / behind the house; walk "
    "/ along the fence; wait / near the door; disappear / into the forest; play / in the snow"
)
FACTS = phrases(
    "work / at the hospital; live / near the river; teach / at the school; own / the bakery; play / the violin; "
    "have / three children; write / short stories; live / in _city; come / from _country; study / history; had win "
    "/ the prize; had miss / the train; had lose / the tickets; had build / the cabin; had arrive / early; had "
    "forget / the key; had buy / the farm; work / for the bank; know / the secret; speak / four languages; wear / a "
    "red scarf"
)
PAST_TIMES = phrases(
    "yesterday; last week; last night; last summer; on _day; two days ago; this morning; in the morning; in the "
    "evening; three weeks ago; last year; a month ago; yesterday"
)
FUTURE_TIMES = phrases("tomorrow; next week; tonight; next summer; on _day; in the evening; next month")
HABIT_TIMES = phrases("every day; every morning; every week; on weekends; in the summer; every evening; in the winter")
STATES = phrases(
    "tired; hungry; happy; very sad; proud of the garden; afraid of the dark; late; ill; quite nervous; in a hurry; "
    "in trouble; at home; at the station; ready for the trip; very angry; thirsty; in the kitchen; extremely busy; "
    "too weak; certain"
)
TRADES = phrases(
    "a famous artist; a good friend; an honest man; a careful driver; a strict teacher; a talented musician; a "
    "nurse; a lawyer; an engineer; a clever detective; a local hero; a retired pilot; a popular writer"
)
THING_FACTS = {
    "reading": "win / a prize; cost / a fortune; lie / on the desk; belong / to the library",
    "food": "smell / wonderful; come / from the bakery; taste / strange",
    "vehicle": "stand / in front of the house; belong / to the bank; cost / a fortune",
    "furniture": "stand / in the corner; come / from the market; belong / to the hotel",
    "belonging": "lie / on the table; belong / to the museum; cost / a fortune",
    "clothing": "hang / in the closet; come / from the market; look / elegant",
    "building": "burn down / last year; cost / a fortune; belong / to the city",
    "artwork": "hang / in the hall; become / famous; win / a prize",
    "instrument": "stand / in the living room; belong / to the school",
    "container": "stand / near the door; lie / under the bed; contain / the medicine",
}
THING_STATES = {
    "reading": "on the desk; very long; interesting; boring; too short; in the drawer",
    "test": "difficult; very long; easy; too hard",
    "food": "delicious; still warm; stale; on the table; too sweet",
    "vehicle": "broken; very expensive; in the garage; too slow; behind the house",
    "furniture": "heavy; too big; in the attic; dusty; uncomfortable",
    "container": "empty; almost full; under the bed; very heavy; on the shelf",
    "belonging": "expensive; missing; on the table; in the drawer; broken",
    "clothing": "dirty; too tight; in the closet; still wet; torn",
    "building": "very old; too small; white; quite famous",
    "machine": "broken; very loud; too old; useless",
    "artwork": "famous; in the museum; quite strange; beautiful; in the hall",
    "instrument": "very old; in the living room; expensive",
    "opening": "locked; stuck; still dirty",
    "dish": "on the table; broken; still dirty; very old",
    "plant": "tall; behind the house; very old; near the gate",
}
TRANSFERS = (
    ("give", "key; book; ring; letter; flower; cake; coin; watch; photograph"),
    ("send", "letter; photograph; book; map; article; bill; package"),
    ("show", "painting; photograph; letter; map; ticket; diary; garden"),
    ("lend", "umbrella; book; car; bicycle; camera; guitar; ladder"),
    ("sell", "car; bicycle; painting; house; piano; camera"),
    ("hand", "key; knife; cup; ticket; plate; bottle"),
    ("offer", "seat; job; apple; sandwich; ride"),
    ("bring", "cup; chair; newspaper; salad; blanket"),
    ("teach", "song; game"),
    ("read", "story; poem; letter"),
    ("throw", "ball; apple; rope"),
)
ATTRACTORS = (
    ("key", "to the", "cabinet cellar suitcase", "on the table; rusty; missing; in the drawer; belong / to the museum"),
    ("picture", "of the", "child horse bridge", "beautiful; on the wall; very old; hang / in the hall"),
    ("book", "on the", "shelf table desk", "dusty; boring; belong / to the library; very old"),
    ("door", "of the", "house cabin garage", "locked; stuck; wooden; look / very old"),
    ("label", "on the", "bottle box bag", "torn; dirty; too small"),
    ("road", "to the", "village lake farm", "narrow; icy; very steep; lead / through the forest"),
    ("teacher", "of the", "girl boy twin", "strict; very kind; popular; live / near the school"),
    ("letter", "from the", "lawyer bank teacher", "on the desk; missing; very long; contain / good news"),
    ("report", "about the", "accident election strike", "wrong; incomplete; surprise / the mayor; very long"),
    ("bridge", "over the", "river road canal", "narrow; unsafe; famous; need / new lights"),
    ("window", "of the", "shop church office", "dirty; broken; open / easily; very small"),
    ("dog", "behind the", "fence wall bush", "hungry; asleep; dangerous; bark / every night"),
    ("gift", "for the", "guest child teacher", "expensive; in the box; ready"),
    ("tree", "near the", "gate bench cottage", "very old; tall; belong / to the city"),
    ("owner", "of the", "hotel shop horse", "rich; in trouble; live / in the city; friendly"),
)
