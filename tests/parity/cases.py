"""All cases of the parity table."""

from __future__ import annotations

from tests.parity import (
    company,
    declared,
    liking,
    occupying,
    placing,
    refusing,
    room,
    spreading,
    together,
    unreadable,
    wishes,
)

_TABLES = (placing, occupying, room, wishes, company, refusing, liking, together, declared, unreadable, spreading)
ALL = [case for table in _TABLES for case in table.CASES]
