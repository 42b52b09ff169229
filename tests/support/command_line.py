"""A tiny model, small treebanks, and the command line run in this process; used by the tests of `experiments`.

A test module asks for these with `pytest_plugins = ("tests.support.command_line",)`.
"""

import contextlib
import io
import logging
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

WORDS = ("the", "a", "cat", "dog", "student", "quiz", "mat", "saw", "it", "she", "because")


class Outcome(NamedTuple):
    """What a command printed, and its exit status."""

    code: int | str | None
    out: str
    err: str


def run_in(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> Outcome:
    """`interp ARGUMENTS` in `folder`, in this process; what is not an exit comes through as the exception it is."""
    from experiments.__main__ import main

    out, err = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    answers_interrupts = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.chdir(folder)
        patch.delenv("HYDRA_FULL_ERROR", raising=False)
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["interp", *arguments])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code
        finally:
            # a command that was interrupted ends with its process, and listens to nothing any more
            signal.signal(signal.SIGINT, answers_interrupts)
            # Hydra's handlers write to the streams of this run
            root.handlers[:] = handlers
            root.setLevel(level)
    return Outcome(code, out.getvalue(), err.getvalue())


@pytest.fixture
def interp(tmp_path: Path) -> Callable[..., Outcome]:
    """The command line in `tmp_path`."""
    return lambda *arguments, **options: run_in(tmp_path, *arguments, **options)


def write_treebank(path: Path, documents: int = 40, sentences: int = 2, seed: int = 0) -> Path:
    """Sentences such as `the cat saw a dog .` with their trees, two to a source document."""
    chance = random.Random(seed)
    lines: list[str] = []
    for document in range(documents):
        lines.append(f"# newdoc id = document-{document}")
        for _ in range(sentences):
            subject, thing = chance.sample(["cat", "dog", "student", "quiz", "mat"], 2)
            rows = [
                (chance.choice(["the", "a"]), "DET", 2, "det"),
                (subject, "NOUN", 3, "nsubj"),
                ("saw", "VERB", 0, "root"),
                (chance.choice(["the", "a"]), "DET", 5, "det"),
                (thing, "NOUN", 3, "obj"),
                (".", "PUNCT", 3, "punct"),
            ]
            lines.append(f"# text = {' '.join(row[0] for row in rows)}")
            lines += [
                "\t".join([str(i), form, form, tag, "_", "_", str(head), relation, "_", "_"])
                for i, (form, tag, head, relation) in enumerate(rows, 1)
            ]
            lines.append("")
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def treebank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_treebank(tmp_path_factory.mktemp("treebank") / "small.conllu")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer, two heads and 32 positions, as save_pretrained writes it."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    letters = "abcdefghijklmnopqrstuvwxyz.,'"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        initializer_range=1.0,
    )
    folder = tmp_path_factory.mktemp("model") / "tiny"
    with torch.random.fork_rng(devices=[]), contextlib.redirect_stderr(io.StringIO()):
        torch.manual_seed(0)
        transformers.BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> tuple[str, str]:
    """The overrides that choose the tiny model."""
    return "model=local", f"model.path={tiny_folder}"


@pytest.fixture(scope="session")
def corpus(treebank: Path) -> tuple[str, str]:
    """The overrides that choose the small treebank."""
    return "corpus=conllu", f"corpus.path={treebank}"


TESTABLE = ("classify.min_queries=5", "classify.min_blocks=3")


class Finished(NamedTuple):
    """A run that ended well: its folder, what it printed, and the manifests in the order they were written."""

    folder: Path
    outcome: Outcome
    manifests: list[dict]


@pytest.fixture(scope="session")
def atlas_run(tmp_path_factory: pytest.TempPathFactory, tiny: tuple[str, str], corpus: tuple[str, str]) -> Finished:
    """The atlas of the tiny model on the small treebank."""
    from interp import results

    place = tmp_path_factory.mktemp("atlas")
    written: list[dict] = []
    write = results.write_manifest

    def watched(folder: Path, manifest: dict) -> None:
        write(folder, manifest)
        written.append(results.read_manifest(folder) or {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "write_manifest", watched)
        outcome = run_in(place, *tiny, *corpus, "ablation.limit=30", *TESTABLE)
    assert outcome.code == 0, outcome.err
    folders = list(place.glob("outputs/atlas/local/*"))
    assert len(folders) == 1
    return Finished(folders[0], outcome, written)
