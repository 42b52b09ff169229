"""Trains the recurrent example on words and their reversals, about a minute: `python -m interp.training.recurrent`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import nn

from interp import roles
from interp.api import score
from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.corpora.reversal import WORDS, reversal
from interp.errors import InterpError
from interp.models.checkpoint.files import file_digest
from interp.models.recurrent import READERS, Recurrent, fresh, tokenizer_of, wrap
from interp.models.torch_modules.model import MultiheadModel
from interp.results import write_atomically
from interp.types import Batch, Corpus

STEPS, ROWS, RATE = 1000, 64, 3e-3
TRAINING_SEED = 1_000_000
"""Added to the seed, so that the default corpus has no part in training."""


def fit(model: MultiheadModel, network: Recurrent, steps: int, seed: int) -> Iterator[float]:
    """Trains in place with Adam and a rate that falls to nothing; gives the loss of every step, in nats per token."""
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    network.train()
    for batch in training_batches(model, steps, seed):
        assert batch.target is not None
        _, logits = network(batch.tokens, batch.mask, batch.target.tokens)
        told = batch.target.mask[:, 1:]
        loss = nn.functional.cross_entropy(logits[:, :-1][told], batch.target.tokens[:, 1:][told])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        yield loss.item()
    network.eval()


def training_batches(model: MultiheadModel, steps: int, seed: int) -> Iterator[Batch]:
    """New texts for every step, none of them in the default corpus."""
    held_out = {document.text for document in reversal()}
    drawn = reversal(documents=steps * ROWS, seed=TRAINING_SEED + seed)
    documents = tuple(document for document in drawn if document.text not in held_out)
    for step in range(steps):
        texts = documents[step * ROWS : (step + 1) * ROWS] or documents[:ROWS]
        encoded = encode(model, Corpus("training", texts, "none"))
        yield collate(encoded, range(len(encoded)), model)


def word_tokenizer(words: Sequence[str]) -> Tokenizer:
    """Every word is a token, and what cannot be cut into them is unknown; `</s>` ends a text."""
    numbers = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "<s>", "</s>", *words])}
    made = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))  # noqa: S106 - the name of a token
    end = [("</s>", numbers["</s>"])]
    # the stubs of tokenizers know no setters
    made.pre_tokenizer = pre_tokenizers.Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    made.decoder = decoders.WordPiece(cleanup=False)  # pyright: ignore[reportAttributeAccessIssue]
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=end)  # pyright: ignore[reportAttributeAccessIssue]
    return made


def written_rightly(model: MultiheadModel, corpus: Corpus) -> float:
    """The share of texts whose reversal the model writes without a mistake, by itself."""
    encoded = model.encode([document.text for document in corpus])
    written = [text for text, _ in model.write(encoded)]
    wanted = [document.target.text if document.target else "" for document in corpus]
    return sum(a == b for a, b in zip(written, wanted, strict=True)) / len(wanted)


def train(out: Path, reader: str, steps: int, seed: int) -> None:
    """Trains, says what came of it on texts that had no part in it, and writes weights and tokenizer into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "tokenizer.json", lambda temporary: word_tokenizer(WORDS).save(str(temporary)))
    tokenizer = tokenizer_of(out / "tokenizer.json")
    network = fresh(len(tokenizer), reader, seed)
    model = wrap(network, tokenizer, f"recurrent-{reader}", {"weights_sha256": "in training"})
    for step, loss in enumerate(fit(model, network, steps, seed), 1):
        if step % 100 == 0 or step == steps:
            print(f"step {step} of {steps}: {loss:.4f} nats per token", flush=True)
    held_out = reversal(limit=500)
    print(f"written without a mistake: {written_rightly(model, held_out):.1%} of {len(held_out)} held-out texts")
    scores = score(model, held_out, roles=roles.cross(held_out))
    best = scores[(scores.role == "aligned") & (scores.split == "all")].sort_values("hit").iloc[-1]
    print(f"alignment: head {best.layer}.{best['head']} hits {best.hit:.3f}, {best.baseline_name} {best.baseline:.3f}")
    file = out / f"{reader}.safetensors"
    write_atomically(file, lambda temporary: save_file(network.state_dict(), temporary))
    print(f"written to {file}, sha256 {file_digest(file)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where something that the user can mend is wrong."""
    parser = argparse.ArgumentParser(prog="python -m interp.training.recurrent", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a directory, made if it is not there")
    parser.add_argument("--reader", choices=READERS, default="gru", help="what reads (default gru)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of the optimizer (default {STEPS})")
    parser.add_argument("--seed", type=int, default=0, help="of texts and first weights (default 0)")
    options = parser.parse_args(arguments)
    if options.steps < 1:
        parser.error(f"--steps={options.steps}. Allowed: 1 or more.")
    torch.set_num_threads(1)  # faster for so small a network, and the same weights on every run
    torch.use_deterministic_algorithms(True)
    try:
        train(options.out, options.reader, options.steps, options.seed)
    except InterpError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
