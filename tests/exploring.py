"""How many examples a law is tried with: few for everybody's tests, and many times as many to find new ones.

``make test`` draws the same examples everywhere and always, so that a change fails by its own doing. ``make explore``
draws others each time, which is how a defect that no change brought is found.
"""

from __future__ import annotations

import os
from typing import Final

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "dev")
IS_ON: Final = PROFILE == "explore"

DAILY: Final = 4  # one of so many examples that a law asks for: they are the same every day, and time is short


def examples(number: int) -> int:
    """How many, of a law that asks for another number of them than the profile gives."""
    return 10 * number if IS_ON else max(number // DAILY, 25)
