"""One pass over a corpus that scores every role for every head: `python -m benchmarks.role_pass`."""

import argparse
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from benchmarks import by_nnsight
from benchmarks.common import Row, agree, compare, options, report
from benchmarks.subjects import Subject, joined, load
from interp.attention.visibility import visible_keys
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.roles import everything
from interp.roles.annotation_baselines import annotation_baselines
from interp.tallies.roles import RoleTally
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, Role

LONG = 4096
WORKS = ("role_pass", "role_pass_512", f"role_pass_{LONG}")

SENTENCES = {"minilm": 800, "gpt2-small": 800, "bert-base": 800, "smollm2": 160}
SENTENCES_A_TEXT = 32
"""A text of 512 tokens stands for as many sentences of up to 64."""

Patterns = Callable[[Batch], Sequence[Tensor]]


def by_interp(
    subject: Subject, read: Sequence[Batch], roles: Sequence[Role], annotation_baselines: Sequence[str]
) -> RoleTally:
    """Patterns are folded in as they arise: what experiment=head_roles does."""
    tally = RoleTally(roles, subject.model.heads, annotation_baselines=annotation_baselines)
    stream(subject.model, read, tally)
    return tally


def by_cache(subject: Subject, read: Sequence[Batch], roles: Sequence[Role], patterns: Patterns) -> RoleTally:
    """All patterns of a batch are collected first, then scored."""
    tally = RoleTally(roles, subject.model.heads)
    for batch in read:
        tally.begin(batch, visible_keys(subject.model, batch))
        for layer, pattern in enumerate(patterns(batch)):
            tally.update("self", layer, pattern)
    return tally


def transformerlens(subject: Subject) -> Patterns:
    """The usual loop: `run_with_cache`, filtered by name."""

    @torch.inference_mode()
    def patterns(batch: Batch) -> Sequence[Tensor]:
        _, cache = subject.bridge.run_with_cache(
            batch.tokens, attention_mask=batch.mask.long(), names_filter=lambda name: name.endswith("hook_pattern")
        )
        return [cache[f"blocks.{layer}.attn.hook_pattern"] for layer in range(subject.layers)]

    return patterns


@torch.inference_mode()
def unwatched(subject: Subject, read: Sequence[Batch]) -> None:
    """Plain transformers with fused attention and nobody watching: no score comes of it."""
    for batch in read:
        subject.forward(subject.plain, batch, logits=False)


def measure(work: str, subject: Subject, corpus: Corpus, rounds: int, *, with_nnsight: bool) -> list[Row]:
    """Check that the methods see the same, then time them."""
    encoded = encode(subject.model, corpus)
    read = [group.batch() for group in batches(encoded, subject.model)]
    roles = everything(corpus)
    print(
        f"{work}, {subject.name}: {len(corpus)} documents, up to {max(b.tokens.shape[1] for b in read)} tokens, ",
        end="",
    )
    print(f"batches: {len(read)}, {len(roles)} roles")
    caches = {"transformerlens": transformerlens(subject)}
    if with_nnsight:
        caches["nnsight"] = by_nnsight.patterns(subject)
    names = annotation_baselines(corpus)
    scoring: dict[str, Callable[[], RoleTally]] = {"interp": lambda: by_interp(subject, read, roles, names)}
    for name, patterns in caches.items():
        scoring[name] = lambda patterns=patterns: by_cache(subject, read, roles, patterns)
    found = {name: method() for name, method in scoring.items()}
    agree("mass per query", {name: _mass(tally) for name, tally in found.items()})
    unwatched(subject, read)
    return compare(work, subject.name, {**scoring, "transformers": lambda: unwatched(subject, read)}, rounds)


def _mass(tally: RoleTally) -> Tensor:
    """Mean attention mass on the targets, [role, head]."""
    sums = tally.sums()
    return torch.from_numpy(sums.mass.sum(-1) / sums.n.sum(-1).clip(1)[:, None])


def long_texts(subject: Subject, documents: int, rounds: int) -> list[Row]:
    """Texts whose patterns no method that keeps them has room for: beside the plain forward pass alone."""
    corpus = joined(subject.model, documents, LONG)
    read = [group.batch() for group in batches(encode(subject.model, corpus), subject.model)]
    roles = everything(corpus)
    print(f"role_pass_{LONG}, {subject.name}: {documents} documents, {len(roles)} roles")
    unwatched(subject, read)
    methods: dict[str, Callable[[], object]] = {
        "interp": lambda: by_interp(subject, read, roles, annotation_baselines(corpus)),
        "transformers": lambda: unwatched(subject, read),
    }
    return compare(f"role_pass_{LONG}", subject.name, methods, rounds)


def rows_of(asked: argparse.Namespace) -> Iterator[Row]:
    """The rows of every model and work asked for."""
    with_nnsight = by_nnsight.installed()
    for name in asked.models:
        subject = load(name, asked.device)
        count = asked.documents or SENTENCES[name]
        if "role_pass" in asked.works:
            yield from measure("role_pass", subject, grammar(limit=count), asked.rounds, with_nnsight=with_nnsight)
        if "role_pass_512" in asked.works:
            long = joined(subject.model, max(1, count // SENTENCES_A_TEXT), 512)
            yield from measure("role_pass_512", subject, long, asked.rounds, with_nnsight=with_nnsight)
        if f"role_pass_{LONG}" in asked.works:
            if subject.model.positions < LONG:
                print(f"role_pass_{LONG}: {name} reads {subject.model.positions} tokens at most; not measured")
            else:
                yield from long_texts(subject, 1, asked.rounds)


def main() -> None:
    """Every model and work asked for."""
    told = f"sentences (default {SENTENCES}); texts of 512 tokens are one for each {SENTENCES_A_TEXT} of them"
    asked = options("Scoring all roles of all heads, by several methods.", told, WORKS)
    report(rows_of(asked), asked.json)
    print("transformerlens: its usual loop runs the language head, too; no other method does.")
    print("transformers: the plain forward pass with fused attention, nobody watching, nothing scored.")


if __name__ == "__main__":
    main()
