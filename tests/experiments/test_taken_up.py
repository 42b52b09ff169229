"""Every experiment, stopped again and again, or shared out, ends in the tables that it has when nothing happens."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from experiments.cli.error_messages import CONF
from experiments.cli.sums.kept import LoopOnDisk, SumsOnDisk
from experiments.cli.sums.merged import MergedSums
from interp.corpora import batching
from interp.examples import FILE as EXAMPLES
from interp.examples import to_bytes
from interp.progress import Passes, Progress, Shard, ShardEnds, silent
from interp.schema import check_columns
from tests.conftest import Case

GRAMMAR = ("corpus=grammar", "corpus.documents=40")
RULES = ("classify.min_queries=2", "classify.min_blocks=2")
PROMPTS = ("behaviour._target_=tests.support.prompts.tiny_prompts", "behaviour.documents=40")
EXPERIMENTS: dict[str, tuple[str, ...]] = {
    "head_roles": GRAMMAR,
    "atlas": (*GRAMMAR, "ablation.limit=20"),
    "head_ablation": (*GRAMMAR, "ablation.limit=20", "+ablation.sets=layers"),
    "head_ablation estimate": (*GRAMMAR, "ablation.estimate=attribution", "ablation.sample=8"),
    "head_ablation race": (*GRAMMAR, "ablation.top=2"),
    "head_ablation delta": (*GRAMMAR, "ablation.precision=delta", "ablation.limit=12", "ablation.sample=8"),
    "head_ablation resample": (*GRAMMAR, "ablation=resample", "ablation.limit=12"),
    "nulls": (*GRAMMAR, "null=[permuted_gold,shuffled_rows]", "null_seeds=1", "roles=coreference"),
    "sensitivity": (*GRAMMAR, "sensitivity.seeds=1", "sensitivity.margins=[0.1]", "roles=copying"),
    "stability": (*GRAMMAR, "stability.permutations=9", "stability.documents=20", "roles=positional"),
    "calibration": (
        "corpus=grammar",
        "corpus.documents=100",
        "calibration.repeats=2",
        "calibration.documents=[40]",
        "calibration.relations=2",
        "calibration.roles=[first,nsubj.to_governor]",
        "calibration.accuracies=[0.5]",
    ),
    "known_answers": ("corpus=grammar", "corpus.documents=24", "planted.seeds=1", "planted.repeats=12"),
    "random_init": (
        *GRAMMAR,
        "random_init.shapes=[minilm]",
        "random_init.seeds=2",
        "random_init.layers=1",
        "roles=copying",
    ),
    "anatomy": GRAMMAR,
    "shapes": GRAMMAR,
    "tags": GRAMMAR,
    "explain": (*GRAMMAR, "explain.nulls=[permuted_gold,shuffled_rows]"),
    "diversity": GRAMMAR,
    "logit_attribution": (*PROMPTS, "force=true"),
    "probe": GRAMMAR,
    "explain token": ("corpus=repeats", "corpus.documents=40", "corpus.length=12", "explain.unit=token"),
    "patching": (
        *PROMPTS,
        "force=true",
        "patching.part=[z,k]",
        "patching.position=[all,again]",
        "patching.estimate=true",
    ),
    "path_patching": (*PROMPTS, "force=true", "path_patching.receiver=[output,L1H2.v]"),
    "copying": ("corpus=repeats", "corpus.documents=40", "corpus.length=12"),
    "role_ablation": (
        "corpus=repeats",
        "corpus.documents=24",
        "corpus.length=12",
        "role_ablation.heads={first:[L0H1,L1H2],second:[L1H0]}",
        "role_ablation.draws=2",
    ),
    "role_ablation prompts": (
        *PROMPTS,
        "force=true",
        "role_ablation.heads={first:[L0H1,L1H2],second:[L1H0]}",
        "role_ablation.draws=2",
        "role_ablation.replacements=[mean]",
    ),
    "circuit": (
        *PROMPTS,
        "force=true",
        "circuit.top=3",
        "circuit.draws=2",
        "circuit.subsets=2",
        "circuit.greedy=1",
        "circuit.curve=[0.5]",
        "circuit.curve_draws=2",
    ),
    "interactions": (*PROMPTS, "force=true", "interactions.top=2"),
    "gates": (
        *GRAMMAR,
        "gates.steps=3",
        "gates.seeds=2",
        "gates.strengths=[0.0,0.05]",
        "gates.rate=0.9",
        "gates.draws=2",
    ),
    "pruning_curve": (*GRAMMAR, "ablation.limit=16", "pruning.steps=3", "pruning.seeds=2", "pruning.role=offset-1"),
}


class Killed(BaseException):
    """As much of a signal as one process can send itself."""


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many items to a loop; and no choice that depends on how fast the machine is just now."""
    monkeypatch.setattr(batching, "TOKENS_A_BATCH", 120)
    monkeypatch.setattr("interp.ablation.sweep.TOKENS_A_SWEEP", 100)
    monkeypatch.setattr("interp.ablation.effects.slower_than_exact", lambda *_: None)


