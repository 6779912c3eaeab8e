"""The machine's own browser, run without a window."""

import shutil
import subprocess
from pathlib import Path

PROGRAM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
WHY_NOT = "no browser on this machine; Debian has one: apt-get install chromium"


def dom(page: Path) -> tuple[str, str]:
    """A page as the browser has it once it is opened, and what the browser says of it meanwhile."""
    return _run(page, "--dump-dom", "--enable-logging=stderr")


def screenshot(page: Path, to: Path, *, is_dark: bool, height: int = 4000) -> None:
    """A picture (PNG) of a page, 1,000 pixels wide."""
    scheme = f"--blink-settings=preferredColorScheme={0 if is_dark else 1}"
    _run(page, scheme, "--hide-scrollbars", f"--window-size=1000,{height}", f"--screenshot={to}")


def _run(page: Path, *words: str) -> tuple[str, str]:
    command = [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", *words, page.resolve().as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    return done.stdout, done.stderr
