"""What is written down beside the weights: the loss curve, and the card that says what the model is and is not."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp.training import fitting, texts
from interp.training.evaluation import PERIOD
from interp.training.fitting import Loss

CURVE = ("step", "training_grammar", "training_repeats", "held_out_grammar", "held_out_repeats")


@dataclass(frozen=True)
class Head:
    """A head, its mean attention to its target, and what the repetition's loss gains without it, in nats."""

    layer: int
    head: int
    attention: float
    rise: float


@dataclass(frozen=True)
class Facts:
    """Everything the card says that is not the same for every training."""

    command: str
    seed: int
    steps: int
    parameters: int
    vocabulary: int
    weights_sha256: str
    training: tuple[int, str]
    held_out: tuple[int, str]
    tested: int
    attractors: int
    repeated: int
    model: Loss
    trigram: Loss
    previous: Sequence[Head]
    induction: Sequence[Head]
    median_rise: float
    inducing: int
    without_inducing: float
    plural: tuple[float, int]
    singular: tuple[float, int]
    versions: str


def write_curve(path: Path, rows: Sequence[tuple[int, Loss, Loss]]) -> None:
    """One row a step that was tested: the training loss, its mean since the row before, and the held-out loss."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CURVE)
        for step, training, held_out in rows:
            each = (training.grammar, training.repeats, held_out.grammar, held_out.repeats)
            writer.writerow([step, *(f"{loss:.4f}" for loss in each)])


def card(facts: Facts) -> str:
    """The model's card, in Markdown."""
    (plural, of_plural), (singular, of_singular) = facts.plural, facts.singular
    (trained, trained_hash), (held_out, held_out_hash) = facts.training, facts.held_out
    times = texts.ATTRACTOR_TIMES
    repeats, shortest, longest = fitting.REPEATS_TEXTS, texts.SHORTEST, texts.LONGEST
    return f"""# The small model of interp

A causal language model for tests and examples without a network: it knows the sentences of the bundled `grammar`
corpus, and it continues random sequences that repeat. It knows no other English and is no subject for claims about
language models at large.

- **Architecture.** GPT-2 (transformers' `GPT2LMHeadModel`): {fitting.LAYERS} layers of {fitting.HEADS} heads, width
  {fitting.WIDTH}, inner width {fitting.INNER}, {fitting.POSITIONS} positions, tied embeddings,
  {facts.parameters:,} parameters in float32.
- **Tokenizer.** Words and punctuation marks, case kept, {facts.vocabulary} tokens: those of the training sentences,
  `<s>`, which opens every text, and `[UNK]`.
- **Weights.** sha256 of model.safetensors: `{facts.weights_sha256}`.
- **Made by** `{facts.command}` (seed {facts.seed}, {facts.steps} steps, {facts.versions}): the same
  machine gives the same weights, another one nearly the same figures.

## Data

| sentences | number | sha256 of the sentences, one a line |
|---|---|---|
| training, `grammar(seed={texts.TRAINING_SEED + facts.seed})` less the held-out | {trained:,} | `{trained_hash}` |
| held out, `grammar(seed={texts.HELD_OUT_SEED})` | {held_out:,} | `{held_out_hash}` |

{facts.repeated} sentences were drawn for both and left out of training, so that no held-out sentence occurs there
verbatim; its words and constructions do. The default corpus of a run is the first 2,000 of the held-out sentences.
The {facts.attractors:,} training sentences whose verb agrees across another noun are read {times} times as often.
Every step reads {fitting.GRAMMAR_TEXTS} texts of sentences, packed to {fitting.POSITIONS} tokens, and
{repeats} of random sequences of {shortest} to {longest} distinct tokens, each followed by itself; both losses weigh the
same. Of repeats, the loss counts only what can be told from what precedes: the repetition without its first token.
[`loss.csv`](loss.csv) is the loss curve.

## What it learnt

Nats per token on held-out texts, beside an interpolated trigram model fitted on the same training text:

| text | this model | trigram |
|---|---|---|
| grammar ({facts.tested:,} held-out sentences, packed) | {facts.model.grammar:.3f} | {facts.trigram.grammar:.3f} |
| repeats (new random sequences) | {facts.model.repeats:.3f} | {facts.trigram.repeats:.3f} |

Agreement across an attractor of the other number (*the keys to the cabinet **are** rusty*), in held-out sentences:
right in {plural:.0%} of {of_plural} with a plural subject, in {singular:.0%} of {of_singular} with a singular one.

The heads that attend most to the previous token, and to the token after the query's own earlier occurrence (induction),
on random sequences of {PERIOD} tokens that repeat once; attention is the mean over the repetition's queries whose next
token can be told. The last column is what the repetition's loss rises by, in nats per token, when the head alone
writes zero; for the median head it is {facts.median_rise:.3f}.

| kind | head | attention | loss without it |
|---|---|---|---|
{_rows("previous token", facts.previous)}
{_rows("induction", facts.induction)}

Induction heads stand in for one another: {facts.inducing} have more than half of their attention there, and without all
of them the repetition's loss is {facts.without_inducing:.2f} nats per token.

## Limits

Its vocabulary is closed: any other word is `[UNK]`. Its English is what a generator writes, one sentence of at most 26
words at a time, with no relation between the sentences of a text. That it has induction heads says nothing of how
they come about in models of natural text: it was made to have them.
"""


def _rows(kind: str, heads: Sequence[Head]) -> str:
    return "\n".join(f"| {kind} | {one.layer}.{one.head} | {one.attention:.2f} | {one.rise:+.3f} |" for one in heads)
