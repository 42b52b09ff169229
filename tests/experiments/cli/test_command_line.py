"""What is typed, what Hydra makes of it, and what a wrong input is answered."""

import csv
import os
import pickle
import random
import re
import shlex
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import InstantiationException
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from experiments.__main__ import CONF
from experiments.cli.output_folder import make_folder
from experiments.cli.shell_quoting import quote
from interp.errors import CorpusError, InterpError, ModelError, closest
from interp.results import load_runs, read_manifest
from interp.text.find_word import find_word
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

Interp = Callable[..., "Outcome"]


def refused(outcome: "Outcome", folder: Path, *said: str) -> None:
    """One short paragraph on stderr, exit status 1, and nothing in the folder that was not there."""
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.startswith("Error: ") and outcome.err.endswith("\n")
    assert outcome.err.count("\n") == 1, "one paragraph"
    assert len(outcome.err) < 600
    assert "Traceback" not in outcome.err
    for words in said:
        assert words in outcome.err
    assert not (folder / "outputs").exists()


# --- names that do not exist


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model=minilmm", "Did you mean 'minilm'? Allowed: bert_base, gguf, gpt2, hub, local, minilm"),
        ("model=some/directory", "model=local model.path=DIR"),
        (
            "experiment=atlass",
            "Did you mean 'atlas'? Allowed: anatomy, atlas, calibration, ",
        ),
        ("corpus=grammr", "Did you mean 'grammar'?"),
        ("corpus=my.conllu", "corpus=conllu corpus.path=FILE"),
        ("roles=syntx", "Did you mean 'syntax'?"),
        ("ablation=meen", "Did you mean 'mean'?"),
        ("metrics=languages", "Did you mean 'language'?"),
        ("modl=gpt2", "modl is not a setting. Did you mean 'model'?"),
        (
            "classify.margn=1",
            "Did you mean 'classify.margin'? Allowed: classify.alpha, classify.correction, classify.margin",
        ),
        ("corpus.foo=1", "corpus.foo is not a setting."),
        ("path=x", "Did you mean behaviour.path or corpus.path or model.path?"),
        ("model.path=x", "It belongs to model=gguf or model=local: add it"),
        ("corpus.unit=document", "It belongs to corpus=conllu or corpus=coreference: add it"),
        ("hydra.run.dr=x", "--cfg hydra"),
        ("hydra/launcher=nothing", "Allowed: basic"),
        ("=a", "An empty name is not a setting"),
        ("model=7", "Allowed: a name, such as model=minilm"),
        ("model=local,minilm", "Allowed: one value. Give one; or add -m"),
        ("~seed", "Leave ~seed out"),
        ("corpus._target_=no_such_package.read", "corpus._target_=no_such_package.read cannot be imported"),
    ],
)
def test_an_unknown_name_is_answered_with_what_is_allowed(
    interp: Interp, tmp_path: Path, override: str, said: str
) -> None:
    refused(interp(override), tmp_path, said)


def test_the_allowed_keys_of_a_group_are_only_its_own(interp: Interp) -> None:
    message = interp("classify.margn=1").err
    assert "model" not in message and "classify.alpha" in message


@pytest.mark.parametrize("override", ["foo", "The", "a b", "=", "seed"])
def test_a_word_without_a_value_is_answered(interp: Interp, tmp_path: Path, override: str) -> None:
    outcome = interp("experiment=sentence", override)
    assert outcome.code == 1 and outcome.err.startswith("Error: ") and "Traceback" not in outcome.err
    assert not (tmp_path / "outputs").exists()


def test_a_text_without_quotes_is_told_to_take_some(interp: Interp, tmp_path: Path) -> None:
    refused(interp("experiment=sentence", "text=The", "cat", "sat"), tmp_path, "'cat'", 'text="the whole sentence"')


