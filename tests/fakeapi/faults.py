"""What the fake server does to the next requests that match."""

from __future__ import annotations

import dataclasses
import re
from typing import Literal


@dataclasses.dataclass
class Fault:
    """Hits the next ``times`` requests of a method ("" is any) whose path and query contain the pattern.

    ``status`` answers instead of the server. ``delay_s`` waits first. ``drop`` cuts the connection without an answer:
    "before" the request takes effect, or "after" it has.
    """

    method: str = ""
    path: str = ""
    times: int = 1
    status: int = 0
    reason: str = ""
    message: str = "injected"
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | None = None
    delay_s: float = 0.0
    drop: Literal["", "before", "after"] = ""

    def take(self, method: str, path: str) -> bool:
        """Tell whether this request is hit, and count it."""
        if self.times <= 0 or self.method not in {"", method} or not re.search(self.path, path):
            return False
        self.times -= 1
        return True
