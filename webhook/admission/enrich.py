"""What is added to a pod at its creation, so that the scheduler knows what data the pod moves and what node it wants.

The sources are asked in order, nearest to the pod first, and a pod takes from each only what nothing nearer speaks of:
its own annotations are never changed. Inputs and outputs keep their numbers; those of event data get the lowest free
ones, and data is named once, however many sources name it. Buckets in ``data-sources`` that no input lies in become
inputs. Sizes that nobody gave are those of DataObjects. What was added, and from where, stands in one more annotation.

Nothing here waits, asks or fails: a pod that cannot be understood gets nothing, with a warning, and the result given
back as a pod gets nothing either, since the API server may ask twice.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import names, units
from webhook import facts
from webhook.admission import inherit, lines, note

# The API server's bound on the keys and values of an object's annotations together, in bytes.
MAX_ANNOTATIONS_BYTES: Final = 256 * 1024

_OWN_EVENT: Final = "its event data"
_OWN_SOURCES: Final = "its data-sources"


class Enrichment(msgspec.Struct, frozen=True):
    """What to add to a pod. Merging it into ``metadata.annotations`` and ``spec`` is the whole change."""

    annotations: dict[str, str] = {}
    """To be set; none of them is one that the pod brought, but for the note on what was added."""

    scheduler_name: str | None = None
    """To be set as ``spec.schedulerName``; None leaves it."""

    warnings: tuple[str, ...] = ()
    """What could not be used, and what to write instead; fit to be returned by admission."""


class _Pod(msgspec.Struct, frozen=True):
    """What is read of a pod."""

    annotations: dict[str, str]
    is_knative: bool
    scheduler_name: str


class _Moves:
    """The inputs (or outputs) of a pod while they are gathered."""

    def __init__(self, prefix: str, own: Mapping[str, str]) -> None:
        self._prefix = prefix
        numbers = {key: number for key in own if (number := intents.index(key, prefix)) is not None}
        self._taken = set(numbers.values())
        self._urns = {own[key].partition(",")[0].strip() for key in numbers}
        # The scheduler reads no more, so that more would only push out what the pod itself said.
        self._room = intents.MAX_TRANSFERS - len(numbers)
        self._numbered: list[tuple[str, int, intents.Transfer]] = []
        self._others: list[tuple[str, intents.Transfer]] = []

    def take(self, title: str, offered: inherit.Moves) -> None:
        """Take what is new of a source."""
        for number, transfer in offered.numbered.items():
            if transfer is not None and number not in self._taken and self._is_new(transfer):
                self._numbered.append((title, number, transfer))
        # Also of what was not taken: it is still this source, and none farther away, that says what input-N is.
        self._taken.update(offered.numbered)
        self.take_others(title, offered.others)

    def take_others(self, title: str, transfers: Sequence[intents.Transfer]) -> None:
        """Likewise what has no number of its own."""
        self._others += [(title, transfer) for transfer in transfers if self._is_new(transfer)]

    def lies_in(self, bucket: str) -> bool:
        """Whether any of them is in this bucket, or is the bucket."""
        return any(urn.partition("/")[0] == bucket for urn in self._urns)

    def texts(self, size_of: facts.SizeOf) -> Iterator[tuple[str, str, str]]:
        """(title, annotation, text) of everything that was taken."""
        free = (number for number in itertools.count(1) if number not in self._taken)
        numbered = ((title, next(free), transfer) for title, transfer in self._others)
        for title, number, transfer in itertools.chain(self._numbered, numbered):
            yield title, f"{self._prefix}{number}", intents.format_transfer(_sized(transfer, size_of))

    def _is_new(self, transfer: intents.Transfer) -> bool:
        if self._room <= 0 or transfer.urn in self._urns:
            return False
        self._room -= 1
        self._urns.add(transfer.urn)
        return True


def enrich(pod: Mapping[str, Any], sources: Sequence[facts.Source], size_of: facts.SizeOf) -> Enrichment:
    """What a pod gets from these sources, nearest first, and from its own event data.

    Args:
        pod: As it comes in an admission request.
        sources: Without the pod itself.
        size_of: Where a size that nobody gave can be found.
    """
    known = _understand(pod)
    if known is None:
        return Enrichment(warnings=("not a pod as the API server sends them, so no data annotations were added",))
    if not inherit.is_ours(known.annotations) and not any(inherit.is_ours(one.annotations) for one in sources):
        return Enrichment()
    told: list[tuple[str, errors.InputError]] = []
    added = _gather(known, sources, size_of, told)
    scheduler_name = _scheduler_name(known, added)
    written = {key: text for key, (_, text) in added.items()}
    if added or scheduler_name:
        origins = [(key, title) for key, (title, _) in added.items()]
        written[names.ENRICHED] = note.of(known.annotations.get(names.ENRICHED, ""), origins, scheduler_name)
    size_bytes = _size_bytes(known.annotations | written)
    if written and size_bytes > MAX_ANNOTATIONS_BYTES:
        fault = (
            f"more than the {MAX_ANNOTATIONS_BYTES} that a pod can have, so nothing was added; name prefixes or buckets"
        )
        problem = errors.InputError("", f"{size_bytes} bytes of annotations", fault)
        told.insert(0, ("what the pod would get", problem))
        written, scheduler_name = {}, None
    return Enrichment(written, scheduler_name, tuple(lines.told(told)))


def _understand(pod: object) -> _Pod | None:
    """None if what is needed is missing or of another type than the API server sends."""
    if not isinstance(pod, Mapping):
        return None
    metadata, spec = pod.get("metadata"), pod.get("spec")
    if not isinstance(metadata, Mapping) or not isinstance(spec, Mapping):
        return None
    annotations, labels = metadata.get("annotations", {}), metadata.get("labels", {})
    scheduler_name = spec.get("schedulerName", "")
    if not isinstance(annotations, Mapping) or not isinstance(labels, Mapping) or not isinstance(scheduler_name, str):
        return None
    if not all(isinstance(key, str) and isinstance(text, str) for key, text in annotations.items()):
        return None
    return _Pod(dict(annotations), names.KNATIVE_SERVICE_LABEL in labels, scheduler_name)


def _gather(
    pod: _Pod, sources: Sequence[facts.Source], size_of: facts.SizeOf, told: list[tuple[str, errors.InputError]]
) -> dict[str, tuple[str, str]]:
    """(title of the source, text) by annotation, of all that the pod takes over."""
    own = pod.annotations
    inputs, outputs = _Moves(names.INPUT_PREFIX, own), _Moves(names.OUTPUT_PREFIX, own)
    added: dict[str, tuple[str, str]] = {}
    spoken_of = {inherit.topic(key) for key in own}
    event = {key: text for key, text in own.items() if key == names.EVENT_DATA}
    for title, found in ((_OWN_EVENT, event), *((one.title, one.annotations) for one in sources)):
        problems: list[errors.InputError] = []
        offer = inherit.read(found, problems)
        if found is not event:  # of its own it is told where pods are checked, and by the scheduler
            told += [(f"{title}: {problem.where}", problem) for problem in problems]
        inputs.take(title, offer.inputs)
        outputs.take(title, offer.outputs)
        new = {key: text for key, text in offer.hints.items() if inherit.topic(key) not in spoken_of}
        added |= {key: (title, text) for key, text in new.items() if text is not None}
        spoken_of.update(inherit.topic(key) for key in new)
    title, text = added.get(names.DATA_SOURCES, (_OWN_SOURCES, own.get(names.DATA_SOURCES, "")))
    buckets = intents.parse({names.DATA_SOURCES: text})[0].sources
    inputs.take_others(title, [intents.Transfer(bucket, 0) for bucket in buckets if not inputs.lies_in(bucket)])
    for side in (inputs, outputs):
        added |= {key: (title, text) for title, key, text in side.texts(size_of)}
    return added


def _sized(transfer: intents.Transfer, size_of: facts.SizeOf) -> intents.Transfer:
    if transfer.size_bytes:
        return transfer
    size_bytes = size_of(transfer.urn) or 0
    return msgspec.structs.replace(transfer, size_bytes=size_bytes if 0 < size_bytes <= units.INT64_MAX else 0)


def _scheduler_name(pod: _Pod, added: Mapping[str, tuple[str, str]]) -> str | None:
    """The scheduler to set; None leaves the one that the pod names, or does not name."""
    if pod.scheduler_name not in ("", names.DEFAULT_SCHEDULER_NAME):
        return None
    texts = {key: text for key, (_, text) in added.items()}
    result = pod.annotations | texts
    if names.SCHEDULER_NAME_ANNOTATION in result:
        with contextlib.suppress(errors.InputError):  # of which those hear who check it
            named = inherit.scheduler_name(result[names.SCHEDULER_NAME_ANNOTATION])
            return None if named == names.DEFAULT_SCHEDULER_NAME else named
    own = (_OWN_EVENT, _OWN_SOURCES)
    was_told = any(title not in own and not _is_off(key, text) for key, (title, text) in added.items())
    # A pod with annotations of its own names its scheduler itself, but for one of Knative, whose users cannot.
    if was_told or (pod.is_knative and not intents.parse(result)[0].is_plain):
        return names.SCHEDULER_NAME
    return None


def _is_off(key: str, text: str) -> bool:
    return key in intents.FLAGS and text == "false"


def _size_bytes(annotations: Mapping[str, str]) -> int:
    return sum(
        len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        for text in itertools.chain(annotations, annotations.values())
    )