@pytest.mark.parametrize("override", ["seed=[1", "corpus.unit=a'b", "corpus.unit=élan", "seed={"])
def test_an_override_that_cannot_be_parsed_is_told_to_take_quotes(
    interp: Interp, tmp_path: Path, override: str
) -> None:
    value = override.partition("=")[2]
    outcome = interp("corpus=conllu", override)
    refused(outcome, tmp_path, "cannot be read", "Allowed: KEY=VALUE")
    (typed,) = shlex.split(outcome.err.partition("such as é: ")[2].removesuffix(".\n"))
    assert PARSER.parse_override(typed).value() == value


# --- values that cannot be


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("corpus.limit=-1", "a whole number of 1 or more, or null for all"),
        ("corpus.limit=abc", "corpus.limit=abc is not allowed"),
        ("corpus.limit=1.5", "a whole number"),
        ("corpus.limit=true", "a whole number"),
        ("ablation.limit=0", "ablation.limit=0 is not allowed. Allowed: a whole number of 1 or more"),
        ("seed=abc", "Allowed: a whole number from 0 to 4294967295"),
        ("seed=-1", "a whole number from 0"),
        ("seed=null", "seed=null is not allowed"),
        ("seed=99999999999", "a whole number from 0"),
        ("classify.alpha=x", "Allowed: a number from 0 to 1"),
        ("classify.alpha=nan", "Allowed: a number from 0 to 1"),
        ("classify.margin=-1", "Allowed: a number from 0 to 1"),
        ("classify.min_word_mass=1.5", "Allowed: a number from 0 to 1"),
        ("classify.min_queries=0", "a whole number of 1 or more"),
        ("classify.min_blocks=2.5", "a whole number of 1 or more"),
        ("corpus.subtypes=maybe", "Allowed: true or false"),
        ("json=2", "Allowed: true or false"),
        ("quiet=maybe", "Allowed: true or false"),
        ("dtype=32", "dtype=32 is not allowed"),
        ("device=null", "device=null is not allowed"),
        ("corpus.path=null", "corpus.path=null is not allowed"),
        ("corpus.unit=paragraph", "Allowed: document, sentence"),
        ("text=Hello there", "Add experiment=sentence, or leave it out"),
        ("query=it", "Add experiment=sentence, or leave it out"),
        ("candidates=[it]", "Add experiment=sentence, or leave it out"),
        ("explained_by=outputs", "Add experiment=sentence, or leave it out"),
        (
            "+corpus.foo=1",
            "corpus.foo is not a setting of the corpus chosen here. Allowed: first, limit, multiword, path, subtypes, "
            "target, unit",
        ),
    ],
)
def test_an_impossible_value_is_answered(
    interp: Interp, tmp_path: Path, corpus: tuple[str, str], override: str, said: str
) -> None:
    refused(interp(*corpus, override), tmp_path, said)


@pytest.mark.parametrize(("override", "said"), [("corpus.documents=0", "1 or more"), ("corpus.seed=x", "whole number")])
def test_an_impossible_value_for_the_generator_is_answered(
    interp: Interp, tmp_path: Path, override: str, said: str
) -> None:
    refused(interp("corpus=grammar", override), tmp_path, said)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("device=gpu", "device=gpu is not known. Did you mean 'cpu'?"),
        ("dtype=foat32", "Did you mean 'float32'?"),
        ("model.init=foo", "model.init=foo is not known. Allowed: pretrained, random"),
        ("metrics=language", "Allowed for it: metrics=embedding"),
        ("roles=coreference", "has no annotation for the roles asked for"),
    ],
)
def test_what_the_model_refuses_is_answered(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], corpus: tuple[str, str], override: str, said: str
) -> None:
    refused(interp(*tiny, *corpus, override, "quiet=true"), tmp_path, said)


def test_cuda_where_there_is_none(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], corpus: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    refused(interp(*tiny, *corpus, "device=cuda"), tmp_path, "device=cuda", "Allowed here: auto, cpu")


# --- files that cannot be read


