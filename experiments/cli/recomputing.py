"""A run computed again from its manifest: in memory, with what differs around it from what is recorded."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from experiments.cli import inputs, settings, study
from experiments.cli import manifest as manifest_of
from experiments.cli.composing import compose_again
from experiments.cli.earlier_run import NOT_COMPARED, literal
from experiments.cli.manifest import flatten
from experiments.cli.measuring import findings_of, open_subject
from experiments.cli.printing import say
from experiments.cli.stopwatch import Stopwatch
from interp import results
from interp.progress import Progress
from interp.results import Findings

DATA = ("file", "input", "model", "corpus")
"""Kinds of circumstances that make it another run; others explain why numbers may differ."""

HASHES = ("sha256", "weights_sha256", "tokenizer_sha256", "revision", "documents", "words")
"""What the manifest's entries on model and corpus say of their data."""


class Circumstance(NamedTuple):
    """Something that is not now as the manifest has it."""

    kind: str
    name: str
    recorded: str
    now: str

    @property
    def words(self) -> str:
        """As a line."""
        return f"{self.kind} {self.name}: {self.recorded} → {self.now}"


def recompute(folder: Path, recorded: Mapping[str, Any], progress: Progress) -> tuple[Findings, list[Circumstance]]:
    """The findings of the same settings now, and every circumstance that is not as it was; these are said at once.

    The settings are composed anew from what was typed; where a default has changed since, the recorded value is taken.
    Raises `InterpError` where they cannot be composed here, and what the run itself would raise.
    """
    _, now = compose_again(recorded, "the run")
    plain, changed = _as_recorded(now, recorded.get("config", {}))
    settings.check(plain)
    config = literal(plain)
    settings.make(config)
    found = [*_files(folder, recorded), *changed, *_surroundings(recorded, plain)]
    _say(found)
    subject = open_subject(config, Stopwatch(), gate=True)
    about = [
        Circumstance(kind, name, _shown(recorded[kind].get(name)), _shown(subject.about[kind].get(name)))
        for kind in ("machine", "model", "corpus")
        if kind in recorded and kind in subject.about
        for name in (recorded[kind] if kind == "machine" else HASHES)
        if recorded[kind].get(name) != subject.about[kind].get(name)
    ]
    _say(about)
    # a shard ends, and a plan too, as they would in the run itself
    findings = findings_of(config, subject, progress)
    return study.judge(findings, config.study) if config.get("study") else findings, [*found, *about]


def _files(folder: Path, recorded: Mapping[str, Any]) -> list[Circumstance]:
    """Files of the run that are not as it wrote them."""
    gone, damaged = results.compare_files(folder, recorded)
    return [
        *(Circumstance("file", name, "written", "gone") for name in gone),
        *(Circumstance("file", name, "written", "changed since") for name in damaged),
    ]


def _as_recorded(now: dict[str, Any], recorded: Mapping[str, Any]) -> tuple[dict[str, Any], list[Circumstance]]:
    """The settings here with the recorded values of those that were there; code is never taken from a manifest."""
    before, here = flatten(recorded), flatten(now)
    changed = [
        Circumstance("setting", key, _shown(before.get(key, "absent")), _shown(here.get(key, "absent")))
        for key in sorted(before.keys() | here.keys())
        if before.get(key, "absent") != here.get(key, "absent")
        and key.partition(".")[0] not in (*NOT_COMPARED, "shard")
    ]
    for one in changed:
        if one.name in before and one.name in here and _is_plain(before[one.name]):
            *above, last = one.name.split(".")
            if last.startswith("_"):
                continue
            place = now
            for part in above:
                place = place[part]
            place[last] = before[one.name]
    return now, changed


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, a text and the like, or a list of these: nothing that could name code to be run."""
    return not isinstance(value, Mapping) and (not isinstance(value, list) or all(map(_is_plain, value)))


def _surroundings(recorded: Mapping[str, Any], plain: dict[str, Any]) -> list[Circumstance]:
    """Versions, and files that the settings name, before anything is loaded."""
    here = manifest_of.new_manifest({})
    found = []
    for kind, part in (("version", "project"), ("version", "packages")):
        before, now = recorded.get(part, {}), here[part]
        found += [
            Circumstance(kind, name, _shown(before.get(name)), _shown(now.get(name)))
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name)
        ]
    before, now = recorded.get("inputs", {}), inputs.hashes(plain)
    found += [
        Circumstance("input", path, _shown(before.get(path, "absent")), _shown(now.get(path, "absent")))
        for path in sorted(before.keys() | now.keys())
        if before.get(path) != now.get(path)
    ]
    return found


def _say(found: list[Circumstance]) -> None:
    for one in found:
        say(f"Not as recorded: {one.words}", to=sys.stderr)


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
