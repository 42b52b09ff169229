"""`plots.width` and `plots.theme` change pictures alone: a complete run is drawn anew, from its tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from interp import results
from interp.errors import InterpError

if TYPE_CHECKING:
    import pytest

    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

Interp = Callable[..., "Outcome"]
RUN = ("experiment=head_ablation", "hydra.run.dir=run", "ablation=zero")


def width_of(pdf: Path) -> float:
    return round(float(pdf.read_bytes().partition(b"/MediaBox [ 0 0 ")[2].split()[0]) / 72, 3)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_width_draws_a_complete_run_anew(
    interp: Interp, tiny: tuple[str, str], corpus: tuple[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    assert interp(*tiny, *corpus, *RUN).code == 0
    before = files(folder)
    assert width_of(folder / "figures" / "effects.pdf") == 7.0
    caption = before["figures/captions.md"].decode()
    assert "## effects" in caption and "n: " in caption

    again = interp(*tiny, *corpus, *RUN, "plots.width=column")
    assert again.code == 0 and "complete. Its figures are drawn anew from its tables." in again.out, again.err
    assert width_of(folder / "figures" / "effects.pdf") == 3.4
    after = files(folder)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {*(f"figures/effects.{kind}" for kind in ("pdf", "png", "tex")), "manifest.json"}
    manifest = json.loads(after["manifest.json"])
    assert manifest["status"] == "complete" and manifest["config"]["plots"]["width"] == "column"
    assert results.compare_files(folder, manifest) == ([], [])

    same = interp(*tiny, *corpus, *RUN, "plots.width=column")
    assert "It is left as it is." in same.out and files(folder) == after
    # and back, to the last byte
    assert interp(*tiny, *corpus, *RUN).code == 0
    assert {name: text for name, text in files(folder).items() if name != "manifest.json"} == {
        name: text for name, text in before.items() if name != "manifest.json"
    }


def test_a_theme_that_changes_draws_anew(
    interp: Interp, tiny: tuple[str, str], corpus: tuple[str, str], tmp_path: Path
) -> None:
    theme, folder = tmp_path / "my theme.mplstyle", tmp_path / "run"
    theme.write_text("font.family: DejaVu Serif\n")
    typed = (*tiny, *corpus, *RUN, "plots.theme=my theme.mplstyle")
    outcome = interp(*typed)
    assert outcome.code == 0, outcome.err
    first = (folder / "figures" / "effects.pdf").read_bytes()
    assert b"DejaVuSerif" in first
    assert "It is left as it is." in interp(*typed).out
    theme.write_text("font.family: DejaVu Sans\n")
    assert "drawn anew" in interp(*typed).out
    assert b"DejaVuSerif" not in (folder / "figures" / "effects.pdf").read_bytes()


def test_stopped_while_it_is_drawn_it_is_drawn_again(
    interp: Interp, tiny: tuple[str, str], corpus: tuple[str, str], tmp_path: Path, monkeypatch: "pytest.MonkeyPatch"
) -> None:
    assert interp(*tiny, *corpus, *RUN).code == 0

    def fails(*_: object) -> None:
        raise InterpError("No room.")

    with monkeypatch.context() as patch:
        patch.setattr(results, "save_texts", fails)
        assert "No room." in interp(*tiny, *corpus, *RUN, "plots.width=column").err
    # whichever width is asked for
    assert "drawn anew" in interp(*tiny, *corpus, *RUN).out
    assert width_of(tmp_path / "run" / "figures" / "effects.pdf") == 7.0


def test_a_wrong_style_is_refused_before_anything_is_loaded(interp: Interp, tmp_path: Path) -> None:
    for option, said in {
        "plots.width=poster": "plots.width=poster is not known. Allowed: column, page",
        "plots.theme=absent": "absent cannot be read",
        "plots.theme=7": "plots.theme=7 is not allowed. Allowed: the path of a style file",
    }.items():
        outcome = interp("model=local", "model.path=nowhere", *RUN, option)
        assert outcome.code == 1 and said in outcome.err, outcome.err
    assert not (tmp_path / "run").exists()
