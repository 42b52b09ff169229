"""Until which year? Something that began in 1732 did not end before it (Hanna et al. 2023)."""

from itertools import product
from random import Random

from interp.corpora.behaviours.templates import check_documents, fill, prompt_corpus, prompt_document
from interp.corpora.subsets import check_limit
from interp.types import Corpus, Document

TEMPLATES = (
    "The {noun} lasted from the year {century}{decisive}{rest} to the year {century}",
    "The {noun} began in the year {century}{decisive}{rest} and ended in the year {century}",
    "The {noun} started in {century}{decisive}{rest} and went on until {century}",
    "Historians say that the {noun} went on from {century}{decisive}{rest} to {century}",
)
"""{decisive} are the digits of the first year that the answer has to exceed, {rest} the digits after them."""

_NOUNS = (
    "war siege reign expedition famine plague rebellion truce dispute campaign drought voyage alliance dynasty "
    "pilgrimage feud conflict construction project journey occupation trial strike crisis revolt exile mission "
    "partnership epidemic blockade"
)
NOUNS = tuple(_NOUNS.split())
CENTURIES = range(11, 18)


def greater_than(documents: int = 320, seed: int = 0, limit: int | None = None) -> Corpus:
    """Prompts from 4 templates, 30 nouns and 7 centuries, drawn from `seed`: right is a later year, wrong an earlier.

    Right and wrong are as far from the first year, one above and one below it, so that the nearest year is no answer.
    Every other prompt asks for two digits (*1732 … 17*: right *45*, wrong *19*), for tokenizers that have a token for
    them; the others ask for one (right *4*, wrong *2*: no year of the 1720s comes after 1732), for those that take
    each digit alone. A tokenizer can read one kind, the other is skipped and counted. In the corrupted text the first
    year ends in 01 (one digit: it is in the century's first decade), so that both answers are later. Named position:
    `first_year`, of the last digit that decides. Prompts that share a template and a noun are one source document.
    `limit` keeps the first so many. Raises `InterpError` where there would be none, or too many.
    """
    check_documents(documents)
    check_limit(limit)
    random, found, texts = Random(seed), list[Document](), set[str]()
    sources = list(product(range(len(TEMPLATES)), NOUNS))
    random.shuffle(sources)
    while len(found) < documents:
        number, noun = sources[len(found) // 2 % len(sources)]
        digits = 2 - len(found) % 2
        prompt = _prompt(number, noun, random.choice(CENTURIES), digits, random)
        if prompt.text not in texts:
            texts.add(prompt.text)
            found.append(prompt)
    note = "prompts are filled templates: intervals describe these templates and nouns, not a language"
    return prompt_corpus("greater_than", found[:limit], note)


def _prompt(number: int, noun: str, century: int, digits: int, random: Random) -> Document:
    if digits == 2:
        first = random.randint(5, 95)
        # the wrong year is later than …01, too
        distance = random.randint(1, min(first - 2, 99 - first))
        decisive, rest, early = f"{first:02d}", "", "01"
    else:
        first = random.randint(2, 8)
        distance = random.randint(1, min(first - 1, 9 - first))
        decisive, rest, early = str(first), str(random.randint(0, 9)), "0"
    words = {"noun": noun, "century": str(century), "decisive": decisive, "rest": rest}
    text, spans = fill(TEMPLATES[number], words)
    corrupted, _ = fill(TEMPLATES[number], {**words, "decisive": early})
    return prompt_document(
        text,
        f"greater_than {number} {noun}",
        template=f"{digits} digit{'s' * (digits == 2)} {number}",
        right=f"{first + distance:0{digits}d}",
        wrong=f"{first - distance:0{digits}d}",
        corrupted=corrupted,
        named={"first_year": spans["decisive"]},
    )
