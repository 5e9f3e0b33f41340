"""Chromium, as Debian packages it, driven by Playwright; it never leaves this machine."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Only loopback is found. To stop requests one by one would switch off the cache: megabytes of script for each page.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def chromium() -> str | None:
    """Where Chromium is installed; None if it is not."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextlib.contextmanager
def open_browser(executable: str, profile: Path) -> Iterator[Page]:
    """A page of a headless browser with an empty profile, from which only loopback can be reached."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=executable,
            args=FLAGS,
            headless=True,
            viewport={"width": 1400, "height": 1000},
            reduced_motion="reduce",
        )
        context.set_default_timeout(20_000)
        expect.set_options(timeout=15_000)
        yield context.new_page()
        context.close()