def test_a_path_that_is_not_given(interp: Interp, tmp_path: Path, corpus: tuple[str, str]) -> None:
    refused(interp("model=local", *corpus), tmp_path, "model.path has no value", "model.path=…")
    refused(interp("corpus=conllu"), tmp_path, "corpus.path has no value", "corpus.path=…")
    refused(interp("model=hub", *corpus), tmp_path, "model.name has no value")


def test_a_treebank_that_is_not_there(interp: Interp, tmp_path: Path) -> None:
    (tmp_path / "english.conllu").touch()
    refused(interp("corpus=conllu", "corpus.path=englich.conllu"), tmp_path, "Did you mean 'english.conllu'?")


def test_a_treebank_that_is_a_directory(interp: Interp, tmp_path: Path) -> None:
    refused(interp("corpus=conllu", f"corpus.path={tmp_path}"), tmp_path, "it is a directory; allowed is one file")


def test_an_empty_corpus(interp: Interp, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for kind in ("conllu", "text"):
        refused(interp(f"corpus={kind}", "corpus.path=empty"), tmp_path, "empty: it holds no ")


def test_a_malformed_treebank_is_named_with_its_line(interp: Interp, tmp_path: Path, treebank: Path) -> None:
    lines = treebank.read_text(encoding="utf-8").splitlines()
    assert lines[3].startswith("2\t")
    lines[3] = lines[3].removesuffix("\t_")
    (tmp_path / "bad.conllu").write_text("\n".join(lines), encoding="utf-8")
    refused(
        interp("corpus=conllu", "corpus.path=bad.conllu"), tmp_path, "bad.conllu, line 4: 9 columns; allowed are 10"
    )


def test_a_model_directory_that_is_none(interp: Interp, tmp_path: Path, corpus: tuple[str, str]) -> None:
    refused(interp("model=local", "model.path=nowhere", *corpus), tmp_path, "model.path=nowhere is no directory")


def test_pickled_weights_are_refused(
    interp: Interp, tmp_path: Path, tiny_folder: Path, corpus: tuple[str, str]
) -> None:
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "config.json").write_bytes((tiny_folder / "config.json").read_bytes())
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"anything")
    outcome = interp("model=local", "model.path=pickled", *corpus)
    refused(outcome, tmp_path, "pytorch_model.bin", "Allowed: *.safetensors", "save_pretrained")


# --- one sentence

TWICE = "the cat saw the dog."


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((), 'No sentence is given. Allowed: any text, typed as it is. Add text="'),
        (("text=",), "is empty"),
        (("text=   ",), "is empty"),
        (("text=''",), "is empty"),
        (("text=cat",), "Give a sentence of two words or more"),
        (("text=" + "the cat saw a dog " * 8,), "longer than the 32 tokens that 'tiny' can read"),
        ((f"text={TWICE}", "query=dgo"), "Did you mean 'dog'? Its words: 0:the 1:cat 2:saw 3:the 4:dog 5:."),
        ((f"text={TWICE}", "query=the"), "stands 2 times in the sentence, as words 0, 3. Pick one by its number"),
        ((f"text={TWICE}", "query=6"), "query=6: the sentence has words 0 to 5"),
        ((f"text={TWICE}", "query=-1"), "query=-1: the sentence has words 0 to 5"),
        ((f"text={TWICE}", "query=1.5"), "a word of the sentence, or its number from 0"),
        ((f"text={TWICE}", "candidates=[cat]"), "without query=…. Say whose candidates they are"),
        ((f"text={TWICE}", "query=cat", "candidates=[dog,the]"), "candidates=the stands 2 times"),
        ((f"text={TWICE}", "query=cat", "candidates=[9]"), "candidates=9: the sentence has words 0 to 5"),
        ((f"text={TWICE}", "query=cat", "candidates=[cat]"), "is the query itself"),
        ((f"text={TWICE}", "query=cat", "candidates=dog"), "in brackets: candidates=[quiz,student]"),
        ((f"text={TWICE}", "query=cat", "candidates=[[dog]]"), "in brackets: candidates=[quiz,student]"),
        (
            (f"text={TWICE}", "explained_by=nothing"),
            "explained_by=nothing holds no run. Allowed: the folder of a complete",
        ),
        ((f"text={TWICE}", "explained_by=[a,b]"), "the folder of a run of experiment=explain, or null"),
    ],
)
def test_a_sentence_or_word_that_cannot_be_is_answered(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], overrides: tuple[str, ...], said: str
) -> None:
    refused(interp("experiment=sentence", *tiny, *overrides), tmp_path, said)


