"""kube-scheduler's own integer scores, one plugin a module, over the feasible nodes.

Each ``raw`` is a function of (snapshot, request, settings, feasible indices) to an int64 vector before normalisation,
or None where upstream skips the plugin for this pod; ``normalise`` brings it to 0..100. All arithmetic is upstream's,
integer where it is integer there, so that totals are equal to the last bit.
"""

from __future__ import annotations

from typing import Final

MAX_SCORE: Final = 100


class ScoreError(Exception):
    """Scores that upstream cannot work out: it then fails the whole cycle, and chooses no node."""
