"""The cache of dequantised models where there is no room for it, or no home."""

import errno
import os
from pathlib import Path

import pytest

from interp.errors import InterpError, ModelError
from interp.models import gguf as module


def test_a_cache_without_room_keeps_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERP_CACHE", str(tmp_path / "cache"))

    def write(_: Path, folder: Path) -> None:
        (folder / "config.json").write_text("{", encoding="utf-8")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "write", write)
    with pytest.raises(
        InterpError, match=r"cannot be written .*Make room there, or set INTERP_CACHE to another folder"
    ):
        module.dequantised(tmp_path / "tiny.gguf", "0" * 64)
    assert os.listdir(tmp_path / "cache") == []
    (tmp_path / "file").touch()
    monkeypatch.setenv("INTERP_CACHE", str(tmp_path / "file"))
    with pytest.raises(InterpError, match=r"cannot be written .*set INTERP_CACHE"):
        module.dequantised(tmp_path / "tiny.gguf", "0" * 64)


def test_a_cache_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("INTERP_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ModelError, match="INTERP_CACHE=DIR"):
        module.cache()