# --- the run's folder


def test_a_folder_below_a_file_is_refused_before_hydra_starts(
    interp: Interp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("experiments.__main__.task", lambda: pytest.fail("Hydra was started"))
    refused(interp("hydra.run.dir=file/below"), tmp_path, "hydra.run.dir=file/below", "Not a directory")
    refused(interp("-m", "hydra.sweep.dir=file/below"), tmp_path, "hydra.sweep.dir=file/below", "hydra.sweep.dir=DIR")


def test_whether_a_folder_can_be_written_leaves_no_trace(tmp_path: Path) -> None:
    made = make_folder([f"hydra.run.dir={tmp_path / 'a' / 'b'}"])
    assert made == [tmp_path / "a" / "b", tmp_path / "a"]
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("flags", [["--help"], ["--cfg", "job"], ["--version"], ["--hydra-help"]])
def test_to_ask_for_help_makes_no_folder(interp: Interp, tmp_path: Path, flags: list[str]) -> None:
    assert interp(*flags).code in (0, None)
    assert list(tmp_path.iterdir()) == []


def test_an_error_takes_back_what_was_made_for_the_run_and_nothing_else(interp: Interp, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").touch()
    for folder in ("mine", "mine/run", "new/deep/run"):
        assert interp("corpus=conllu", "corpus.path=nothing", f"hydra.run.dir={folder}").code == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes"]


def test_the_mended_command_can_use_the_same_folder(interp: Interp, tmp_path: Path, tiny: tuple[str, str]) -> None:
    command = ("experiment=sentence", *tiny, f"text={TWICE}", "hydra.run.dir=run")
    assert interp(*command, "query=cta").code == 1
    assert interp(*command, "query=cat").code == 0
    assert (read_manifest(tmp_path / "run") or {})["status"] == "complete"


# --- errors that are not the user's


def test_a_bug_shows_its_traceback(interp: Interp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("interp.corpora.text.sentence", broken)
    with pytest.raises(Exception, match="a bug of ours") as caught:
        interp("experiment=sentence", "text=a cat")
    assert any("a bug of ours" in str(link) for link in (caught.value, caught.value.__cause__))
    # what was being run stays on record, and never as complete
    (left,) = tmp_path.rglob("manifest.json")
    assert (read_manifest(left.parent) or {})["status"] == "running"


def test_a_missing_argument_of_ours_is_a_bug_too(interp: Interp, monkeypatch: pytest.MonkeyPatch) -> None:
    def deeper(text: str, words: None) -> None:
        dict.fromkeys(text, colour=1)  # pyright: ignore[reportCallIssue]

    monkeypatch.setattr("interp.corpora.text.sentence", deeper)
    with pytest.raises(Exception, match=r"dict\.fromkeys"):
        interp("experiment=sentence", "text=a cat")


def test_a_bug_beside_an_error_of_the_users_is_still_a_bug(interp: Interp, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str, words: None) -> None:
        try:
            find_word(["a"], text, "query")
        except InterpError:
            {}["a bug of ours"]

    monkeypatch.setattr("interp.corpora.text.sentence", broken)
    with pytest.raises(InstantiationException, match="a bug of ours"):
        interp("experiment=sentence", "text=a cat")


def test_hydra_full_error_shows_the_traceback(interp: Interp, tmp_path: Path) -> None:
    with pytest.raises(InstantiationException, match=r"nothing\.conllu") as caught:
        interp("corpus=conllu", "corpus.path=nothing.conllu", environment={"HYDRA_FULL_ERROR": "1"})
    assert isinstance(caught.value.__cause__, CorpusError)


@pytest.mark.parametrize("value", [None, "0", "1"])
def test_the_environment_is_as_it_was(
    interp: Interp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    from experiments.__main__ import main

    monkeypatch.setattr(sys, "argv", ["interp", "--version"])
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    if value is not None:
        monkeypatch.setenv("HYDRA_FULL_ERROR", value)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code in (0, None)
    assert os.environ.get("HYDRA_FULL_ERROR") == value


def test_an_interrupt_exits_with_130_and_the_run_can_be_given_again(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("experiment=sentence", *tiny, f"text={TWICE}", "hydra.run.dir=run")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("interp.results.save_figures", interrupted)
        outcome = interp(*command)
    assert outcome.code == 130
    assert outcome.out == "" and "Stopped" in outcome.err and "Traceback" not in outcome.err
    assert (read_manifest(tmp_path / "run") or {})["status"] == "running"
    assert interp(*command).code == 0
    assert (read_manifest(tmp_path / "run") or {})["status"] == "complete"


# --- the same through a real shell


def in_a_shell(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=clean | environment, check=False)


def test_the_installed_command_is_the_module(tmp_path: Path) -> None:
    installed = Path(sys.executable).with_name("interp")
    by_name = in_a_shell(tmp_path, str(installed), "model=minilmm")
    by_module = in_a_shell(tmp_path, sys.executable, "-m", "experiments", "model=minilmm", PYTHONPATH=str(ROOT))
    assert by_name.returncode == by_module.returncode == 1
    assert by_name.stderr == by_module.stderr
    assert by_name.stderr.startswith("Error: model=minilmm is not known.")
    assert by_name.stdout == by_module.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_hydra_wraps_is_one_paragraph_in_a_shell(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "experiments", "corpus=conllu", "corpus.path=nothing.conllu")
    done = in_a_shell(tmp_path, *command, PYTHONPATH=str(ROOT))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "Error: nothing.conllu: there is no such file; allowed is one file. Give the path of a file.\n"
    )
    assert list(tmp_path.iterdir()) == []


# --- text as it is typed

SPECIAL = st.text(st.sampled_from(list("ab'\"\\${}[](),= :;#%~+-?!*é’\n\t")), max_size=12)
PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
TYPED = SPECIAL | PRINTABLE

PARSER = OverridesParser.create()


def as_hydra_reads(override: str) -> object:
    """The value of an override as it ends up in a resolved configuration."""
    parsed = PARSER.parse_override(quote(override))
    return OmegaConf.to_container(OmegaConf.create({"value": parsed.value()}), resolve=True)["value"]  # pyright: ignore


def in_quotes(text: str) -> bool:
    """Whether a text stands between quotes as a whole; those are Hydra's, and taken off."""
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\""


@settings(max_examples=500, deadline=None)
@given(TYPED)
@example("The student didn't attempt the quiz because it was too difficult.")
@example("${x}")
@example(r"\${x}")
@example("it costs ${oc.env:HOME} or $5, {yes}")
@example(" leading and trailing ")
@example("\\")
@example("a\\\n")
@example(r"\'")
@example("'a' and 'b'")
@example("'tis")
@example("key=value, other=[1,2]")
@example("null")
@example("7")
@example("「élève」 – naïve")
def test_text_is_taken_as_typed(text: str) -> None:
    assume(not in_quotes(text) or text.startswith("'a' and"))
    assert as_hydra_reads(f"text={text}") == text


@settings(max_examples=15, deadline=None)
@given(TYPED)
def test_text_is_taken_as_typed_through_the_whole_configuration(text: str) -> None:
    assume(not in_quotes(text))
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        config = compose("config", overrides=["experiment=sentence", quote(f"text={text}")])
    assert config.corpus.text == text
    assert OmegaConf.to_container(config, resolve=True)["text"] == text  # pyright: ignore


@settings(max_examples=200, deadline=None)
@given(TYPED)
@example("one, two, three")
@example("choice(a,b)")
def test_text_with_commas_is_one_job_of_a_sweep(text: str) -> None:
    assume(not in_quotes(text))
    parsed = PARSER.parse_overrides([quote(f"text={text}"), "seed=0,1"])
    jobs = BasicSweeper.split_arguments(parsed, None)[0]
    assert len(jobs) == 2
    for job in jobs:
        value = PARSER.parse_override(job[0]).value()
        assert OmegaConf.to_container(OmegaConf.create({"v": value}), resolve=True) == {"v": text}


@settings(max_examples=200, deadline=None)
@given(TYPED, st.sampled_from("'\""))
@example("didn't", "'")
@example("${x}", "'")
@example("", "'")
def test_a_text_that_is_quoted_already_loses_its_quotes(text: str, mark: str) -> None:
    assume("\\" not in text)
    escaped = text.replace(mark, f"\\{mark}")
    assert as_hydra_reads(f"text={mark}{escaped}{mark}") == text


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("query=it", "it"),
        ("query=7", 7),
        ("query=007", "007"),
        ("query=didn't", "didn't"),
        ("query=didn’t", "didn’t"),
        ("query=élève", "élève"),
        ("query=,", ","),
        ("query=(", "("),
        ("query=!", "!"),
        ("query='", "'"),
        ("query='it'", "it"),
        ("candidates=[quiz,student]", ["quiz", "student"]),
        ("candidates=[quiz, 3]", ["quiz", 3]),
        ("candidates=[élève,didn't]", ["élève", "didn't"]),
        ("candidates=['a','b']", ["a", "b"]),
        ("candidates=[]", []),
        ("candidates=['s,didn't,7]", ["'s", "didn't", 7]),
        ("candidates=['1,000',b]", ["1,000", "b"]),
        ("query='s", "'s"),
        ("query=[MASK]", "[MASK]"),
        ("words=[it,'s,fine]", ["it", "'s", "fine"]),
        ("words=[it,'s,',',7,1.50,null]", ["it", "'s", ",", "7", "1.50", "null"]),
        ("words=['it', \"'s\", '1,000']", ["it", "'s", "1,000"]),
        ("words=[rock,'n',roll,élève,他]", ["rock", "n", "roll", "élève", "他"]),
        ("words=it 's 'fine', or $5", "it 's 'fine', or $5"),
        ('words=[it\'s, fine, (ok), "a,b"]', ["it's", "fine", "(ok)", "a,b"]),
        ('words=[5",6"]', ['5"', '6"']),
        ("words=null", None),
        ("corpus.path=a/b.conllu", "a/b.conllu"),
        ("+text=it's", "it's"),
    ],
)
def test_words_are_words_and_numbers_are_numbers(override: str, value: object) -> None:
    assert as_hydra_reads(override) == value


@pytest.mark.parametrize("argument", ["query=it,she", "query=choice(it,she)", "query=it,didn't", "query=range(0,2)"])
def test_a_query_can_be_swept(argument: str) -> None:
    assert PARSER.parse_override(quote(argument)).is_sweep_override()


@pytest.mark.parametrize("argument", ["-m", "--cfg", "job", "text", "model=minilm", "corpus.text=a b", "~text"])
def test_other_arguments_stay_as_they_are(argument: str) -> None:
    assert quote(argument) == argument


# --- paths as they are typed

PATHS = (
    "a,b.conllu", "dir(1).conllu", "x=y.conllu", "50%.conllu", "a b.conllu", "it's.conllu", 'q".conllu', "{x}.conllu",
    "[x].conllu", "[x]", "élan.conllu", "語.conllu", "${x}.conllu", "7", "1e3", "null", "true", "choice(a)",
    "back\\,slash.conllu", "e;c!#.conllu", "a\\", "-x", "~x", "n\udce9.conllu", "n" * 250,
)  # fmt: skip


@pytest.mark.parametrize("sweep", [False, True])
@pytest.mark.parametrize("name", PATHS)
def test_a_path_that_is_there_is_taken_as_typed(
    name: str, sweep: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    for key in ("corpus.path", "+model.path", "corpus.target", "stability.other.path"):
        parsed = PARSER.parse_override(quote(f"{key}={name}", sweep=sweep))
        assert not parsed.is_sweep_override()
        value = OmegaConf.to_container(OmegaConf.create({"v": parsed.value()}), resolve=True)
        assert value == {"v": name}


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("corpus.path=dir(1)/x.conllu", "dir(1)/x.conllu"),
        ("corpus.path=it's", "it's"),
        ("model.path=x=y", "x=y"),
        ("corpus.path='a, b'", "a, b"),
        ('corpus.path="a, b"', "a, b"),
        (r"corpus.path=a\,b", "a,b"),
        ("corpus.path=[a,b]", ["a", "b"]),
        ("corpus.path=null", None),
        ("hydra.run.dir=out,1 (new)", "out,1 (new)"),
        ("hydra.run.dir=x=1", "x=1"),
    ],
)
def test_a_path_that_is_not_there_keeps_what_hydra_reads(override: str, value: object) -> None:
    assert as_hydra_reads(override) == value


def test_commas_between_paths_are_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def jobs(argument: str, sweep: bool = True) -> list[object]:
        parsed = PARSER.parse_override(quote(argument, sweep=sweep))
        swept = parsed.sweep_iterator() if parsed.is_sweep_override() else [parsed.value()]
        return [getattr(job, "text", job) for job in swept]

    assert jobs("corpus.path=a.conllu,x=y.conllu") == ["a.conllu", "x=y.conllu"]
    assert jobs("corpus.path=choice(a,b)") == ["a", "b"]
    assert jobs("corpus.path=a,b", sweep=False) == ["a", "b"], "without -m Hydra asks what is meant"
    Path("a,b").touch()
    assert jobs("corpus.path=a,b") == ["a,b"]
    assert jobs("corpus.path=a,b", sweep=False) == ["a,b"]
    Path("a").touch()
    Path("b").touch()
    assert jobs("corpus.path=a,b") == ["a", "b"]
    assert jobs("corpus.path=a,b", sweep=False) == ["a,b"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert jobs("corpus.path=~/a,b", sweep=False) == [str(tmp_path / "a,b")]
    assert jobs("corpus.path=~/a,~/b") == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert jobs("corpus.path='a,b',it's.conllu") == ["a,b", "it's.conllu"]
    assert jobs("corpus.path='a,b','a'") == ["a,b", "a"]
    Path("it's").touch()
    assert jobs("corpus.path='a,b',it's") == ["a,b", "it's"]


def test_the_home_directory_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "a home"))
    for key in ("corpus.path", "hydra.run.dir", "model.path"):
        assert as_hydra_reads(f"{key}=~/x") == str(tmp_path / "a home" / "x")
    assert as_hydra_reads("corpus.path=~no_such_user/x") == "~no_such_user/x"
    home = tmp_path / "a home"
    home.mkdir()
    for name in ("a,b.conllu", "c=(d)", "[e]", "e", "f"):
        (home / name).touch()
        assert as_hydra_reads(f"corpus.path=~/{name}") == str(home / name)


