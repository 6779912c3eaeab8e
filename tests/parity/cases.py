"""All cases of the parity table."""

from __future__ import annotations

from tests.parity import company, liking, occupying, placing, refusing, room, together, wishes

_TABLES = (placing, occupying, room, wishes, company, refusing, liking, together)
ALL = [case for table in _TABLES for case in table.CASES]
