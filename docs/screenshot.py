"""A picture of the page of a run, as a browser shows it: python docs/screenshot.py RUN/report.html PICTURE.png

The browser is Debian's Chromium, or the one that the variable CHROMIUM names; Playwright (the extra `dev`) drives it.
"""

import argparse
import os
from pathlib import Path

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
WIDTH, HEIGHT = 1280, 900


def main() -> None:
    """Take the picture that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="report.html of a run")
    parser.add_argument("picture", type=Path, help="the file that is written")
    parser.add_argument("--head", help="a head to show, such as 2.0")
    parser.add_argument("--height", type=int, default=HEIGHT, help=f"of the window, in pixels ({HEIGHT})")
    given = parser.parse_args()
    take(given.page, given.picture, head=given.head, height=given.height)


def take(page: Path, picture: Path, *, head: str | None = None, height: int = HEIGHT) -> None:
    """Opens the page of a run, chooses the head, and keeps what the window shows."""
    # whoever draws other pictures needs no browser
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        window = browser.new_page(viewport={"width": WIDTH, "height": height}, color_scheme="light")
        window.goto(page.resolve().as_uri())
        window.wait_for_selector("body[data-drawn]")
        if head is not None:
            window.locator(f"[role=gridcell][title^='head {head}:']").click()
        window.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
