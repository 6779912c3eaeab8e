"""The offline door to the engine: one question a line, one answer a line, no cluster, the same code as live.

A question holds the objects of a cluster as its API server returns them, and the pod to place. It serves what-if, bug
reports ("attach this line") and differential tests. Format: docs/decide.md.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import numpy as np

from scheduler import config, errors
from scheduler.api import core, crd, names, units
from scheduler.engine import decide, explain, request
from scheduler.state import cluster


class Question(msgspec.Struct, rename="camel", frozen=True):
    """One question. Object lists that no built feature reads yet are let through unread."""

    pod: core.Pod
    id: Any = None
    now: str = ""
    nodes: tuple[core.Node, ...] = ()
    namespaces: tuple[core.Namespace, ...] = ()
    pods: tuple[core.Pod, ...] = ()
    data_objects: tuple[crd.DataObject, ...] = ()
    node_capabilities: tuple[crd.NodeCapability, ...] = ()
    config: dict[str, Any] | None = None


class _Identified(msgspec.Struct):
    id: Any = None


_ENCODER = msgspec.json.Encoder()


def answer_line(line: bytes, default: config.Settings | None = None, seed: int = 0) -> bytes:
    """Answer one line of JSON with one line of JSON; whatever cannot be answered becomes a ``fault``.

    Args:
        line: The question.
        default: Settings for a question that brings none; the defaults if None.
        seed: Of the generator that breaks ties; every question starts anew from it, so that its answer does not
            depend on the questions before.
    """
    identity: Any = None
    try:
        question = core.decode(line, Question, "question")
        identity = question.id
        told = answer(question, default or config.Settings(), np.random.default_rng(seed))
    except errors.InputError as error:
        told = {"fault": str(error)}
        identity = identity if identity is not None else _identity(line)
    return _ENCODER.encode({"id": identity, **told} if identity is not None else told)


def answer(question: Question, default: config.Settings, rng: np.random.Generator) -> explain.Answer:
    """Build the cluster that the question describes and decide; its own configuration goes before ``default``.

    Raises:
        InputError: an object or the configuration cannot be used.
    """
    settings = _settings(_ENCODER.encode(question.config)) if question.config else default
    state = cluster.Cluster(
        settings.network,
        names.HOME_NAMESPACE,
        capacity=len(question.nodes),
        witness_max_age_s=settings.witness_max_age_s,
    )
    for node in question.nodes:
        if not node.metadata.name:  # "" stands for no node
            raise errors.InputError("nodes", node.metadata.name, "a node without a name; write its metadata.name")
        state.apply_node(node)
    for namespace in question.namespaces:
        state.apply_namespace(namespace)
    for capability in question.node_capabilities:
        state.apply_capability(capability)
    for pod in question.pods:
        state.apply_pod(_with_uid(pod))
    for obj in question.data_objects:
        state.apply_data_object(obj)
    snap = state.freeze(_time(question.now))
    asked = request.prepare(_with_uid(question.pod))
    found = decide.decide(snap, asked, settings, rng)
    told = explain.answer(found, snap, asked, settings)
    if asked.problems:
        told["problems"] = [str(problem) for problem in asked.problems]
    return told


def _time(now: str) -> float | None:
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
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
