"""How many examples a law is tried with: the same few for everybody's tests, and ten times as many to find new ones.

``make test`` draws the same examples everywhere and always, so that a change fails by its own doing. ``make explore``
draws others each time, which is how a defect that no change brought is found.
"""

from __future__ import annotations

import os
from typing import Final

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev")
IS_ON: Final = PROFILE == "explore"


def examples(number: int) -> int:
    """How many, of a law that wants another number of them than the profile gives."""
    return 10 * number if IS_ON else number
