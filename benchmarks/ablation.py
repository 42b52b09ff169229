"""Every head ablated in turn, exactly, by zero: `python -m benchmarks.ablation`."""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmarks import bound, by_nnsight
from benchmarks.common import TOLERANCE, Row, agree, compare, finish, options, report
from benchmarks.subjects import Subject, joined, load
from interp.ablation import replacements
from interp.ablation.effects import measure_effects
from interp.ablation.estimates import estimate_sums
from interp.ablation.fast_engine import measure_fast
from interp.ablation.plan import Plan
from interp.ablation.sweep import TOKENS_A_SWEEP
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.devices import tokens_for
from interp.metrics import EMBEDDING_COSINE, LOG_PROB
from interp.sums import EffectSums
from interp.types import Batch, EncodedCorpus, Head, Metric, Output

WORKS = ("sweep", "top10", "estimate")
DOCUMENTS = {"minilm": 16, "gpt2-small": 4, "bert-base": 4, "smollm2": 16}
LAYERS = {"smollm2": (4, 14, 24)}
"""The layers whose heads every method ablates, where those of all would take an hour; elsewhere of all layers.

Spread evenly, and on average half a layer less deep than all of them: that much of the rest has to be run.
"""

RACED_MODELS = ("minilm",)
"""On which top10 and the estimate are measured."""

RACED, TOP = 2000, 10
"""Sentences of the race, and heads that it is for."""

ESTIMATED = 200
"""Sentences of the estimate."""

LENGTH = 48
"""The most tokens a document has; on average it has about 41."""

Effects = Float[Tensor, "head document"]
Run = Callable[[Batch, Head | None], Output]
"""A forward pass without one head, or with all."""


def ablated(subject: Subject) -> list[Head]:
    """The heads that every method ablates."""
    layers = LAYERS.get(subject.name)
    return [head for head in subject.model.heads if layers is None or head.layer in layers]


def by_interp(
    subject: Subject, encoded: EncodedCorpus, read: Sequence[Batch], metric: Metric, precision: str = "float32"
) -> Effects:
    """The engine: one whole pass, then only the rest of the network, many heads together."""
    substitute = replacements.zero(subject.model, encoded)
    sets = [(head,) for head in ablated(subject)]
    measured = [
        measure_fast(subject.model, batch, substitute(batch), sets, [metric], precision=precision) for batch in read
    ]
    return torch.cat([before[0] - after[0] for before, after in measured], dim=1)


@torch.inference_mode()
def by_loop(subject: Subject, read: Sequence[Batch], metric: Metric, run: Run) -> Effects:
    """One whole forward pass per head."""
    found: list[Tensor] = []
    for batch in read:
        intact = run(batch, None)
        before = metric.measure(intact, batch, intact)
        after = [metric.measure(run(batch, head), batch, intact) for head in ablated(subject)]
        found.append(before - torch.stack(after))
    return torch.cat(found, dim=1)


def transformerlens(subject: Subject) -> Run:
    """The usual loop: `run_with_hooks`, which returns logits; an encoder's last hidden state is taken on the way."""

    def run(batch: Batch, head: Head | None) -> Output:
        hidden: list[Tensor] = []

        def keep(residual: Tensor, **_: object) -> None:
            hidden.append(residual)

        def substitute(z: Tensor, **_: object) -> Tensor:
            assert head is not None
            by_head = z if z.dim() == 4 else z.unflatten(-1, (subject.model.layers[0].heads, -1))
            by_head[:, :, head.head] = 0
            return z

        hooks: list[Any] = [(f"blocks.{subject.layers - 1}.hook_out", keep)]
        if head is not None:
            hooks.append((f"blocks.{head.layer}.attn.hook_z", substitute))
        logits = subject.bridge.run_with_hooks(batch.tokens, attention_mask=batch.mask.long(), fwd_hooks=hooks)
        return Output(hidden[0], logits)

    return run


