"""Binds a pod to a node, and says for certain or not at all what became of it.

The body is written field by field and the answer's is not read: typed clients decode the Status that answers a Binding
as a Binding, and raise after the pod has been bound. The pod's uid travels along as a precondition, so that a decision
for a pod that was deleted and made anew under its name binds nothing.

    answer                        verdict      what holds
    2xx                           BOUND        bound; the watch will confirm it
    409                           CONFLICT     not by us now: bound already, being deleted, gated, or another uid
    404                           GONE         no such pod
    400, 401, 403, 422, other 4xx REFUSED      not bound, and a repetition would not help; ``message`` says why
    429                           THROTTLED    not bound; try again after ``after_s``
    5xx, no answer, anything else UNKNOWN      bound or not: call ``read_back`` before doing anything else
"""

from __future__ import annotations

import dataclasses

from scheduler import errors
from scheduler.api import core, verdicts
from scheduler.kube import client, protobuf

Verdict = verdicts.Verdict

DEADLINE_S = 15.0

_FINISHED = frozenset({"Succeeded", "Failed"})


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict, the server's words for it, and how many seconds it asked to wait (0: it did not say)."""

    verdict: Verdict
    message: str = ""
    after_s: float = 0.0


async def bind(
    api: client.Api, *, namespace: str, pod: str, uid: str, node: str, deadline_s: float = DEADLINE_S
) -> Outcome:
    """Bind the pod with this uid to the node. Never raises ApiError and never tries twice."""
    meta = protobuf.message(1, protobuf.text(1, pod), protobuf.text(3, namespace), protobuf.text(5, uid))
    target = protobuf.message(2, protobuf.text(1, "Node"), protobuf.text(3, node), protobuf.text(5, "v1"))
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/binding"
    try:
        with api.urgently():
            body = protobuf.obj("v1", "Binding", meta, target)
            await api.post(path, body, content_type=protobuf.MEDIA_TYPE, deadline_s=deadline_s)
    except errors.ApiError as error:
        return _outcome(error)
    return Outcome(Verdict.BOUND)


async def read_back(
    api: client.Api, *, namespace: str, pod: str, uid: str, node: str, deadline_s: float = DEADLINE_S
) -> Outcome:
    """Find out what became of a Binding whose answer was lost.

    UNBOUND right after a lost answer is not proof: the server may still be at work on it. Trying again is harmless all
    the same, because whichever Binding comes second gets a 409.

    Returns:
        BOUND, FINISHED (bound there, and at its end), CONFLICT (on another node), GONE (deleted, or another uid under
        the name), UNBOUND, or UNKNOWN when the pod could not be read either.
    """
    try:
        data = await api.get(f"/api/v1/namespaces/{namespace}/pods/{pod}", deadline_s=deadline_s)
        found = core.decode(data, core.Pod, f"pod {namespace}/{pod}")
    except errors.NotFoundError as error:
        return Outcome(Verdict.GONE, str(error))
    except errors.ApiError as error:
        return Outcome(Verdict.UNKNOWN, str(error), error.retry_after_s)
    except errors.InputError as error:
        return Outcome(Verdict.UNKNOWN, str(error))
    if found.metadata.uid != uid:
        return Outcome(Verdict.GONE, f"the name now belongs to another pod, uid {found.metadata.uid}")
    if not found.spec.node_name:
        return Outcome(Verdict.UNBOUND)
    if found.spec.node_name != node:
        return Outcome(Verdict.CONFLICT, f"bound to {found.spec.node_name}")
    return Outcome(Verdict.FINISHED if found.status.phase in _FINISHED else Verdict.BOUND)


def _outcome(error: errors.ApiError) -> Outcome:
    if error.status == 409:
        verdict = Verdict.CONFLICT
    elif error.status == 404:
        verdict = Verdict.GONE
    elif error.status == 429:
        verdict = Verdict.THROTTLED
    elif 400 <= error.status < 500:
        verdict = Verdict.REFUSED
    else:
        verdict = Verdict.UNKNOWN
    return Outcome(verdict, str(error), error.retry_after_s)
