"""Predicates that settle a pronoun, after Winograd: the quiz was too difficult, the student was too tired."""

from typing import NamedTuple

from interp.corpora.grammar.lexicon import phrases, words


class Reason(NamedTuple):
    """An event with a `_` for the second participant, and what may be said of either as its reason."""

    event: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    future: bool = False
    """Whether a negated event may also lie ahead: `won't attempt the quiz because it is …`."""


def reasons(table: str) -> tuple[Reason, ...]:
    """Three lines a schema: event, subjects and objects (`-`: drawn elsewhere), then a line of reasons for each."""
    lines = [line.strip() for line in table.strip().splitlines()]
    return tuple(
        _reason(*(cell.strip() for cell in head.split(" | ")), first=first, second=second)
        for head, first, second in zip(lines[::3], lines[1::3], lines[2::3], strict=True)
    )


def _reason(event: str, subjects: str = "-", objects: str = "", future: str = "", *, first: str, second: str) -> Reason:
    nouns = () if subjects == "-" else words(subjects)
    return Reason(event, phrases(first), phrases(second), nouns, words(objects), future == "future")


THING_REASONS = reasons("""
didn't attempt / _ | - | quiz exam puzzle test | future
    too tired; ill; too nervous; very tired
    too difficult; too long; very confusing
didn't finish / _ | - | book novel report essay article | future
    too tired; bored; very busy; ill
    too long; boring; too difficult
didn't eat / _ | - | soup sandwich pie pizza steak omelet | future
    ill; already full; too nervous
    too salty; cold; stale; burnt
sell / _ | - | car boat bicycle piano van
    poor; in debt; need / money; want / +move / to a smaller house
    too old; too small; too loud; break down / every week
buy / _ | - | coat lamp chair umbrella painting jacket scarf
    rich; need / a present; love / bright colors; in a good mood
    cheap; beautiful; on sale
didn't buy / _ | - | camera ring guitar lamp sofa car
    poor; in debt; had lose / own wallet
    too expensive; broken; ugly
drop / _ | - | plate vase pot tray cup
    clumsy; careless; too tired; sneeze
    too hot; slippery; too heavy
couldn't lift / _ | - | box suitcase table bench basket
    too weak; ill; too tired; had break / own arm
    too heavy; very big; full of stones
couldn't open / _ | - | door gate window drawer suitcase
    too weak; had lose / the key; too clumsy
    stuck; locked; too rusty
hide / _ | - | letter diary ring photograph coin
    ashamed; afraid; suspicious
    secret; valuable; stolen
keep / _ | - | photograph letter ring coin watch
    sentimental; fond of old things; love / old things
    rare; valuable; precious
didn't drive / _ | - | car truck van tractor bus | future
    too tired; too young; ill; still afraid
    unsafe; too old; broken
miss / _ | - | train bus flight
    late; had oversleep; wake up / too late
    early; leave / early; leave / too early
didn't hear / _ | - | bell alarm phone
    asleep; deaf; distracted
    too quiet; broken
didn't wear / _ | - | hat coat sweater dress jacket | future
    too warm; in a hurry
    too small; dirty; too tight; torn
read / _ / twice | - | article letter poem story
    curious; bored; very interested
    interesting; confusing; very funny; short
didn't answer / _ | - | letter question email | future
    shy; too busy; very angry
    rude; confusing; too long
didn't cross / _ | - | bridge river road | future
    afraid; too tired; nervous
    unsafe; too icy; too wide
didn't climb / _ | - | mountain hill tower wall | future
    afraid of heights; too weak
    too steep; too high; dangerous; slippery
paint / _ | - | fence door wall gate
    bored; creative; love / bright colors
    ugly; gray; old
leave / _ / early | - | party concert meeting wedding lecture
    tired; ill; hungry; had catch / a cold
    boring; too loud; too long; too crowded
visit / _ | - | museum castle tower exhibition
    curious; on vacation; fond of history
    famous; free; be open; popular
didn't play / _ | - | piano violin guitar flute | future
    too shy; too nervous; very tired
    broken; too old
throw away / _ | - | shirt newspaper map hat umbrella
    angry; careless; in a bad mood
    torn; useless; too dirty
choose / _ | - | hotel apartment cottage cabin
    poor; fond of the sea; careful
    cheap; quiet; near the sea
enjoy / _ | - | concert show festival film
    fond of music; in a good mood; on vacation
    wonderful; exciting; very popular
""")
"""A person and a thing."""

OBJECT_REASONS = reasons("""
didn't fit / in _ | trophy painting statue guitar mirror | suitcase box bag cupboard car | future
    too big; too large; too wide
    too small; too narrow; already full
didn't fit / on _ | computer cake radio sculpture map | desk shelf table | future
    too big; too wide; too long
    too small; too narrow; already full
break / _ | stone ball rock hammer | window mirror vase bottle plate
    heavy; hard; too heavy
    fragile; thin; full of cracks
pass / _ | truck car taxi van | bus tractor bicycle cart
    light; very fast; powerful
    full; very slow; had stop
roll / off _ | bottle ball orange coin | table desk shelf roof
    round; smooth
    uneven; crooked
didn't fit / _ | key | lock | future
    bent; too large
    full of dirt; frozen
couldn't carry / _ | donkey pony | sack barrel
    too weak; too small; lame
    too heavy; too big; full of stones
couldn't catch / _ | cat dog fox | mouse rabbit squirrel
    too slow; too old; too fat; lame
    too fast; too quick; too clever
eat / _ | wolf fox bear | sheep rabbit goose
    hungry; starving
    weak; lame; asleep
didn't fit / through _ | sofa piano table wardrobe | door gate window | future
    too wide; too big; too long
    too narrow; too small
scratch / _ | knife key nail | table desk floor
    sharp; rough
    soft; new
""")
"""Two things, or two animals: only the predicate decides."""

ANIMAL_REASONS = reasons("""
feed / _ | - | dog cat goat donkey horse
    kind; fond of animals; generous
    hungry; thin; had lose / weight
wash / _ | - | dog horse donkey pony
    fond of animals; very careful
    dirty; muddy; had roll / in the mud
rescue / _ | - | dog cat rabbit duck horse
    brave; fond of animals; very kind
    in danger; injured; had fall / into the river
run / away / from _ | - | dog wolf fox goose
    afraid; very small
    dangerous; wild; growl
adopt / _ | - | dog cat rabbit puppy
    lonely; want / a pet; fond of animals
    homeless; cute; tame
photograph / _ | - | bird fox duck rabbit
    curious; love / nature; on vacation
    rare; beautiful; very tame
sell / _ | - | dog horse donkey
    poor; need / money
    too old; lame; bark / too much
""")
"""A person and an animal."""
