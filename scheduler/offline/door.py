"""The offline door to the engine: one question a line, one answer a line, no cluster, the same code as live.

A question holds the objects of a cluster as its API server returns them, and the pod to place. It serves what-if, bug
reports ("attach this line") and differential tests. Format: docs/decide.md.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from scheduler import config, errors
from scheduler.api import core, decoding, names, services, units
from scheduler.engine import decide
from scheduler.offline import explain
from scheduler.offline import question as questions
from scheduler.plugins import request
from scheduler.state import cluster, naming, selecting

log = structlog.get_logger(__name__)

N = TypeVar("N", bound=questions.Named)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Identified(msgspec.Struct):
    id: Any = None


_ENCODER = msgspec.json.Encoder()


def answer_line(line: bytes, default: config.Settings | None = None, seed: int = 0) -> bytes:
    """Answer one line of JSON with one line of JSON; whatever cannot be answered becomes a ``fault``.

    Args:
        line: The question.
        default: Settings for a question that brings none; the defaults if None.
        seed: What decides among nodes that tie, in every question alike, so that its answer does not depend on the
            questions before.
    """
    line = line.removeprefix(_BYTE_ORDER_MARK)
    try:
        asked = questions.read(line)
        told = answer(asked, default or config.Settings(), seed)
        return _encode(asked.id, told)
    except (errors.InputError, errors.PluginError) as error:
        fault = str(error)
    except Exception as defect:  # a question that trips over one must not end those after it
        log.exception("question not answered")
        fault = f"internal error, see standard error: {type(defect).__name__}: {errors.shorten(str(defect))}"
    return _encode(_identity(line), {"fault": fault})


def answer(asked: questions.Question, default: config.Settings, seed: int) -> explain.Answer:
    """Build the cluster that the question describes and decide; its own configuration goes before ``default``.

    Raises:
        InputError: an object or the configuration cannot be used.
    """
    settings = _settings(_ENCODER.encode(asked.config)) if asked.config else default
    state = state_of(asked, settings)
    snap = state.freeze(time(asked.now))
    try:
        pod = request.prepare(_with_uid(asked.pod))
    except errors.InputError as error:
        raise error.at(decoding.join(questions.place_of_pod(asked.pod), error.where)) from error
    found = decide.Engine(settings.of(pod.pod.spec.scheduler_name)).decide(snap, pod, seed)
    told = explain.answer(found, snap)
    if pod.problems:
        told["problems"] = [str(problem) for problem in pod.problems]
    return told


def state_of(asked: questions.Cluster, settings: config.Settings) -> cluster.Cluster:
    """The cluster that a question, or a world, describes.

    Raises:
        InputError: an object cannot be used.
    """
    state = cluster.Cluster(
        settings.network,
        names.HOME_NAMESPACE,
        capacity=len(asked.nodes),
        witness_max_age_s=settings.witness_max_age_s,
        learns=False,
    )
    _apply("nodes", asked.nodes, state.apply_node)
    _apply("namespaces", asked.namespaces, state.apply_namespace)
    _apply_selectors(asked, state)
    _apply("pdbs", asked.pdbs, state.budgets.apply)
    _apply("nodeCapabilities", asked.node_capabilities, state.apply_capability)
    for collection, objects in questions.storage(asked).items():
        _apply(collection, objects, state.storage.apply)
    for collection, claimed in questions.claims(asked).items():
        _apply(collection, claimed, state.claims.apply)
    _apply("pods", asked.pods, lambda pod: apply_pod(_with_uid(pod), state))
    _apply("dataObjects", asked.data_objects, state.apply_data_object)
    naming.begin(state.traffic, state.freeze().index_of, asked.transfers, asked.fetched)
    return state


def _apply(collection: str, objects: Sequence[N], apply: Callable[[N], object]) -> None:
    for index, obj in enumerate(objects):
        try:
            apply(obj)
        except errors.InputError as error:
            raise error.at(decoding.join(questions.place(collection, index, obj), error.where)) from error


def apply_pod(pod: core.Pod, state: cluster.Cluster) -> None:
    """A pod runs, or waits, so that it may read what others write."""
    state.apply_pod(pod)
    if not pod.spec.node_name and pod.status.phase not in questions.FINISHED:
        state.pipelines.waits(pod)


def _apply_selectors(asked: questions.Cluster, state: cluster.Cluster) -> None:
    by_kind: dict[str, Sequence[services.Service | services.Controller]] = {
        "Service": asked.services,
        "ReplicationController": asked.replication_controllers,
        "ReplicaSet": asked.replica_sets,
        "StatefulSet": asked.stateful_sets,
    }
    for kind, objects in by_kind.items():
        for obj in objects:
            of = selecting.Selecting(kind, obj.metadata.namespace, obj.metadata.name)
            state.apply_selector(of, services.selector_of(obj))


def time(now: str) -> float | None:
    """The time of the question; without one it is that of what was seen last, so that an answer never changes."""
    if not now:
        return None
    when_s = units.time_s(now)
    if when_s is None:
        raise errors.InputError("now", now, "no time; write it like 2026-01-02T03:04:05Z")
    return when_s


@functools.lru_cache(maxsize=16)
def _settings(encoded: bytes) -> config.Settings:
    return config.parse(msgspec.json.decode(encoded), "config")


def _with_uid(pod: core.Pod) -> core.Pod:
    """Give a hand-written pod without a uid its name as one, as state is kept by uid."""
    if pod.metadata.uid:
        return pod
    return msgspec.structs.replace(pod, metadata=msgspec.structs.replace(pod.metadata, uid=f"name:{pod.key}"))


def _identity(line: bytes) -> object:
    try:
        return msgspec.json.decode(line, type=_Identified).id
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def _encode(identity: object, told: explain.Answer) -> bytes:
    return _ENCODER.encode({"id": identity, **told} if identity is not None else told)