def transformers(subject: Subject, *, logits: bool) -> Run:
    """Plain transformers with fused attention, and a hook before the output projection."""

    def run(batch: Batch, head: Head | None) -> Output:
        if head is None:
            return subject.forward(subject.plain, batch, logits=logits)
        place = subject.width(head.head)

        def substitute(_module: nn.Module, args: tuple[Tensor]) -> None:
            args[0][..., place] = 0

        handle = subject.projections[head.layer].register_forward_pre_hook(substitute)
        try:
            return subject.forward(subject.plain, batch, logits=logits)
        finally:
            handle.remove()

    return run


def measure(subject: Subject, documents: int, rounds: int, *, with_nnsight: bool) -> tuple[list[Row], str]:
    """Check that all methods find the same effects, then time them; and the bound, in words."""
    corpus = joined(subject.model, documents, LENGTH)
    encoded = encode(subject.model, corpus)
    read = [
        group.batch()
        for group in batches(encoded, subject.model, tokens=tokens_for(subject.model.device, TOKENS_A_SWEEP))
    ]
    metric = LOG_PROB if subject.model.has_language_head else EMBEDDING_COSINE
    mean = sum(len(encoding.tokens) for encoding in encoded.encodings) / len(encoded)
    print(f"sweep, {subject.name}: {len(ablated(subject))} heads, {len(corpus)} documents ", end="")
    print(f"of {mean:.0f} tokens on average, batches: {len(read)}, {metric.name}")
    loops = {"transformerlens": transformerlens(subject), "transformers": transformers(subject, logits=metric.language)}
    if with_nnsight:
        loops["nnsight"] = by_nnsight.runs(subject, logits=metric.language)
    methods: dict[str, Callable[[], Effects]] = {
        "interp": lambda: by_interp(subject, encoded, read, metric),
        "interp-delta": lambda: by_interp(subject, encoded, read, metric, "delta"),
    }
    for name, run in loops.items():
        methods[name] = lambda run=run: by_loop(subject, read, metric, run)
    found = {name: method() for name, method in methods.items()}
    agree("effects", {name: effect for name, effect in found.items() if name != "interp-delta"})
    exact, low = found["interp"].mean(1), found["interp-delta"].mean(1)
    shares = (low - exact).abs() / exact.abs()
    print(f"  interp-delta: error of a head's mean effect, as a share of it: median {shares.median():.2%}, ", end="")
    print(f"largest {shares.max():.2%}")
    largest = float(found["interp"].abs().max())
    assert float((low - exact).abs().max()) < 0.01 * float(exact.abs().max()), "interp-delta is no delta"
    print(f"  the largest effect is {largest:.1e}")
    # methods that ablate nothing would agree, too
    assert largest > 10 * TOLERANCE, (
        f"the largest effect, {largest:.1e}, is too small to tell a method that does nothing"
    )
    if subject.model.device.type != "cpu":
        rows = compare("sweep", subject.name, methods, rounds)
        return rows, f"{subject.name}: the bound is of processors only, not measured on {subject.model.device.type}"
    needed = bound.rerun(subject.model, read, ablated(subject), logits=metric.language)
    # measured on both sides of the rounds, because other programs may slow either
    earlier = bound.products(needed, read)
    rows = compare("sweep", subject.name, methods, rounds)
    a_row = {shape: min(earlier[shape], later) for shape, later in bound.products(needed, read).items()}
    said = bound.describe(needed, a_row, bound.rows_at_once(read), rows[0].seconds)
    return rows, f"{subject.name}: {said}"


