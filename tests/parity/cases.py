"""All cases of the parity table."""

from __future__ import annotations

from tests.parity import occupying, placing, room, together, wishes

ALL = [*placing.CASES, *occupying.CASES, *room.CASES, *wishes.CASES, *together.CASES]
