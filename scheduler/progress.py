"""How far something is that a person waits for: on standard error, about once a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import click

EVERY_S: Final = 1.0


def told(text: str) -> Callable[..., None]:
    """Tells figures in the words of a format string; nothing of what takes no longer than a second.

    Args:
        text: For ``str.format``, with a place for each figure.
    """
    told_s = time.monotonic()

    def tell(*figures: str | float) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= EVERY_S:
            told_s = time.monotonic()
            click.echo(text.format(*figures), err=True)

    return tell
