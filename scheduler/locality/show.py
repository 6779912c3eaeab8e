"""How answers look: tables that align, sizes and times as people say them, JSON and YAML for programs.

Colours come only to a terminal (click takes them out of anything else), progress goes to standard error.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

import click

TABLE: Final = "table"
WIDE: Final = "wide"
JSON: Final = "json"
YAML: Final = "yaml"
OUTPUTS: Final = (TABLE, WIDE, JSON, YAML)
PROGRESS_AFTER_S: Final = 1.0

_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0
_DAY_S: Final = 86400.0

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(OUTPUTS),
    default=TABLE,
    show_default=True,
    help="wide has more columns; json and yaml are for programs, and hold all there is.",
)


def document(data: object, output: str) -> str:
    """The same as JSON or YAML, without a line's end."""
    if output == YAML:
        import yaml  # noqa: PLC0415 (only this needs it)

        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip()
    import json  # noqa: PLC0415 (likewise)

    return json.dumps(data, indent=2, ensure_ascii=False)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Lines with aligned columns, three spaces apart; ``right``: columns that end together, as numbers do."""
    lines = [head, *rows]
    widths = [max(len(click.unstyle(line[column])) for line in lines) for column in range(len(head))]
    told = []
    for line in lines:
        cells = []
        for column, (cell, width) in enumerate(zip(line, widths, strict=True)):
            filled = " " * (width - len(click.unstyle(cell)))
            cells.append(filled + cell if column in right else cell + filled)
        told.append("   ".join(cells).rstrip())
    return told


def size(size_bytes: float) -> str:
    """As kubectl shows sizes of DataObjects: ``45.8 MiB``."""
    from scheduler.api import units  # noqa: PLC0415 (not for --help)

    return units.format_bytes(size_bytes)


def rate(bytes_per_s: float) -> str:
    return f"{size(bytes_per_s)}/s"


def seconds(value_s: float) -> str:
    """Three digits of it: ``12.0 ms``, ``1.25 s``, ``2 min 5 s``, ``3 h 20 min``."""
    size_s = abs(value_s)
    if size_s < 0.0005:
        return "0 s"
    if size_s < 0.9995:
        return f"{_three_digits(value_s * 1000)} ms"
    if size_s < 99.95:
        return f"{_three_digits(value_s)} s"
    sign, whole_s = "-" if value_s < 0 else "", round(size_s)
    if whole_s < _HOUR_S:
        return f"{sign}{whole_s // 60} min {whole_s % 60} s"
    return f"{sign}{whole_s // 3600} h {whole_s % 3600 // 60} min"


def _three_digits(value: float) -> str:
    """Also where the last ones are 0, so that a column has as many of them."""
    return f"{value:#.3g}".rstrip(".")


def age(age_s: float) -> str:
    """As kubectl shows ages: ``40s``, ``12m``, ``3h``, ``2d``."""
    if age_s < 2 * _MINUTE_S:
        return f"{max(age_s, 0.0):.0f}s"
    if age_s < 2 * _HOUR_S:
        return f"{age_s / _MINUTE_S:.0f}m"
    return f"{age_s / _HOUR_S:.0f}h" if age_s < 2 * _DAY_S else f"{age_s / _DAY_S:.0f}d"


def count(number: int, one: str, many: str = "") -> str:
    """``1 node``, ``2 nodes``."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


strong: Callable[[str], str] = functools.partial(click.style, bold=True)
good: Callable[[str], str] = functools.partial(click.style, fg="green")
bad: Callable[[str], str] = functools.partial(click.style, fg="red")
doubtful: Callable[[str], str] = functools.partial(click.style, fg="yellow")
faint: Callable[[str], str] = functools.partial(click.style, dim=True)


def say(lines: str | Sequence[str]) -> None:
    """Print; colours are left out where nobody sees them, or wants to (https://no-color.org)."""
    colours = False if os.environ.get("NO_COLOR") else None
    click.echo(lines if isinstance(lines, str) else "\n".join(lines), color=colours)


@contextlib.contextmanager
def progress(doing: str) -> Iterator[None]:
    """Say on standard error what takes so long, once that is longer than a second."""
    timer = threading.Timer(PROGRESS_AFTER_S, lambda: click.echo(f"{doing} ...", err=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
