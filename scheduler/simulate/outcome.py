"""What came of a scenario under one scheduler: each pod's times and each transfer, of which all figures are made."""

from __future__ import annotations

import enum

import msgspec


class Kind(enum.StrEnum):
    """What a transfer is for."""

    INPUT = "input"
    OUTPUT = "output"
    IMAGE = "image"


class Distance(enum.StrEnum):
    """How far apart its two ends are, as the settings tell links apart."""

    LOCAL = "local"
    SAME_ZONE = "same-zone"
    SAME_REGION = "same-region"
    CROSS_REGION = "cross-region"
    EDGE_CLOUD = "edge-cloud"


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer. Ends are nodes or ``external:REGION/ZONE``; one without an end in time was cut off.

    What a scheduler has copied in advance, for no pod in particular, names as its pod a namespace alone (``default/``).
    """

    pod: str
    urn: str
    kind: Kind
    source: str
    target: str
    distance: Distance
    size_bytes: int
    begun_s: float
    ended_s: float | None


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A pod (namespace/name); what it did not come to is None.

    Attributes:
        arrived_s, released_s: When it was created, and when nothing it comes after was left to wait for.
        bound_s, node: When it was placed, and where.
        began_s: When its inputs and its image were there.
        worked_s: When its work was done and its outputs began to move.
        done_s: When these were written.
        attempts: How often it was bound: more than once where its node was lost.
        prefers, meets: How many preferences it states (edge or cloud, region, zone), and how many its node meets.
    """

    pod: str
    arrived_s: float
    released_s: float | None = None
    bound_s: float | None = None
    node: str = ""
    began_s: float | None = None
    worked_s: float | None = None
    done_s: float | None = None
    attempts: int = 0
    prefers: int = 0
    meets: int = 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run, of one arm (a scheduler's name) and seed; ``ended_s``: when nothing was left to happen."""

    scenario: str
    arm: str
    seed: int
    ended_s: float
    pods: tuple[Ran, ...]
    moves: tuple[Moved, ...]

    @property
    def makespan_s(self) -> float:
        """From the first arrival to the last pod's end."""
        done = [one.done_s for one in self.pods if one.done_s is not None]
        return max(done, default=0.0) - min((one.arrived_s for one in self.pods), default=0.0)
