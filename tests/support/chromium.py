"""The browser that the tests of pages use; a process can drive one only.

A test module asks for it with `pytest_plugins = ("tests.support.chromium",)`.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.browser import ARGUMENTS, CHROMIUM


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser, for as long as the tests run."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is absent: Debian's package chromium, or another in the variable CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()
