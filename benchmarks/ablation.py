"""Every head silenced in turn, exactly, by zero: `python -m benchmarks.ablation`."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmarks import bound, by_nnsight
from benchmarks.common import TOLERANCE, Row, agree, compare, options, report
from benchmarks.subjects import Subject, joined, load
from interp.ablation import engine, replacements
from interp.corpora.batching import EncodedCorpus, batches, encode
from interp.effects import TOKENS_A_SWEEP
from interp.metrics import EMBEDDING_COSINE, LOG_PROB
from interp.types import Batch, Head, Metric, Output

DOCUMENTS = {"minilm": 16, "gpt2-small": 4, "bert-base": 4}
LENGTH = 48
"""The most tokens a document has; on average it has about 41."""

Effects = Float[Tensor, "head document"]
Run = Callable[[Batch, Head | None], Output]
"""A forward pass without one head, or with all."""


def by_interp(
    subject: Subject, encoded: EncodedCorpus, read: Sequence[Batch], metric: Metric, precision: str = "float32"
) -> Effects:
    """The engine: one whole pass, then only the rest of the network, many heads together."""
    silence = replacements.zero(subject.model, encoded)
    sets = [(head,) for head in subject.model.heads]
    measured = [
        engine.measure(subject.model, batch, silence(batch), sets, [metric], precision=precision) for batch in read
    ]
    return torch.cat([before[0] - after[0] for before, after in measured], dim=1)


@torch.inference_mode()
def by_loop(subject: Subject, read: Sequence[Batch], metric: Metric, run: Run) -> Effects:
    """One whole forward pass per head."""
    effects: list[Tensor] = []
    for batch in read:
        intact = run(batch, None)
        before = metric.measure(intact, batch, intact)
        after = [metric.measure(run(batch, head), batch, intact) for head in subject.model.heads]
        effects.append(before - torch.stack(after))
    return torch.cat(effects, dim=1)


def transformerlens(subject: Subject) -> Run:
    """The usual loop: `run_with_hooks`, which returns logits; an encoder's last hidden state is taken on the way."""

    def run(batch: Batch, head: Head | None) -> Output:
        hidden: list[Tensor] = []

        def keep(residual: Tensor, **_: object) -> None:
            hidden.append(residual)

        def silence(z: Tensor, **_: object) -> Tensor:
            assert head is not None
            by_head = z if z.dim() == 4 else z.unflatten(-1, (subject.model.heads_per_layer, -1))
            by_head[:, :, head.head] = 0
            return z

        hooks: list[Any] = [(f"blocks.{subject.layers - 1}.hook_out", keep)]
        if head is not None:
            hooks.append((f"blocks.{head.layer}.attn.hook_z", silence))
        logits = subject.bridge.run_with_hooks(batch.tokens, attention_mask=batch.mask.long(), fwd_hooks=hooks)
        return Output(hidden[0], logits)

    return run


def transformers(subject: Subject, *, logits: bool) -> Run:
    """Plain transformers with fused attention, and a hook before the output projection."""

    def run(batch: Batch, head: Head | None) -> Output:
        if head is None:
            return subject.forward(subject.plain, batch, logits=logits)
        place = subject.width(head.head)

        def silence(_module: nn.Module, args: tuple[Tensor]) -> None:
            args[0][..., place] = 0

        handle = subject.projections[head.layer].register_forward_pre_hook(silence)
        try:
            return subject.forward(subject.plain, batch, logits=logits)
        finally:
            handle.remove()

    return run


def measure(subject: Subject, documents: int, rounds: int, *, with_nnsight: bool) -> tuple[list[Row], str]:
    """Check that all methods find the same effects, then time them; and the bound, in words."""
    corpus = joined(subject.model, documents, LENGTH)
    encoded = encode(subject.model, corpus)
    read = [group.batch() for group in batches(encoded, subject.model, tokens=TOKENS_A_SWEEP)]
    metric = LOG_PROB if subject.model.has_language_head else EMBEDDING_COSINE
    mean = sum(len(encoding.tokens) for encoding in encoded.encodings) / len(encoded)
    print(f"sweep, {subject.name}: {len(subject.model.heads)} heads, {len(corpus)} documents ", end="")
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
    effects = {name: method() for name, method in methods.items()}
    agree("effects", effects)
    exact, low = effects["interp"].mean(1), effects["interp-delta"].mean(1)
    shares = (low - exact).abs() / exact.abs()
    print(f"  interp-delta: error of a head's mean effect, as a share of it: median {shares.median():.2%}, ", end="")
    print(f"largest {shares.max():.2%}")
    largest = float(effects["interp"].abs().max())
    print(f"  the largest effect is {largest:.1e}")
    # methods that silence nothing would agree, too
    assert largest > 10 * TOLERANCE, (
        f"the largest effect, {largest:.1e}, is too small to tell a method that does nothing"
    )
    needed = bound.rerun(subject.model, read, logits=metric.language)
    # measured on both sides of the rounds, because other programs may slow either
    earlier = bound.products(needed, read)
    rows = compare("sweep", subject.name, methods, rounds)
    a_row = {shape: min(earlier[shape], later) for shape, later in bound.products(needed, read).items()}
    said = bound.describe(needed, a_row, bound.rows_at_once(read), rows[0].seconds)
    return rows, f"{subject.name}: {said}"


def main() -> None:
    """Every model asked for."""
    told = f"documents of about 41 tokens (default {DOCUMENTS['minilm']} for minilm, {DOCUMENTS['gpt2-small']} else)"
    asked = options("Exact zero ablation of every head, by several methods.", told)
    with_nnsight = by_nnsight.installed()
    rows: list[Row] = []
    bounds: list[str] = []
    for name in asked.models:
        measured, said = measure(
            load(name), asked.documents or DOCUMENTS[name], asked.rounds, with_nnsight=with_nnsight
        )
        rows += measured
        bounds.append(said)
    report(rows, asked.json)
    print("transformerlens: its usual loop runs the language head, too; the others only where the metric needs it.")
    print("\n".join(bounds))


if __name__ == "__main__":
    main()
