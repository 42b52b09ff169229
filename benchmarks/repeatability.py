"""How far the same numbers lie apart when nothing but the arithmetic changes: threads, batches, the order of documents.

    python -m benchmarks.repeatability --documents 200

`scores` and `effects` (mean ablation) of MiniLM on generated English, once more under each change, and the largest
difference: of sums and means (hits, mass, lift, effects), and of what is made of them (intervals, p, effective blocks).
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pandas as pd
import torch

import interp
from interp.corpora import batching
from interp.types import Corpus, HeadModel

KEYS = ["definition", "role", "site", "layer", "head", "split", "ablation", "metric"]
SUMMED = ["n", "hit", "mass", "word_mass", "baseline", "lift", "intact", "ablated", "effect", "effect_token"]


def main() -> None:
    """Print the largest differences, a line for each change and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model, corpus = interp.load_model("minilm"), interp.grammar(documents=given.documents)
    before = measure(model, corpus)
    backwards = replace(corpus, documents=corpus.documents[::-1])
    with threads(1):
        print_differences("the same again", before, measure(model, corpus))
    with threads(2):
        print_differences("two threads", before, measure(model, corpus))
    with batches_of(400):
        print_differences("batches of 400 tokens", before, measure(model, corpus))
    print_differences("documents in the other order", before, measure(model, backwards))


def measure(model: HeadModel, corpus: Corpus) -> dict[str, pd.DataFrame]:
    """Both tables, by their keys."""
    tables = {"scores": interp.score(model, corpus), "effects": interp.ablate(model, corpus)}
    return {name: table.set_index([key for key in KEYS if key in table]).sort_index() for name, table in tables.items()}


def print_differences(change: str, before: dict[str, pd.DataFrame], after: dict[str, pd.DataFrame]) -> None:
    """The largest difference of any number, by table."""
    for name, table in before.items():
        numbers = table.select_dtypes("number")
        apart = (numbers - after[name].loc[numbers.index, numbers.columns]).abs().max()
        said = "identical"
        if not table.equals(after[name]):
            sums, others = apart[apart.index.isin(SUMMED)], apart[~apart.index.isin(SUMMED)]
            said = f"{sums.max():.1e} at most in {sums.idxmax()}; {others.max():.1e} in {others.idxmax()}"
        print(f"{change:30} {name:8} {said}", flush=True)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads of torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def batches_of(tokens: int) -> Iterator[None]:
    """So many padded tokens in a batch."""
    before = batching.TOKENS_A_BATCH
    batching.TOKENS_A_BATCH = tokens
    try:
        yield
    finally:
        batching.TOKENS_A_BATCH = before


if __name__ == "__main__":
    main()
