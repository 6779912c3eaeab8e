"""One score in a sheet: its row, and the range among the feasible nodes by which it is normalised, kept up to date."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from scheduler.engine import rows
from scheduler.plugins import contract, registry
from scheduler.state import snapshot


class Scored:
    """A score's row in a sheet, with the range that normalises it.

    ``seen`` are the raw scores that the range was found of; ``lows`` and ``highs`` count the nodes at its ends.
    """

    __slots__ = (
        "_layout_seq", "_mask", "_measured", "highs", "is_resources", "least", "lows", "mix", "most", "normalise",
        "row", "seen", "weight",
    )  # fmt: skip

    def __init__(self, row: rows.ScoreRow, weight: int) -> None:
        self.row = row
        self.weight = weight
        self.normalise = row.plugin.normalise
        self.mix = row.plugin.mix
        self._measured: Hashable = None  # of these nodes
        self._mask: contract.Mask = np.zeros(0, np.bool_)
        self._layout_seq = -1
        self.is_resources = row.plugin.name not in registry.AFFINITY
        self.seen: contract.Ints = np.zeros(0, np.int64)
        self.least = self.most = self.lows = self.highs = 0

    def all(self, view: snapshot.Snapshot, mask: contract.Mask) -> contract.Ints:
        """[slots] the normalised scores; those that are not feasible have no meaning."""
        mix, values = self.mix, self.row.values
        if mix is not None:
            layout_seq = view.changes.layout_seq
            if self._layout_seq != layout_seq or not np.array_equal(self._mask, mask):
                self._measured = mix.measure(self.row.asked, view, mask)
                self._layout_seq, self._mask = layout_seq, mask
            values = mix.all(self.row.asked, values, self._measured)
        if self.normalise is None:
            return values
        self.seen = values.copy()
        self.least = self.most = 0
        self._find_range(mask)
        return self.normal

    @property
    def raw(self) -> contract.Ints:
        """[slots] the raw scores."""
        return self.row.values if self.normalise is None else self.seen

    @property
    def normal(self) -> contract.Ints:
        """[slots] the same, normalised by the range that was found last."""
        return self.row.values if self.normalise is None else self.normalise.all(self.seen, self.least, self.most)

    def moves(self, slot: int, *, passed: bool, passes: bool) -> bool:
        """Take in the new value of a slot; returns whether the range stays. If not, ask ``spread`` before anything."""
        mix, before = self.mix, self.seen.item(slot)
        if mix is None:
            value = self.row.values.item(slot)
        else:
            value = mix.one(self.row.asked, self.row.values[slot].tolist(), self._measured)
        if value == before and passed == passes:
            return True
        self.seen[slot] = value
        if passed:
            self.lows -= before == self.least
            self.highs -= before == self.most
        stays = True
        if passes:
            if value > self.most:
                self.most, self.highs, stays = value, 0, False
            if value < self.least:
                self.least, self.lows, stays = value, 0, False
            self.lows += value == self.least
            self.highs += value == self.most
        return stays and self.lows > 0 and self.highs > 0

    def spread(self, least: int, most: int, mask: contract.Mask) -> contract.Ints:
        """Find the range anew where it cannot be told by what moved; returns whose score it changes.

        Args:
            least, most: The range as it was.
            mask: [slots] the feasible ones.
        """
        if not (self.lows > 0 and self.highs > 0):
            self._find_range(mask)
        normalise = self.normalise
        if normalise is None or (least, most) == (self.least, self.most):
            return np.zeros(0, np.int64)
        return np.flatnonzero(normalise.all(self.seen, least, most) != normalise.all(self.seen, self.least, self.most))

    def _find_range(self, mask: contract.Mask) -> None:
        """Look for it among the feasible nodes that are ranked; it stays as it is where there are none."""
        seen = self.seen
        if mask.any() and seen.min() == seen.max() != contract.UNRANKED:  # as is usual, and seen in a fifth of the time
            self.least = self.most = seen.item(0)
            self.lows = self.highs = int(np.count_nonzero(mask))
            return
        among = seen[mask]
        if self.mix is not None:
            among = among[among != contract.UNRANKED]
        if len(among):
            self.least, self.most = int(among.min()), int(among.max())
        self.lows, self.highs = int((among == self.least).sum()), int((among == self.most).sum())
