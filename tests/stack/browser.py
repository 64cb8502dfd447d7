"""A real browser that talks to nobody of its own accord."""

import os
import shutil
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.helpers.waiting import HANG, until

LIMIT = 1000 * HANG  # ms: a busy machine is no failure; what is expected ends the waiting
expect.set_options(timeout=LIMIT)
NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]


def program() -> str | None:
    """Where it is, if it is anywhere."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = program()
    if path is None and not os.environ.get("CI"):  # noqa: TID251  # no setting of the product
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET, timeout=LIMIT)
        yield browser
        browser.close()


def new_page(browser: Browser, width: int, dark: bool) -> Page:
    scheme: Literal["dark", "light"] = "dark" if dark else "light"
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(LIMIT)
    return page


def becomes(page: Page, expression: str, expected: Any) -> None:
    """Wait until that is so: charts take their final size some time after they are drawn."""
    try:
        until(lambda: page.evaluate(expression) == expected)
    except AssertionError:
        assert page.evaluate(expression) == expected
