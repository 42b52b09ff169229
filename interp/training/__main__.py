"""Trains the project's small language model, tests it, and writes it with its card: `python -m interp.training`."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import transformers
from jaxtyping import Float
from torch import Tensor

from interp.errors import InterpError
from interp.models.checkpoint.files import file_digest
from interp.storage import writing
from interp.training import evaluation, trigram
from interp.training.card import Facts, Head, card, write_curve
from interp.training.fitting import POSITIONS, Loss, Reading, fit, grammar_reading, held_out_loss, network
from interp.training.fitting import repeats_reading as new_repeats
from interp.training.texts import ATTRACTOR_TIMES, digest, packed, split
from interp.training.vocabulary import START, ordinary, token_ids, word_tokenizer

DEFAULTS = {"seed": 0, "steps": 2000, "sentences": 100_000, "held_out": 10_000, "threads": 1}
TESTED = 2000
"""Held-out sentences whose loss is measured: the default corpus."""
EVERY = 100
"""Steps between two points of the loss curve."""
TEXTS = 64
"""Texts of repeats that are held out; as many again for the heads."""
INDUCING = 0.5
"""Attention to the token after the earlier occurrence from which on a head counts as an induction head."""


def train(out: Path, *, seed: int, steps: int, sentences: int, held_out: int, command: str) -> None:
    """Writes config.json, model.safetensors, the tokenizer, loss.csv and README.md to a new directory.

    It appears whole or not at all. Raises `InterpError` where there is something already, or the grammar has not so
    many sentences.
    """
    if out.exists():
        raise InterpError(f"--out={out} exists. Allowed: a directory that is not there yet. Name another one.")
    with torch.random.fork_rng(devices=[]), _whole(out) as folder:
        torch.default_generator.manual_seed(seed)
        _train(folder, seed, steps, sentences, held_out, command)


def _train(folder: Path, seed: int, steps: int, sentences: int, held_out: int, command: str) -> None:
    of_training, of_test = (np.random.default_rng([seed, kind]) for kind in range(2))
    drawn = split(sentences, held_out, seed)
    tokenizer = word_tokenizer(drawn.training, POSITIONS)
    start, words = tokenizer.convert_tokens_to_ids(START), ordinary(tokenizer)
    known = token_ids(tokenizer, [*drawn.training, *drawn.attractors * (ATTRACTOR_TIMES - 1)])
    tested = token_ids(tokenizer, drawn.held_out[:TESTED])
    grammar = grammar_reading(packed(tested, start, POSITIONS, of_test))
    repeated = new_repeats(TEXTS, words, start, of_test)
    heads = evaluation.repeated_once(TEXTS, words, start, of_test)

    baseline = Loss(
        _trigram_loss(grammar_reading(packed(known, start, POSITIONS, of_test)), grammar, len(tokenizer)),
        _trigram_loss(new_repeats(len(known) // 10, words, start, of_test), repeated, len(tokenizer)),
    )
    print(f"trigram: grammar {baseline.grammar:.3f}, repeats {baseline.repeats:.3f} nats per token", flush=True)

    model = network(len(tokenizer), start)
    curve: list[tuple[int, Loss, Loss]] = []
    since: list[Loss] = []
    for step, loss in enumerate(fit(model, known, words, start, steps, of_training), 1):
        since.append(loss)
        if step % EVERY == 0 or step == steps:
            curve.append((step, _mean(since), held_out_loss(model, grammar, repeated)))
            since.clear()
            print(_said(*curve[-1], steps), flush=True)
    model.eval()

    previous, induction = evaluation.looking_back(model, heads)
    rise = evaluation.without_each_head(model, heads)
    inducing = [(layer, head) for layer, head in (induction > INDUCING).nonzero().tolist()]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_curve(folder / "loss.csv", curve)
    facts = Facts(
        command=command,
        seed=seed,
        steps=steps,
        parameters=model.num_parameters(),
        vocabulary=len(tokenizer),
        weights_sha256=file_digest(folder / "model.safetensors"),
        training=(len(drawn.training), digest(drawn.training)),
        held_out=(len(drawn.held_out), digest(drawn.held_out)),
        tested=len(tested),
        attractors=len(drawn.attractors),
        repeated=drawn.repeated,
        model=curve[-1][2],
        trigram=baseline,
        previous=_best(previous, rise),
        induction=_best(induction, rise),
        median_rise=rise.median().item(),
        inducing=len(inducing),
        without_inducing=evaluation.loss_without(model, heads, inducing),
        plural=evaluation.agreement(model, tokenizer, drawn.held_out, plural=True),
        singular=evaluation.agreement(model, tokenizer, drawn.held_out, plural=False),
        versions=f"torch {torch.__version__}, transformers {transformers.__version__}",
    )
    (folder / "README.md").write_text(card(facts), encoding="utf-8")


def _trigram_loss(training: Reading, test: Reading, vocabulary: int) -> float:
    """Nats per token that counts, from a trigram model of the same kind of text."""
    fitted = trigram.fit(training.tokens.numpy(), vocabulary)
    each = trigram.log_probs(fitted, test.tokens.numpy())
    return -float(each[test.scored[:, 1:].numpy()].mean())


def _mean(losses: Sequence[Loss]) -> Loss:
    return Loss(*np.mean([(loss.grammar, loss.repeats) for loss in losses], axis=0).tolist())


def _best(attention: Float[Tensor, "layer head"], rise: Float[Tensor, "layer head"], count: int = 3) -> list[Head]:
    layers, heads = np.unravel_index(attention.flatten().argsort(descending=True)[:count].numpy(), attention.shape)
    places = zip(layers.tolist(), heads.tolist(), strict=True)
    return [Head(layer, head, attention[layer, head].item(), rise[layer, head].item()) for layer, head in places]


def _said(step: int, training: Loss, held_out: Loss, steps: int) -> str:
    grammar = f"grammar {training.grammar:.3f} (held out {held_out.grammar:.3f})"
    return f"step {step} of {steps}: {grammar}, repeats {training.repeats:.3f} (held out {held_out.repeats:.3f})"


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A directory beside `out` that takes its name in the end, and is gone after an exception."""
    otherwise = "choose another --out"
    with writing(out, otherwise):
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        unfinished.chmod(0o755)  # mkdtemp's are for one user alone
    try:
        with writing(out, otherwise):
            yield unfinished
            for file in unfinished.iterdir():
                file.chmod(0o644)  # safetensors are written for one user alone, too
            os.rename(unfinished, out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m interp.training", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a directory that is not there yet")
    said = {
        "seed": "of sentences, repeats and first weights",
        "steps": "of the optimizer",
        "sentences": "to train on, at most",
        "held_out": "sentences to test on",
        "threads": "of torch; the last digits depend on them",
    }
    for name, default in DEFAULTS.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=default, help=f"{said[name]} (default {default})"
        )
    options = parser.parse_args(arguments)
    for name in ("steps", "sentences", "held_out", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')}={getattr(options, name)}. Allowed: 1 or more.")
    return options


def _command(out: Path, **options: int) -> str:
    """The command that does it again: where it was run, the directory may have been anywhere."""
    changed = [f"--{name.replace('_', '-')} {value}" for name, value in options.items() if value != DEFAULTS[name]]
    return " ".join(["python -m interp.training --out", out.name, *changed])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where something that the user can mend is wrong, 130 after an interrupt."""
    options = vars(_options(arguments))
    command = _command(**options)
    torch.set_num_threads(options.pop("threads"))
    torch.use_deterministic_algorithms(True)
    transformers.logging.disable_progress_bar()
    try:
        train(**options, command=command)
    except InterpError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Nothing unfinished is left.", file=sys.stderr)
        return 130
    print(f"written to {options['out']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
