"""Whether another device finds what the processor finds: `python -m benchmarks.devices --device cuda`."""

import argparse
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

import interp
from benchmarks.subjects import plain_copy
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.models.hugging_face.model import AttentionModel
from interp.models.inputs.text import inputs_of
from interp.types import Corpus, Site

PATTERN, MASS, EFFECT = 1e-5, 1e-5, 1e-4
"""How far attention, mean attention mass and mean effects may lie apart."""

REPLACEMENTS = ("mean", "zero", "resample", "uniform")


def check(name: str, device: str, corpus: Corpus, ablated: int) -> None:
    """Prints the largest difference of every kind. Raises `AssertionError` where one is too large."""
    here, there = (interp.load_model(name, device=place, backend="attention") for place in ("cpu", device))
    assert isinstance(there, AttentionModel) and there.device.type == torch.device(device).type
    print(f"{name} on {there.device}, {len(corpus)} documents")
    checks = interp.prove(there, corpus)
    print(f"  the gate passes {len(checks)} checks")
    say("attention − transformers' own on the same device", unlike_transformers(there, corpus), PATTERN)
    tables = [interp.score(model, corpus) for model in (here, there)]
    for column, allowed in (("mass", MASS), ("hit", None), ("lift", None)):
        say(f"{column} − the processor's", _apart(tables, column), allowed)
    for replacement in REPLACEMENTS:
        effects = [interp.ablate(model, corpus, replacement=replacement, limit=ablated) for model in (here, there)]
        say(f"effects of {replacement} − the processor's", _apart(effects, "effect"), EFFECT)
        fast, plain = effects[1], interp.ablate(there, corpus, replacement=replacement, limit=ablated, engine="plain")
        say(f"effects of {replacement}, fast − plain engine", _apart([fast, plain], "effect"), EFFECT)


@torch.inference_mode()
def unlike_transformers(model: AttentionModel, corpus: Corpus) -> float:
    """The largest difference between a pattern and transformers' own `output_attentions`, on the first documents."""
    group = batches(encode(model, corpus), model, documents=range(min(16, len(corpus))))[0]
    batch = group.batch()
    expected = plain_copy(model, "eager")(**inputs_of(batch, causal=model.causal), output_attentions=True).attentions
    found: list[float] = []

    def compare(_site: Site, layer: int, pattern: torch.Tensor) -> None:
        found.append(float((pattern - expected[layer]).transpose(1, 2)[batch.mask].abs().max()))

    model.run(batch, pattern=compare)
    assert len(found) == len(expected)
    return max(found)


def say(what: str, difference: float, allowed: float | None) -> None:
    """One line; hits may differ where two keys get all but the same attention, so none is said to be too many."""
    print(f"  {what}: max |difference| = {difference:.1e}{'' if allowed is None else f' (< {allowed:.0e})'}")
    # a NaN is no agreement either
    assert allowed is None or difference < allowed, f"{what}: {difference:.1e} (< {allowed:.0e})"


def _apart(tables: Sequence[pd.DataFrame], column: str) -> float:
    one, other = (table[column].to_numpy(dtype=np.float64) for table in tables)
    assert len(one) == len(other)
    return float(np.nanmax(np.abs(one - other)))


def main() -> None:
    """Every model asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="small,minilm", help="comma-separated: minilm, small, or directories")
    parser.add_argument("--device", default="cuda", help="cuda or mps")
    parser.add_argument("--documents", type=int, default=400, help="sentences that are scored (default 400)")
    parser.add_argument("--ablated", type=int, default=40, help="of these, how many are swept (default 40)")
    asked = parser.parse_args()
    corpus = grammar(limit=asked.documents)
    for name in asked.models.split(","):
        check(name, asked.device, corpus, asked.ablated)


if __name__ == "__main__":
    main()
