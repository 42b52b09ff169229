"""Prompts that the tests' smallest tokenizer can read: their answers are words that it has as one token."""

from random import Random

from interp.corpora.behaviours.templates import fill, prompt_corpus, prompt_document
from interp.documents import Corpus

NOUNS = ("cat", "dog", "park", "little")
TEMPLATES = (
    "The {first} saw the {second} and the {again} saw the",
    "Once the {first} was with the {second} and the {again} was with the",
    "There was a {first} who liked a {second} and the {again} liked the",
)


def tiny_prompts(documents: int = 40, seed: int = 0, limit: int | None = None) -> Corpus:
    """Named positions: `before`, the first noun, and `again`, where it stands once more."""
    random, found = Random(seed), []
    for number in range(documents):
        template = TEMPLATES[number % len(TEMPLATES)]
        first, second, other = random.sample(NOUNS, 3)
        lead = "The dog was happy. " * random.randint(0, 2)
        text, spans = fill(lead + template, {"first": first, "second": second, "again": first})
        corrupted, _ = fill(lead + template, {"first": first, "second": second, "again": other})
        found.append(
            prompt_document(
                text, f"tiny {number}", template=f"tiny {number % len(TEMPLATES)}", right=f" {second}",
                wrong=f" {first}", corrupted=corrupted, named={"before": spans["first"], "again": spans["again"]},
            )
        )  # fmt: skip
    return prompt_corpus("tiny", found[:limit], "prompts for tests")
