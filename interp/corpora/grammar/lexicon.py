"""The words: nouns by what they stand for and what they go with, adjectives, adverbs and function words."""

from interp.corpora.grammar.inflection import plural


def words(text: str) -> tuple[str, ...]:
    """The words of a line."""
    return tuple(text.split())


def phrases(text: str) -> tuple[str, ...]:
    """The phrases between semicolons."""
    return tuple(text.split("; "))


FEMALE_NAMES = words("Anna Maria Emma Sarah Julia Alice Laura Helen Nina Clara Rosa Lucy Grace Diana Sophie Ruth")
MALE_NAMES = words("Paul Peter David Tom Daniel Martin Oscar Simon Victor Henry George Leo Adam Felix Robert Samuel")
SURNAMES = words("Garcia Jensen Novak Costa Schmidt Rossi Larsen Murphy Cooper Evans Morris Silva Tanaka Khan Weber")
CITIES = words("Paris London Rome Berlin Madrid Vienna Lisbon Boston Chicago Tokyo Dublin Prague Oslo Athens Cairo")
COUNTRIES = words("Italy Spain Portugal Japan Brazil Norway Ireland Canada France Egypt")
DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
WOMEN = words("woman girl queen princess waitress actress")
MEN = words("man boy king prince waiter")
ROLES = words(
    "student teacher doctor nurse lawyer farmer baker driver singer painter writer neighbor visitor guest "
    "artist journalist engineer manager chef pilot gardener librarian carpenter tourist dentist musician "
    "scientist professor detective soldier clerk tailor judge plumber secretary dancer"
)
SISTERS = words("sister mother aunt")
BROTHERS = words("brother father uncle")
RELATIVES = words("friend cousin boss roommate assistant")
STRANGERS = words("child mayor stranger thief twin owner guard guide beginner speaker parent hero family crowd")
ANIMALS = words(
    "pony puppy bear squirrel calf dog cat horse bird cow goat rabbit fox duck sheep mouse goose wolf donkey"
)
THINGS = {
    "reading": "book letter novel poem article report newspaper magazine essay story diary",
    "test": "quiz exam test puzzle",
    "food": "apple cake soup sandwich pizza pie salad orange cookie omelet pancake steak loaf",
    "vehicle": "car truck bus bicycle van taxi boat tractor",
    "furniture": "table chair desk sofa lamp shelf bench mirror cabinet",
    "container": "box bag suitcase drawer basket cupboard envelope bottle",
    "belonging": "key wallet ring watch phone umbrella coin ticket camera necklace passport knife ball hammer rope",
    "clothing": "coat hat dress jacket sweater scarf shirt",
    "building": "roof house bridge hotel castle cabin cottage tower wall fence",
    "machine": "clock radio computer oven engine alarm",
    "artwork": "painting song portrait photograph statue film",
    "instrument": "piano guitar violin flute",
    "opening": "door window gate",
    "dish": "plate vase cup tray pot bowl",
    "plant": "tree rose flower bush",
}
THING_ADJECTIVES = {
    "reading": "long short interesting famous boring funny",
    "test": "long difficult short easy",
    "food": "fresh sweet delicious small large",
    "vehicle": "old new red expensive cheap yellow",
    "furniture": "old wooden small heavy beautiful",
    "container": "small heavy large old empty",
    "belonging": "old expensive new small",
    "clothing": "old blue warm elegant new green",
    "building": "old small new famous white",
    "machine": "old new cheap expensive",
    "artwork": "famous strange beautiful old",
    "instrument": "old expensive beautiful new",
    "opening": "old heavy large wooden",
    "dish": "blue old expensive small",
    "plant": "old tall beautiful small",
}
PERSON_ADJECTIVES = words(
    "young old tall famous kind clever friendly quiet honest elegant shy proud brave polite curious"
)
ANIMAL_ADJECTIVES = words("small brown black white old young gray gentle hungry")
ATTRIBUTES = {
    "book": "about the war; about the sea; with the blue cover",
    "letter": "from the bank; to the mayor; about the accident",
    "novel": "about the war; about an unhappy family",
    "poem": "about the sea; about the moon",
    "article": "about the election; about the strike",
    "report": "about the accident; about the election",
    "story": "about the war; about a lonely island",
    "key": "to the garage; to the cellar; to the front door",
    "house": "near the river; on the hill; with the red roof; at the end of the street",
    "box": "with a broken lid; on the top shelf",
    "photograph": "of the harbor; of the old town",
    "painting": "of the harbor; of a winter storm; of the river",
    "ticket": "for the concert; to the theater",
    "bridge": "over the river; near the harbor",
    "jacket": "with the golden buttons",
    "cup": "with the broken handle",
    "song": "about the moon; about a lost love",
    "film": "about the war; about a famous thief",
}
PERSON_ATTRIBUTES = "with the red hat; with the gray coat; from the village; from Canada; with the glasses"
COMPOUNDS = {
    "book": "history cookery",
    "cake": "birthday chocolate",
    "pie": "apple cherry",
    "soup": "tomato onion",
    "table": "kitchen garden",
    "novel": "detective spy",
    "bag": "leather",
    "driver": "bus taxi truck",
    "teacher": "art history music",
    "house": "summer",
    "door": "kitchen cellar",
    "lamp": "desk",
    "cabin": "mountain",
    "key": "office",
    "dress": "wedding silk",
    "student": "law",
    "report": "police",
    "engineer": "railway",
}
PLACES = words(
    "canal island coast closet stage apartment flat shade building garden park station kitchen library market "
    "beach river street village city town office hotel museum harbor theater restaurant hospital school church "
    "forest mountain hill lake airport bakery bank factory farm university cellar garage room corner field road "
    "square yard stable hall bus sea castle tower shop house attic"
)
EVENTS = words(
    "lecture exhibition party concert meeting war game race wedding election accident strike storm exam "
    "vacation trip lesson lunch dinner play journey film show festival flight train"
)
TIMES = words("yesterday tomorrow tonight week day month year morning evening night weekend summer winter")
OTHERS = words(
    "picture ladder stone rock crack mud fire luggage band sun thing pencil spoon sack barrel nail gift email "
    "package blanket trophy sculpture wardrobe tent cart dirt money cover moon lid handle button glass hat "
    "present seat coffee bread egg light map flower mask label neighbor brush pet lock bell floor snow medicine "
    "computer bill rain meal leg arm"
)
IDEAS = words(
    "walk news word promise power problem advice end language prize question secret mistake plan job rule truth "
    "lie nature color help noise weather mood studio ride rest lunch forecast"
)
PLAIN_NOUNS = words(
    "animals time cold dark headache fortune heights way weight chance history music childhood vacation home "
    "bed trouble danger hurry sale tune love town front chess tears debt disguise word mood"
)
"""Nouns of fixed phrases (`in trouble`, `no time`), which refer to nothing."""
OTHER_ADJECTIVES = words(
    "affectionate afraid angry arrogant ashamed asleep awake bad bent big bored bright broken burnt busy calm "
    "careful careless certain closed clumsy cold confusing creative crooked crowded cruel cute dangerous dark "
    "deaf dirty dishonest distracted dusty eager early embarrassed enough exciting experienced familiar fast "
    "fat fond fragile free frozen full furious generous golden good grateful guilty happy hard helpful high "
    "homeless homesick hot icy ill impatient impressed incomplete injured interested lame last late lazy light "
    "living local locked lonely lost loud missing muddy naive narrow nearsighted nervous next noisy "
    "offended open overworked patient pleased poor popular powerful precious qualified quick rare ready "
    "reliable relieved retired rich rough round rude rusty sad salty secret sentimental sharp silly skeptical "
    "slippery slow smaller smooth soft sorry stale starving steep stolen strict stuck successful suspicious "
    "sympathetic talented talkative tame terrible thick thin thirsty tight tired top torn trusting ugly "
    "uncomfortable uneven unhappy unsafe unsuccessful upset useless valuable weak wet wide wild wise wonderful "
    "worried wrong"
)
ADJECTIVES = frozenset(
    (*words(" ".join(THING_ADJECTIVES.values())), *PERSON_ADJECTIVES, *ANIMAL_ADJECTIVES, *OTHER_ADJECTIVES)
)
DEGREES = frozenset(words("almost already always extremely often quite so still too very"))
ADVERBS = frozenset(
    words(
        "alone already always around away back badly beautifully carefully eagerly early easily fast finally gently "
        "happily hard home immediately late loudly much never often patiently politely quickly quietly "
        "secretly slowly softly sometimes soundly still suddenly too twice upstairs everywhere usually well"
    )
)
PARTICLES = frozenset(words("away down off on out over up"))
PREPOSITIONS = frozenset(
    words(
        "about across after along at behind by during for from in into near of off on outside over through to under "
        "with down"
    )
)
DETERMINERS = frozenset(words("a an every no some that the these this"))
NUMBERS = words("two three four five six seven eight ten twelve twenty")
ADDRESSED = frozenset(words("advise ask inform persuade remind teach tell warn"))
"""Verbs whose object, where it is a person, is the one addressed: `iobj` in English-EWT."""
_KINDS = {
    "OBJECT": (*OTHERS, *words(" ".join(THINGS.values()))),
    "IDEA": IDEAS,
    "EVENT": EVENTS,
    "PLACE": (*PLACES, *CITIES, *COUNTRIES),
    "TIME": (*DAYS, *TIMES),
    "ANIMAL": ANIMALS,
    "PERSON": (*WOMEN, *MEN, *ROLES, *SISTERS, *BROTHERS, *RELATIVES, *STRANGERS),
}
KINDS = {noun: kind for kind, nouns in _KINDS.items() for noun in nouns}
"""What kind of thing each noun stands for; a noun that is not here refers to nothing."""
PROPER = frozenset((*CITIES, *COUNTRIES, *DAYS))
SINGULARS = {plural(noun): noun for noun in KINDS if noun not in PROPER and noun != "sheep"}
"""The singular of each plural."""
