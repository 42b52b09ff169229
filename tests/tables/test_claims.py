"""Claims of papers, held against tables whose numbers are known."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml

from experiments.__main__ import CONF
from interp import plots
from interp.errors import InterpError
from interp.results import read_manifest
from interp.tables.claims import COLUMNS, Claim, compare, read_claims

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

SCORES = pd.DataFrame(
    [
        ("obj.to_governor", "self", 0, 0, "all", 100, 0.30, 0.2),
        ("obj.to_governor", "self", 0, 1, "all", 100, 0.70, 0.6),
        ("obj.to_governor", "self", 1, 0, "all", 100, 0.50, 0.7),
        ("obj.to_governor", "self", 0, 1, "confirm", 50, 0.99, 0.9),
        ("amod.to_governor", "self", 0, 1, "all", 40, float("nan"), 0.1),
    ],
    columns=["role", "site", "layer", "head", "split", "n", "hit", "mass"],
)
OBJ = {"role": "obj.to_governor", "split": "all"}
STUDIES = sorted((CONF / "study").glob("*.yaml"))


def claim(published: float | None = 0.7, tolerance: float | None = 0.02, **options: Any) -> Claim:
    return Claim("a claim", published, tolerance, "a paper", **{"where": OBJ, **options})


def judged(one: Claim) -> dict[str, Any]:
    (row,) = compare([one], {"scores": SCORES}).to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_one_row_the_best_row_counts_and_shares() -> None:
    one = judged(claim(where={**OBJ, "layer": 1, "head": 0}))
    assert (one["measured"], one["head"], one["n"], one["verdict"]) == (0.5, "1.0", 100, "fail")
    best = judged(claim(best="hit"))
    assert (best["measured"], best["head"], best["verdict"]) == (0.7, "0.1", "pass")
    # the best by another column than the one that is claimed
    assert judged(claim(best="mass"))["measured"] == 0.5
    assert judged(claim(over=0.4, published=2.0, tolerance=0.0))["verdict"] == "pass"
    assert judged(claim(under=0.4, published=1.0, tolerance=0.0))["verdict"] == "pass"
    assert judged(claim(mean=True, published=0.5))["verdict"] == "pass"
    top = judged(claim(column="mass", top=2, heads=["1.0", "0.0"], published=1.0))
    assert (top["measured"], top["head"], top["verdict"]) == (0.5, "1.0, 0.1", "fail")


@pytest.mark.parametrize(("published", "verdict"), [(0.72, "pass"), (0.68, "pass"), (0.721, "fail"), (0.679, "fail")])
def test_a_claim_passes_within_its_tolerance_and_no_further(published: float, verdict: str) -> None:
    assert judged(claim(published, 0.02 + 1e-12, best="hit"))["verdict"] == verdict


def test_what_is_not_there_is_not_measured_and_what_has_no_number_is_not_judged() -> None:
    assert judged(claim(where={"role": "dobj.to_governor"}))["verdict"] == "not measured"
    # an empty score is no score
    assert judged(claim(where={"role": "amod.to_governor"}))["verdict"] == "not measured"
    open_claim = judged(claim(None, None, best="hit"))
    assert (open_claim["measured"], open_claim["verdict"]) == (0.7, "no number")
    assert judged(claim(where={"role": "dobj.to_governor"}, over=0.1))["verdict"] == "not measured"


def test_claims_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(InterpError, match=r"fits 3 rows of 'scores'"):
        judged(claim())
    with pytest.raises(InterpError, match="Did you mean 'scores'"):
        judged(claim(table="score"))
    with pytest.raises(InterpError, match="Did you mean 'layer'"):
        judged(claim(where={"layr": 1}))
    with pytest.raises(InterpError, match="'publishes' is not known"):
        read_claims([{"claim": "x", "publishes": 1}])
    with pytest.raises(InterpError, match="has no 'source'"):
        read_claims([{"claim": "x", "published": 1, "tolerance": 0}])


WHOLE = {"claim": "x", "published": 1.0, "tolerance": 0.1, "source": "y"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"published": "b"}, "published=b is not allowed. Allowed: a number, or null"),
        ({"published": float("nan")}, "published=nan is not allowed"),
        ({"published": 10**400}, "published=1000"),
        ({"published": True}, "published=True is not allowed"),
        ({"tolerance": -0.1}, "tolerance=-0.1 is not allowed. Allowed: 0 or more"),
        ({"tolerance": []}, r"tolerance=\[\] is not allowed"),
        ({"claim": None}, "claim=None is not allowed. Allowed: a text"),
        ({"source": "\ud800"}, r"source=\\ud800 is not allowed"),
        ({"where": 3}, "where=3 is not allowed. Allowed: columns with their values"),
        ({"where": {"role": ["obj"]}}, r"where=\{'role': \['obj'\]\} is not allowed"),
        ({"mean": "yes"}, "mean=yes is not allowed. Allowed: true or false"),
        ({"top": 0, "heads": ["0.1"]}, "top=0 is not allowed. Allowed: a whole number of 1 or more"),
        ({"top": 1, "heads": "0.1"}, "heads=0.1 is not allowed. Allowed: a list of heads"),
        ({"top": 1}, "has top and no heads"),
        ({"heads": ["0.1"]}, "has heads and no top"),
        ({"mean": True, "over": 0.1}, "has over and mean. Allowed: one of"),
    ],
)
def test_values_that_are_none_of_their_kind_are_refused_by_claim_and_key(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InterpError, match=f"study.claims: .*{said}") as caught:
        read_claims([{**WHOLE, **changes}])
    str(caught.value).encode()


@pytest.mark.parametrize("written", [3, "x", {"claim": "x"}, ["x"], [None]])
def test_what_is_no_list_of_claims_is_refused(written: Any) -> None:
    with pytest.raises(InterpError, match=r"study\.claims"):
        read_claims(written)


def test_a_column_without_numbers_is_refused_and_a_choice_by_nothing_is_not_measured() -> None:
    with pytest.raises(InterpError, match="'role' of 'scores', which holds no numbers"):
        judged(claim(column="role", where={"layer": 1}))
    with pytest.raises(InterpError, match="'split' of 'scores', which holds no numbers"):
        judged(claim(best="split"))
    with pytest.raises(InterpError, match="is of the column '' of 'scores'"):
        judged(claim(best=""))
    amod = judged(claim(column="mass", best="hit", where={"role": "amod.to_governor"}))
    assert amod["verdict"] == "not measured"


def given(published: float | None, tolerance: float | None) -> list[dict[str, Any]]:
    return [{"claim": "x", "published": published, "tolerance": tolerance, "source": "y"}]


@pytest.mark.parametrize(("published", "tolerance"), [(8, 8), (0.004, 0.01), (-0.5, 0.5)])
def test_a_claim_that_would_pass_at_nothing_is_refused(published: float, tolerance: float) -> None:
    with pytest.raises(InterpError, match=rf"would let 0 pass. Allowed: less than {abs(published):g}"):
        read_claims(given(published, tolerance))


@pytest.mark.parametrize(("published", "tolerance"), [(8, 4), (-0.5, 0.4), (0, 0.1), (None, None), (None, 0.1)])
def test_a_claim_that_can_fail_is_read(published: float | None, tolerance: float | None) -> None:
    (one,) = read_claims(given(published, tolerance))
    assert (one.published, one.tolerance) == (published, tolerance)


def test_a_figure_shows_every_verdict() -> None:
    claims = [claim(best="hit"), claim(best="mass"), claim(None, None, best="hit"), claim(where={"role": "x"})]
    figure = plots.claims(compare(claims, {"scores": SCORES}))
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {"pass", "fail", "no number", "not measured"}
    assert not plots.claims(pd.DataFrame(columns=COLUMNS)).axes


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_every_study_says_what_it_needs_and_claims_what_can_be_read(file: Path) -> None:
    study = yaml.safe_load(file.read_text())["study"]
    assert study["name"] == file.stem
    assert study["title"] and study["needs"]
    claims = read_claims(study["claims"])
    assert claims
    assert all((one.published is None) == (one.tolerance is None) and one.source for one in claims)


# The command line


def test_what_a_study_needs_is_said_at_once(interp: "Callable[..., Outcome]") -> None:
    outcome = interp("study=clark2019_syntax")
    assert outcome.code == 1
    said = outcome.err
    assert "corpus.path has no value" in said
    assert "The study 'clark2019_syntax' needs the model google-bert/bert-base-uncased" in said
    said = interp("study=minilm_ewt", "corpus.path=absent.conllu").err
    assert "absent.conllu" in said and "UD_English-EWT" in said


def test_a_study_of_ones_own_ends_with_published_measured_and_verdicts(
    tmp_path: Path, interp: "Callable[..., Outcome]", tiny: tuple[str, str], corpus: tuple[str, str]
) -> None:
    claims = [
        {"claim": f"obj: head 0.{head}", "published": published, "tolerance": 0.001, "source": "me"}
        | {"where": {"role": "obj.to_governor", "split": "all", "layer": 0, "head": head}}
        for head, published in ((0, 0.0), (1, 2.0))
    ]
    mine = {"name": "mine", "title": "Mine", "needs": "nothing.", "claims": claims}
    (tmp_path / "conf" / "study").mkdir(parents=True)
    written = "# @package _global_\n" + yaml.safe_dump({"study": mine})
    (tmp_path / "conf" / "study" / "mine.yaml").write_text(written)
    folder = tmp_path / "run"
    asked = ("--config-dir=conf", "study=mine", "experiment=head_roles", "gate=off", *tiny, *corpus)
    outcome = interp(*asked, f"hydra.run.dir={folder}")
    assert outcome.code == 0, outcome.err
    verdicts, scores = (pd.read_parquet(folder / f"{name}.parquet") for name in ("study", "scores"))
    assert list(verdicts.columns) == COLUMNS
    assert (folder / "figures" / "study.png").is_file() and (folder / "figures" / "roles.png").is_file()
    here = scores[(scores.role == "obj.to_governor") & (scores.split == "all") & (scores.layer == 0)]
    for number in (0, 1):
        (hit,) = here.loc[here["head"] == number, "hit"]
        assert verdicts.measured[number] == hit
        assert verdicts.verdict[number] == ("pass" if abs(hit - claims[number]["published"]) <= 0.001 else "fail")
    assert verdicts["head"].tolist() == ["0.0", "0.1"]
    assert "Mine: " in outcome.out and "of 2 claims reproduced" in outcome.out
    manifest = read_manifest(folder)
    assert manifest is not None and manifest["config"]["study"]["name"] == "mine"
