"""What is moved how far, a bar for each arm: all data, with what stays on its node at the left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.quality.pictures import drawing
from scheduler.simulate import outcome

_WORDS: Final = {
    outcome.Distance.LOCAL: "on the node",
    outcome.Distance.SAME_ZONE: "within the zone",
    outcome.Distance.SAME_REGION: "within the region",
    outcome.Distance.EDGE_CLOUD: "between edge and cloud",
    outcome.Distance.CROSS_REGION: "between regions",
}
_LEFT, _RIGHT, _TOP = 120, 780, 34


def picture(moved: Mapping[str, Mapping[outcome.Distance, int]]) -> str:
    """Bytes by arm and distance."""
    bottom = _TOP + drawing.ROW * len(moved)
    canvas = drawing.Drawing(bottom + 40, "bytes by distance and arm")
    most = max((sum(each.values()) for each in moved.values()), default=0)
    scale = drawing.linear(0, most, _LEFT, _RIGHT)
    x = float(_LEFT)
    for distance, words in _WORDS.items():
        canvas.bar(drawing.Box(x, 8, 12, 12), f"distance-{distance}")
        canvas.text(x + 17, 18, words)
        x += 34 + 7.4 * len(words)
    canvas.axis(drawing.ticks(most), scale, _TOP - 4, bottom, drawing.size)
    for number, (arm, by_distance) in enumerate(moved.items()):
        y = _TOP + number * drawing.ROW
        canvas.text(_LEFT - 8, y + 15, arm, anchor="end", bold=arm == "ours")
        done = 0
        for distance, words in _WORDS.items():
            part = by_distance.get(distance, 0)
            told = f"{arm}: {drawing.size(part)} {words}"
            box = drawing.Box(scale(done), y + 2, scale(done + part) - scale(done), drawing.ROW - 6)
            canvas.bar(box, f"distance-{distance}", told)
            done += part
        away = done - by_distance.get(outcome.Distance.LOCAL, 0)
        canvas.text(_RIGHT + 8, y + 15, f"{drawing.size(away)} moved", colour=drawing.MUTED)
    return canvas.svg()
