"""All that the kernel asks of whoever drives it, as values: five that an event answers, and others that tell.

A driver performs them in the order in which they come. It may do what takes long at its leisure, but for AskData, whose
answer the pod waits for.
"""

from __future__ import annotations

from typing import Final

import msgspec

from scheduler import errors
from scheduler.api import core, devices, verdicts
from scheduler.kernel import journal


class Command(msgspec.Struct, frozen=True, tag_field="what", tag=True):
    """Something to be done or told."""


class Bind(Command, frozen=True):
    """Bind the pod of this uid to a node. Answered by BindAnswered; none is given for that uid before."""

    uid: str
    namespace: str
    name: str
    node: str


class Given(msgspec.Struct, frozen=True):
    """A volume to be written as a claim's, if its version is still this one; ``is_ours``: not so by its user."""

    volume: str
    version: str
    namespace: str
    claim: str
    claim_uid: str
    claim_version: str
    is_ours: bool


class Used(msgspec.Struct, frozen=True):
    """A claim to devices that a pod is to use.

    Attributes:
        version: The one that was decided on.
        allocation: What it is given; None where it has been given something already.
        users: Those that use it as of that version.
    """

    name: str
    uid: str
    version: str
    allocation: devices.Allocation | None
    users: tuple[devices.Consumer, ...] = ()


class Extended(msgspec.Struct, frozen=True):
    """The claim that is to be made for a pod's extended resources.

    Attributes:
        mappings: Which request stands for what a container asks for: container, resource, request.
    """

    generate_name: str
    requests: tuple[devices.Request, ...]
    allocation: devices.Allocation
    mappings: tuple[tuple[str, str, str], ...]


class Held(msgspec.Struct, frozen=True):
    """What was written of claims to devices for a pod.

    Attributes:
        used: Names and uids of those that it uses.
        made: The name of the one that was made for its extended resources; "" for none.
    """

    used: tuple[tuple[str, str], ...] = ()
    made: str = ""

    def __bool__(self) -> bool:
        return bool(self.used or self.made)


NOTHING: Final = Held()


class Reserve(Command, frozen=True):
    """Write whose volumes are, which node claims of a pod are for, and its devices. Answered by ReserveAnswered.

    Attributes:
        number: By which its answer is known: a pod may be taken back and have another one before that comes.
        given: Volumes that are claims' now.
        selected: Claims, each with the version that is changed, to be told the node.
        used: Claims to devices that are the pod's.
        extended: Such a claim that is to be made; None for none.
    """

    uid: str
    namespace: str
    name: str
    node: str
    number: int
    given: tuple[Given, ...] = ()
    selected: tuple[tuple[str, str], ...] = ()
    used: tuple[Used, ...] = ()
    extended: Extended | None = None


class Release(Command, frozen=True):
    """A pod does not use its claims to devices after all: take back what was written of that. Nobody waits for it."""

    uid: str
    namespace: str
    name: str
    held: Held


class Deallocate(Command, frozen=True):
    """A claim is to be given other devices: take back what it has, if its version is still this one. Likewise."""

    namespace: str
    name: str
    version: str


class Evict(Command, frozen=True):
    """Delete pods to make room for a more urgent one. Answered by EvictAnswered, once the last delete was sent.

    Attributes:
        pod: Whom for; none is given for it before the answer, unless that has been waited for in vain.
        number: Which of all evictions this is, for the answer.
        victims: The pods as last seen, the most important first. The last goes when all others have gone well.
    """

    pod: core.Pod
    number: int
    node: str
    victims: tuple[core.Pod, ...]


class LookUp(Command, frozen=True):
    """Read where a pod is, after so many seconds. Answered by LookedUp."""

    uid: str
    namespace: str
    name: str
    node: str
    after_s: float = 0.0


class AskData(Command, frozen=True):
    """Say whether a pod whose turn has come is to wait for news of its data. Answered at once, by DataAnswered."""

    pod: core.Pod
    arrived_s: float


class Planned(Command, frozen=True):
    """Pods were planned for together, each of which will have its turn.

    Attributes:
        pods, placed: How many there were, and for how many there is room.
        is_contested: Whether they were in each other's way; if not, each goes where it is best for itself.
        cost, bound: What they cost together as planned, and what they would at least.
        gap_ratio: By what part of it the cost may be above the least there is.
        saved_s: What that saves against one pod at a time, as seconds of transfers.
    """

    pods: int
    placed: int
    is_contested: bool
    cost: float
    bound: float
    gap_ratio: float
    saved_s: float


class Scheduled(Command, frozen=True):
    """A pod is bound, so many seconds after its turn came."""

    pod: core.Pod
    record: journal.Record
    elapsed_s: float


class Delayed(Command, frozen=True):
    """A pod waits for room on a node that is better for it than the one it could have; told once for each wait."""

    pod: core.Pod
    record: journal.Record
    node: str


class DelayOver(Command, frozen=True):
    """Such a pod waits no longer.

    Attributes:
        node: Where it is placed now; "" where it fits nowhere any more.
        is_met: Whether that is the node that it waited for.
    """

    pod: core.Pod
    node: str
    waited_s: float
    is_met: bool


class NotBound(Command, frozen=True):
    """A pod that had a node is not bound to it."""

    pod: core.Pod
    node: str
    verdict: verdicts.Verdict
    message: str
    elapsed_s: float


class Unsettled(Command, frozen=True):
    """Whether a pod is bound is not known yet; its capacity stays taken until it is."""

    pod: core.Pod
    verdict: verdicts.Verdict
    message: str


class Unplaced(Command, frozen=True):
    """A pod has no node, and why: the record's outcome is ``unschedulable`` where none fits.

    Attributes:
        nominated: The node where room is made for it, to be written with that; "" for none any more, None to leave it.
        victims: How many pods have to go for it; None where it was not asked whether any might.
    """

    pod: core.Pod
    record: journal.Record
    nominated: str | None = None
    victims: int | None = None


class Nominate(Command, frozen=True):
    """Write for which node a pod waits, or with "" for none."""

    pod: core.Pod
    node: str


class Displaced(Command, frozen=True):
    """A pod that was about to be bound makes room for a more urgent one, on this node."""

    pod: core.Pod
    by: core.Pod
    node: str


class BadAnnotations(Command, frozen=True):
    """Annotations of a pod that are ignored, told once for each version of them."""

    pod: core.Pod
    problems: tuple[errors.InputError, ...]


class Unreadable(Command, frozen=True):
    """An object that does not count, as a value of it cannot be read."""

    kind: str
    name: str
    problem: str


class Freed(Command, frozen=True):
    """What was held for a pod is not any more, as the pod is gone, finished or not there."""

    pod: core.Pod
    node: str


class Defect(Command, frozen=True):
    """A defect of this program, which cost one item."""

    part: str
    of: str
    bug: Exception
