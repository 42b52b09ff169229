"""Whether what a manifest.json holds is a run's manifest: it may be damaged, or have been written to deceive.

Nothing in it is ever run or instantiated, and the files that it lists lie in its own folder.
"""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

OBJECTS = ("config", "tables", "files", "inputs", "corpus", "model", "packages")
HASHES = ("files", "inputs")
TEXTS = (("corpus", "name"), ("corpus", "sha256"))


def wrong_part(content: Any) -> str | None:
    """The part that has not the form in which a run writes it; `""` for what is no manifest at all; `None` for none."""
    if not isinstance(content, dict) or not isinstance(content.get("status"), str):
        return ""
    # another program's may have a status as well
    if "project" in content and _text(content["project"], "name") != "interp":
        return ""
    for part in OBJECTS:
        if not isinstance(content.get(part, {}), dict):
            return part
    for part in HASHES:
        if not all(isinstance(digest, str) for digest in content.get(part, {}).values()):
            return part
    for part, name in TEXTS:
        if part in content and not isinstance(content[part].get(name), str):
            return part
    model = content.get("model", {})
    if model.get("revision") and not all(isinstance(model.get(name), str) for name in ("revision", "path")):
        return "model"
    return None if all(map(stays_inside, content.get("files", {}))) else "files"


def stays_inside(name: str) -> bool:
    """Whether a name is a path below the folder that it is meant in, on any system."""
    ways = (PurePosixPath(name), PureWindowsPath(name))
    # 255 bytes: of more no system makes a file
    sizes = [len(part.encode(errors="surrogatepass")) for part in ways[0].parts]
    is_below = all(not way.anchor and way.parts and ".." not in way.parts for way in ways)
    return "\0" not in name and is_below and max(sizes) <= 255


def _text(part: Any, name: str) -> Any:
    return part.get(name) if isinstance(part, dict) else None