def test_a_comma_in_a_path_is_told_how_to_be_one(interp: Interp, tmp_path: Path) -> None:
    outcome = interp("corpus=conllu", "corpus.path=a,b.conllu")
    refused(outcome, tmp_path, "has a comma in it", "add -m", "corpus.path=\"'a,b.conllu'\"")


@pytest.mark.parametrize("name", ["n" * 300, "nul\0"])
def test_a_path_that_no_file_can_have_is_refused(interp: Interp, tmp_path: Path, name: str) -> None:
    for override in (f"corpus.path={name}", f"hydra.run.dir={name}"):
        outcome = interp("corpus=conllu", "corpus.path=absent", override)
        assert outcome.code == 1 and "Traceback" not in outcome.err and outcome.err.startswith("Error: ")
    assert list(tmp_path.iterdir()) == []


# --- names from files


NAMES = ("../t", "$x{", "=1+1", "nul\0l", "@home", "\x1b[31mred", "n" * 300, "a/b", "\u202edet", "-1", "+1", "\x9b31m")


def hostile_treebank(path: Path) -> Path:
    """Trees whose relations, tags and words are formulas, paths, control characters and names of 300 letters."""
    chance = random.Random(0)
    lines: list[str] = []
    for document in range(60):
        lines.append(f"# newdoc id = {document}")
        for place, word in enumerate(["the", *chance.sample(["=1+1", "@home", "+1", "cat", "$y_{", "\x1b[2Jsaw"], 5)]):
            tag, relation = chance.choice(NAMES[:6]), "root" if place == 0 else chance.choice(NAMES)
            lines.append(
                f"{place + 1}\t{word}\t_\t{tag}\t_\t_\t{chance.randint(1, place) if place else 0}\t{relation}\t_\t_"
            )
        lines.append("")
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