def settled(subject: Subject, sentences: int) -> tuple[list[Row], str]:
    """The ten heads that matter most among all, raced for, beside every head on every sentence; once each, in words."""
    encoded = encode(subject.model, grammar(documents=sentences))
    seconds: list[float] = []
    tables: list[pd.DataFrame] = []
    for top in (TOP, None):
        start = time.perf_counter()
        tables.append(measure_effects(subject.model, encoded, Plan(replacement="mean", top=top)).table)
        seconds.append(time.perf_counter() - start)
    raced, whole = tables
    work = (subject.layers - raced.layer) * raced.n
    share = float(work.sum() / (subject.layers - whole.layer).mul(whole.n).sum())
    mean = whole.effect.to_numpy()
    worst = (mean[~raced.top].max() - mean[raced.top].min()) / np.abs(mean).max()
    rows = [
        Row("top10", subject.name, "interp", round(seconds[0], 3), 1.0, None),
        Row("top10", subject.name, "every head", round(seconds[1], 3), round(seconds[1] / seconds[0], 3), None),
    ]
    return rows, (
        f"top {TOP} of {len(whole)} heads of {subject.name} among {sentences} sentences: settled after {raced.n.min()} "
        f"to {raced.n.max()} of them, {raced.n.mean() / sentences:.1%} of the heads' sentences, {share:.1%} of the "
        f"layers to be run, {seconds[0] / seconds[1]:.1%} of the time of all; over all sentences the best head left "
        f"out is better than the worst one chosen by {max(worst, 0):.1%} of the largest effect (allowed: 5%)"
    )


def estimated(subject: Subject, sentences: int) -> str:
    """The estimate against the exact effects of the same sentences, and what it costs, in words."""
    encoded = encode(subject.model, grammar(limit=sentences))
    language = subject.model.has_language_head
    metric, estimate = (LOG_PROB, "attribution") if language else (EMBEDDING_COSINE, "gauss_newton")
    exact = measure_effects(subject.model, encoded, Plan(replacement="zero"), metrics=[metric]).table
    groups = batches(encoded, subject.model)
    substitute = replacements.zero(subject.model, encoded)
    ratios: list[float] = []
    sums: list[EffectSums] = []
    for _ in range(5):
        start = time.perf_counter()
        sums = estimate_sums(subject.model, groups, substitute, [metric], estimate=estimate, ablation="")
        middle = time.perf_counter()
        with torch.inference_mode():
            for group in groups:
                subject.forward(subject.plain, group.batch(), logits=language)
        finish()
        ratios.append((middle - start) / (time.perf_counter() - middle))
    estimated = pd.Series(sums[0].effect.sum(axis=1)).abs()
    rank = estimated.corr(exact.effect.abs(), method="spearman")
    return (
        f"estimate ({estimate}) of {metric.name} of {subject.name} on {sentences} sentences: Spearman's rank "
        f"agreement with the exact effects {rank:.3f}, for {median(ratios):.1f} plain forwards"
    )


def rows_of(asked: argparse.Namespace, said: list[str]) -> Iterator[Row]:
    """The rows of every model and work asked for; what is `said` of them in words is added to the list."""
    with_nnsight = by_nnsight.installed()
    for name in asked.models:
        subject = load(name, asked.device)
        if "sweep" in asked.works:
            documents = asked.documents or DOCUMENTS[name]
            rows, bound_of_it = measure(subject, documents, asked.rounds, with_nnsight=with_nnsight)
            yield from rows
            said.append(bound_of_it)
        if name in RACED_MODELS and "estimate" in asked.works:
            said.append(estimated(load(name, asked.device), ESTIMATED))
        if name in RACED_MODELS and "top10" in asked.works:
            rows, saving = settled(load(name, asked.device), RACED)
            yield from rows
            said.append(saving)


def main() -> None:
    """Every model and work asked for."""
    told = f"documents of about 41 tokens (default {DOCUMENTS})"
    asked = options("Exact zero ablation of every head, by several methods.", told, WORKS)
    said: list[str] = []
    report(rows_of(asked, said), asked.json)
    print("transformerlens: its usual loop runs the language head, too; the others only where the metric needs it.")
    print("\n".join(said))


if __name__ == "__main__":
    main()
