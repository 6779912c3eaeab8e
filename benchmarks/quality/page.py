"""One page with everything in it: no file beside it, nothing from elsewhere, no script; light or dark as its reader is.

Arms have a fixed colour wherever they appear.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from benchmarks.quality import comparing
from scheduler.simulate import outcome

# By name, in the light and in the dark; arms by the palette of Okabe and Ito (2008), for the colour-blind, too.
_COLOURS: Final[Mapping[str, tuple[str, str]]] = {
    "ground": ("#ffffff", "#16181c"),
    "ink": ("#1c1e21", "#e8e9eb"),
    "muted": ("#5f6670", "#9aa2ad"),
    "grid": ("#e3e5e8", "#2e3238"),
    "work": ("#6f7782", "#8d96a3"),
    "best": ("#d8efe4", "#12402f"),
    "worse": ("#f9e3d6", "#4a2c1a"),
    "arm-ours": ("#007d5a", "#2bc492"),
    "arm-default": ("#777c85", "#9aa0aa"),
    "arm-earlier": ("#b87a00", "#e69f00"),
    "arm-skippy": ("#b0508a", "#cc79a7"),
    "arm-quincy": ("#2f8fc4", "#56b4e9"),
    "arm-delay": ("#8a6d1d", "#c2a24a"),
    "arm-heft": ("#0062a3", "#4a9fe0"),
    "arm-wow": ("#c44e00", "#f0793b"),
    "arm-dask": ("#6a5fb0", "#9b90e0"),
    "arm-random": ("#b3b6bb", "#5c626b"),
    f"distance-{outcome.Distance.LOCAL}": ("#dfe3e8", "#343a42"),
    f"distance-{outcome.Distance.SAME_ZONE}": ("#9cc3ee", "#2f6fb5"),
    f"distance-{outcome.Distance.SAME_REGION}": ("#2f77c0", "#7db8f2"),
    f"distance-{outcome.Distance.EDGE_CLOUD}": ("#e69f00", "#e69f00"),
    f"distance-{outcome.Distance.CROSS_REGION}": ("#c44e00", "#f0693b"),
}
_STYLE: Final = """
body{background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:940px;
padding:24px 20px 60px}
h1{font-size:26px;line-height:1.25;margin:8px 0 4px}h2{font-size:20px;line-height:1.3;margin:44px 0 4px}
p{margin:6px 0 12px}.about,figcaption{color:var(--muted);font-size:14px}figure{margin:12px 0}
svg{width:100%;height:auto;font:13px system-ui,sans-serif;overflow:visible}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
td,th{padding:3px 9px;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
td.said,th.said{text-align:left;white-space:normal}td:first-child,th:first-child{text-align:left}
td.best{background:var(--best);font-weight:600}td.worse{background:var(--worse)}summary{cursor:pointer;margin:10px 0}
"""


def page(title: str, about: Iterable[str], sections: Iterable[str]) -> str:
    """The whole of it."""
    light, dark = ("".join(f"--{name}:{pair[index]};" for name, pair in _COLOURS.items()) for index in (0, 1))
    told = "<br>".join(html.escape(line) for line in about)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{html.escape(title)}</title>'
        f"<style>:root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}{_STYLE}</style></head>"
        f"<body><h1>{html.escape(title)}</h1><p class=about>{told}</p>{''.join(sections)}</body></html>\n"
    )


def section(finding: str, words: str, *parts: str) -> str:
    """A part of the page: what is found, what is shown, and the showing."""
    return f"<section><h2>{html.escape(finding)}</h2><p>{html.escape(words)}</p>{''.join(parts)}</section>"


def figure(picture: str, caption: str = "") -> str:
    """A picture, with what has to be known to read it."""
    said = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{picture}{said}</figure>"


def folded(summary: str, inner: str) -> str:
    """What is shown when it is asked for."""
    return f"<details><summary>{html.escape(summary)}</summary>{inner}</details>"


def makespans(rows: comparing.Table) -> str:
    """A table of all pieces of work, the least of each row and what is more than a tenth above it in colour."""
    names = list(dict.fromkeys(arm for row in rows.values() for arm in row))
    body = []
    for (work, topology, _), row in rows.items():
        whole = comparing.makespans(row)
        least = min(whole.values(), default=0.0)
        cells = [f"<td>{html.escape(work)}<td class=said>{html.escape(topology)}"]
        for name in names:
            if name not in whole:
                cells.append("<td>")
                continue
            kind = "best" if whole[name] <= least else "worse" if whole[name] > 1.1 * least else ""
            cells.append(f"<td class={kind}>{whole[name]:.1f}" if kind else f"<td>{whole[name]:.1f}")
        body.append(f"<tr>{''.join(cells)}")
    return _table(["work", "topology", *names], body, said=(1,))


def wins(found: Sequence[comparing.Win]) -> str:
    """Where others are sooner, and why."""
    body = [
        f"<tr><td>{html.escape(win.place[0])}<td class=said>{html.escape(win.place[1])}"
        f"<td class=said>{html.escape(win.arm)}<td>{100 * win.sooner:.1f} %<td class=said>{html.escape(win.why)}"
        for win in found
    ]
    return _table(["work", "topology", "arm", "sooner by", "why"], body, said=(1, 2, 4))


def _table(head: Sequence[str], body: Iterable[str], *, said: Sequence[int]) -> str:
    cells = "".join(
        f"<th class=said>{html.escape(each)}" if number in said else f"<th>{html.escape(each)}"
        for number, each in enumerate(head)
    )
    return f"<div class=wide><table><thead><tr>{cells}</thead><tbody>{''.join(body)}</tbody></table></div>"
