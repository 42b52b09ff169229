"""Whether what a manifest.json holds is a run's manifest: it may be damaged, or have been written to deceive.

Nothing in it is ever run or instantiated, and the files that it lists lie in its own folder.
"""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

OBJECTS = ("config", "tables", "files", "inputs", "corpus", "model", "packages")
HASHES = ("files", "inputs")
TEXTS = (("corpus", "name"), ("corpus", "sha256"))


def is_manifest(content: Any) -> bool:
    """Whether every part that is there has the form in which a run writes it."""
    if not isinstance(content, dict) or not isinstance(content.get("status"), str):
        return False
    # another program's may have a status as well
    if "project" in content and _text(content["project"], "name") != "interp":
        return False
    if not all(isinstance(content.get(part, {}), dict) for part in OBJECTS):
        return False
    hashed = [digest for part in HASHES for digest in content.get(part, {}).values()]
    said = [_text(content[part], name) for part, name in TEXTS if part in content]
    if (model := content.get("model", {})).get("revision"):
        said += [_text(model, "revision"), _text(model, "path")]
    return all(isinstance(one, str) for one in [*hashed, *said]) and all(map(stays_inside, content.get("files", {})))


def stays_inside(name: str) -> bool:
    """Whether a name is a path below the folder that it is meant in, on any system."""
    ways = (PurePosixPath(name), PureWindowsPath(name))
    return "\0" not in name and all(not way.anchor and way.parts and ".." not in way.parts for way in ways)


def _text(part: Any, name: str) -> Any:
    return part.get(name) if isinstance(part, dict) else None