@pytest.mark.parametrize("experiment", ["atlas", "tags"])
@pytest.mark.parametrize("given", ["inline", pytest.param("names.conllu", marks=pytest.mark.real)])
def test_names_from_a_file_leave_folder_terminal_and_spreadsheet_alone(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], experiment: str, given: str
) -> None:
    treebank = ROOT.parent / "shared" / "cases" / "readers" / given
    if given != "inline" and not treebank.is_file():
        pytest.skip(f"{treebank} is absent")
    # a name that is not UTF-8, has an escape character, and is as long as one may be
    name = "n\udce9\x1b[31m" + "n" * 230 + ".conllu"
    content = (hostile_treebank(tmp_path / "made") if given == "inline" else treebank).read_bytes()
    (tmp_path / "made").unlink(missing_ok=True)
    (tmp_path / name).write_bytes(content)
    out = "out\udce9"
    few = ("classify.min_queries=5", "classify.min_blocks=3", "corpus.limit=40")
    outcome = interp(
        f"experiment={experiment}", *tiny, *few, "corpus=conllu", f"corpus.path={name}", f"hydra.run.dir={out}"
    )
    assert outcome.code == 0, outcome.err
    steering = [c for c in outcome.out + outcome.err if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert steering == [] and "\u202e" not in outcome.out
    assert {entry.name for entry in tmp_path.iterdir()} == {name, out}
    assert (read_manifest(tmp_path / out) or {})["status"] == "complete"
    for file in (tmp_path / out).glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as opened, file.with_suffix(".parquet").open("rb") as exact:
            rows = list(csv.reader(opened))
            assert len(rows) - 1 == len(pd.read_parquet(exact))
        for cell in (cell for row in rows for cell in row):
            assert not re.match(r"[=+@\t\r-]", cell) or re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?|-inf", cell)
    tables = load_runs(tmp_path / out)
    assert all(len(table) for table in tables.values())


# --- the errors themselves


@pytest.mark.parametrize("error", [InterpError("a"), ModelError("b"), CorpusError(Path("c"), 3, "d")])
def test_an_error_comes_back_from_another_process(error: InterpError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_a_corpus_error_names_file_and_line() -> None:
    assert str(CorpusError("f", 3, "wrong")) == "f, line 3: wrong"
    assert str(CorpusError("f", None, "wrong")) == "f: wrong"


def test_closest_lists_what_is_allowed_once_and_sorted() -> None:
    assert closest("bb", ["c", "b", "bbb", "b"]) == "Did you mean 'bbb'? Allowed: b, bbb, c."
    assert closest(7, ["a"]) == "Allowed: a."
