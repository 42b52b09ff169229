"""The correctness gate, beside plain forward passes over the same documents: `python -m benchmarks.gate`."""

import argparse
from collections.abc import Iterator

import torch

from benchmarks.common import Row, compare, options, report
from benchmarks.subjects import Subject, load
from interp.corpora.batching import collate
from interp.corpora.grammar import grammar
from interp.corpora.probe_documents import probe_documents
from interp.models import gate

SENTENCES = 100
"""From which the gate chooses its few documents."""


def measure(subject: Subject, sentences: int, rounds: int) -> list[Row]:
    """The gate on its own documents, and one plain forward pass over them, language head included."""
    encoded = probe_documents(subject.model, grammar(limit=sentences))
    batch = collate(encoded, range(len(encoded)), subject.model)
    gate.insist(subject.model, gate.check(subject.model, encoded, batch))
    given = gate.examples(batch, subject.model.pad_token)
    print(f"gate, {subject.name}: {len(given.tokens)} documents of up to {given.tokens.shape[1]} tokens")

    @torch.inference_mode()
    def plain() -> None:
        subject.forward(subject.plain, given, logits=True)

    plain()
    methods = {"interp": lambda: gate.check(subject.model, encoded, batch), "transformers": plain}
    return compare("gate", subject.name, methods, rounds)


def rows_of(asked: argparse.Namespace) -> Iterator[Row]:
    """The rows of every model asked for."""
    for name in asked.models:
        yield from measure(load(name, asked.device), asked.documents or SENTENCES, asked.rounds)


def main() -> None:
    """Every model asked for."""
    asked = options("The correctness gate.", f"sentences to choose from (default {SENTENCES})", ("gate",))
    report(rows_of(asked), asked.json)
    print("transformers: one plain forward pass over the documents that the gate looks at.")


if __name__ == "__main__":
    main()
