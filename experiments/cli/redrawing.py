"""A complete run given again with other settings of `plots`: figures are drawn anew, numbers stay as they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from experiments.cli.closing_notes import to_json
from experiments.cli.outputs import texts_of
from experiments.cli.printing import say
from experiments.cli.recording import draw
from experiments.cli.run_folder import shown
from interp import results
from interp.models.checkpoint.files import file_digest
from interp.plots.captions import caption_texts
from interp.plots.style import Style, blank_reason


def is_drawn_so(recorded: Mapping[str, Any], plots: dict[str, Any]) -> bool:
    """Whether the figures of a complete run are as these settings say; one of an older version had no others."""
    before = recorded["config"].get("plots", {**plots, "width": "page", "theme": None})
    return before == plots and recorded.get("theme") == theme_of(plots).get("theme")


def theme_of(plots: Mapping[str, Any]) -> dict[str, str]:
    """What a manifest says of a theme: the sha256 of its file."""
    return {"theme": file_digest(Path(plots["theme"]).expanduser())} if plots["theme"] else {}


def redraw(config: DictConfig, folder: Path, recorded: dict[str, Any], plots: dict[str, Any], style: Style) -> None:
    """The figures of a complete run, and the texts beside them, anew from its tables, as `plots` says."""
    tables = {name: results.read_table(folder, name, recorded.get("files", {})) for name in recorded.get("tables", {})}
    findings = results.Findings(tables, recorded.get("skipped", {}), tuple(recorded.get("said", ())))
    drawn = draw(config, tables, style)
    figures = {name: figure for name, figure in drawn.items() if blank_reason(figure) is None}
    manifest = {key: value for key, value in recorded.items() if key != "theme"} | theme_of(plots)
    manifest["config"] = recorded["config"] | {"plots": plots}
    texts = texts_of(findings, manifest) | caption_texts(figures)
    # stopped on the way, it is drawn again: what is replaced is not held against its hashes any more
    kept = results.written(folder, tables, ())
    results.write_manifest(folder, recorded | {"config": recorded["config"] | {"plots": None}, "files": kept})
    results.save_figures(folder, figures)
    results.save_texts(folder, texts)
    manifest["files"] = results.written(folder, tables, figures, texts)
    results.write_manifest(folder, manifest)
    drawn_anew = f"{shown(folder)} holds this run, complete. Its figures are drawn anew from its tables."
    say(to_json(folder, manifest) if config.json else drawn_anew)
