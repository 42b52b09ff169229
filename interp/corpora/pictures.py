"""Pictures from a folder, one file a document."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from interp import paths
from interp.corpora.subsets import keep
from interp.corpora.text import digest, stem
from interp.errors import CorpusError
from interp.text.printable import printable
from interp.types import Corpus, Document, Picture

SUFFIXES = (".png", ".jpg", ".jpeg")
NOWHERE = np.empty((0, 2), dtype=np.int32)


def read_pictures(path: str | Path, *, limit: int | None = None, first: int | None = None) -> Corpus:
    """Every PNG and JPEG file of a folder and the folders in it, in the order of their names; or one such file.

    A picture is its own source, under its path in the folder: frames of one film are not told apart from pictures
    that have nothing in common, and should be thinned out before. Files of another kind are skipped and counted in the
    notes, hidden ones in silence. Transparency is dropped, and pictures are turned as their camera says. `limit` and
    `first` keep so many pictures (`interp.corpora.subsets`). Raises CorpusError where the folder is missing, holds no
    picture, or a file cannot be read; InterpError for a limit below 1.
    """
    path = paths.given(path)
    _check_exists(path)
    folder, files, others = (path, *_files(path)) if path.is_dir() else (path.parent, [path], 0)
    at = {printable(file.relative_to(folder).as_posix()): file for file in files}
    named = (Document(name, "", (), NOWHERE) for name in at)
    kept = keep(enumerate(named, 1), path, limit=limit, first=first)
    documents = tuple(replace(document, picture=_read(at[document.source])) for document in kept.documents)
    listed = "".join(f"{document.source} {digest(at[document.source])}\n" for document in documents)
    notes = kept.notes
    if others:
        notes = (*notes, f"{others} {'file' if others == 1 else 'files'} skipped that are neither PNG nor JPEG")
    hashed = sha256(listed.encode()).hexdigest()
    return Corpus(stem(path), documents, hashed, notes=notes, cut=kept.cut)


def picture_document(picture: Picture, source: str) -> Document:
    """A picture that no model has cut into patches yet."""
    return Document(source, "", (), NOWHERE, picture=picture)


def _check_exists(path: Path) -> None:
    if path.exists():
        return
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, beside, n=1, cutoff=0.5)
    hint = f"Did you mean {str(path.parent / near[0])!r}? " if near else ""
    problem = f"there is no such folder; allowed is a folder of pictures, or one picture. {hint}Give the path of one."
    raise CorpusError(path, None, problem)


def _files(folder: Path) -> tuple[Sequence[Path], int]:
    """The pictures, and how many files are none."""
    inside = (file for file in folder.rglob("*") if file.is_file())
    shown = [file for file in inside if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
    found = sorted(file for file in shown if file.suffix.lower() in SUFFIXES)
    if not found:
        allowed = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
        problem = f"this folder holds no picture; allowed are {allowed}, in folders of it too. Give another folder."
        raise CorpusError(folder, None, problem)
    return found, len(shown) - len(found)


def _read(file: Path) -> Picture:
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as image:
            turned = ImageOps.exif_transpose(image)
            if turned.mode.startswith("I"):
                # grey of 16 bits, of which the upper eight are kept: as grey of 8 bits all but black would be white
                turned = Image.fromarray((np.asarray(turned).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
            return np.array(turned.convert("RGB"))
    except Exception as error:  # what a damaged file makes of Pillow is of any class
        problem = f"it cannot be read as a picture ({error}); allowed are PNG and JPEG. Mend the file, or remove it."
        raise CorpusError(file, None, problem) from error
