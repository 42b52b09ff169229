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
from interp.examples import FILE as EXAMPLES
from interp.examples import load_examples
from interp.models.checkpoint.files import file_digest
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
    kept = EXAMPLES in recorded.get("files", {})
    findings = results.Findings(
        tables,
        recorded.get("skipped", {}),
        tuple(recorded.get("said", ())),
        load_examples(folder) if kept else None,
    )
    drawn = draw(config, tables, style)
    figures = {name: figure for name, figure in drawn.items() if blank_reason(figure) is None}
    manifest = {key: value for key, value in recorded.items() if key != "theme"} | theme_of(plots)
    manifest["config"] = recorded["config"] | {"plots": plots}
    texts = texts_of(findings, manifest, figures)
    # stopped on the way, it is drawn again: what is replaced is not held against its hashes any more
    measured = [EXAMPLES] if kept else []
    files = results.written(folder, tables, (), measured)
    results.write_manifest(folder, recorded | {"config": recorded["config"] | {"plots": None}, "files": files})
    results.save_figures(folder, figures)
    results.save_texts(folder, texts)
    manifest["files"] = results.written(folder, tables, figures, [*texts, *measured])
    results.write_manifest(folder, manifest)
    drawn_anew = f"{shown(folder)} holds this run, complete. Its figures are drawn anew from its tables."
    say(to_json(folder, manifest) if config.json else drawn_anew)
