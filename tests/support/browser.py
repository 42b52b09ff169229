"""Debian's Chromium, driven by Playwright."""

import os
from pathlib import Path
from typing import Any, NamedTuple

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


class Opened(NamedTuple):
    """A page that was opened from a file, and what it asked for and complained about since."""

    page: Any
    requests: list[str]
    complaints: list[str]


def opened(chromium: Any, path: Path, *, width: int = 1280, scheme: str = "light") -> Opened:
    """The file in a window of its own; nothing but the file itself may be asked for."""
    page = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.resolve().as_uri())
    page.wait_for_selector("body[data-drawn]")
    return Opened(page, requests, complaints)