Run = Callable[[Progress], Mapping[str, pd.DataFrame]]


@pytest.fixture(params=EXPERIMENTS)
def run(request: pytest.FixtureRequest, tiny_gpt2: Case) -> Run:
    name, overrides = request.param.split()[0], EXPERIMENTS[request.param]
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        config = compose("config", [f"experiment={name}", *overrides, *RULES])
    corpus = instantiate(config.corpus, _convert_="all")
    model = instantiate(config.model, _convert_="all") if name == "known_answers" else tiny_gpt2.model
    experiment = partial(instantiate(config.experiment, _convert_="all"), model, corpus)

    def tables(progress: Progress) -> Mapping[str, pd.DataFrame]:
        found = experiment(progress=progress)
        kept = {} if found.examples is None else {EXAMPLES: pd.DataFrame({"bytes": [to_bytes(found.examples)]})}
        return {**found.tables, **kept}

    return tables


@pytest.fixture
def undisturbed(request: pytest.FixtureRequest, run: Run, known: dict[str, Mapping[str, pd.DataFrame]]) -> Any:
    """The tables of the run when nothing happens; measured once in a process."""
    name = request.node.callspec.params["run"]
    if name not in known:
        known[name] = run(silent)
    return known[name]


@pytest.fixture(scope="session")
def known() -> dict[str, Mapping[str, pd.DataFrame]]:
    return {}


def assert_same(tables: Mapping[str, pd.DataFrame], expected: Mapping[str, pd.DataFrame]) -> None:
    assert list(tables) == list(expected)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, expected[name], check_exact=True, obj=name)


def test_every_table_is_what_is_told_of_its_columns(undisturbed: Mapping[str, pd.DataFrame]) -> None:
    for name, table in undisturbed.items():
        if name == EXAMPLES:
            continue
        assert check_columns(name, table) == [], name


def test_stopped_at_any_item_it_goes_on(
    run: Run, undisturbed: Mapping[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves: list[str] = []

    def save(loop: LoopOnDisk, *what: Any) -> None:
        kept(loop, *what)
        saves.append(loop._loop.name)
        if len(saves) % 2 == 0:
            raise Killed

    kept = LoopOnDisk.save
    monkeypatch.setattr(LoopOnDisk, "is_due", lambda _: True)
    monkeypatch.setattr(LoopOnDisk, "save", save)
    tables, starts = None, 0
    while tables is None:
        keeper = SumsOnDisk(tmp_path, {"config": {}})
        keeper.take_up()
        try:
            tables = run(Passes(keeper=keeper))
        except Killed:
            starts += 1
    assert starts >= 1, saves
    assert_same(tables, undisturbed)


@pytest.mark.parametrize("count", [3])
def test_shards_together_are_the_whole(
    run: Run, undisturbed: Mapping[str, pd.DataFrame], tmp_path: Path, count: int
) -> None:
    folders = {}
    for number in range(1, count + 1):
        shard = Shard(number, count)
        folders[str(shard)] = tmp_path / str(number)
        folders[str(shard)].mkdir()
        keeper = SumsOnDisk(folders[str(shard)], {"config": {}}, shard)
        keeper.take_up()
        with pytest.raises(ShardEnds):
            run(Passes(keeper=keeper, shard=shard))
    assert_same(run(Passes(keeper=MergedSums(folders))), undisturbed)
