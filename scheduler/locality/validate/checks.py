"""What can be wrong with an object of Kubernetes that concerns us: which of its parts is read by what.

An object that is none of ours, and says nothing to us, is passed over.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from daemon.stores import services
from scheduler import errors, sections
from scheduler.api import annotations as intents
from scheduler.api import core, crd, names, units, urns, waits
from scheduler.state import facts
from webhook.admission import validate as admission

Object = Mapping[str, Any]

# Where pods stand, in objects of any kind.
_PODS: Final = (("spec", "template"), ("spec", "jobTemplate", "spec", "template"))
_METADATA: Final = ("metadata", "spec.template.metadata", "spec.jobTemplate.metadata",
                    "spec.jobTemplate.spec.template.metadata")  # fmt: skip
_STORE_KEYS: Final = (
    names.STORAGE_SERVICE, names.STORAGE_ENDPOINT, names.STORAGE_SECRET, names.STORAGE_CA, names.STORAGE_ROLE,
    names.STORAGE_REGION,
)  # fmt: skip
_OURS: Final = (names.DATA_PREFIX, names.HINT_PREFIX, names.EVENT_DATA)
# Of the earlier implementation, each with the reason why it does nothing here.
_WITHOUT_EFFECT: Final = {f"{names.HINT_PREFIX}storage-type": "every store is asked what it is"}
_OWN_MARK: Final = "nothing here reads it; kept as a mark of your own"
# As in the webhook: "data-locality-schedular" is meant, "default-scheduler" is not.
_LIKENESS: Final = 0.85


class Teller:
    """What checks call for what they find in one object."""

    def __init__(self, problem: Callable[[errors.InputError, bool], None], ignored: Callable[[str, str], None]) -> None:
        self._problem = problem
        self.ignored = ignored

    def problem(self, error: errors.InputError, *, of_key: bool = False) -> None:
        self._problem(error, of_key)


def check(obj: Object, teller: Teller) -> None:
    """Tell all that is wrong with an object, and what has no effect."""
    kind, version = obj.get("kind"), obj.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(version, str):
        missing = "kind" if not isinstance(kind, str) else "apiVersion"
        teller.problem(errors.InputError(missing, obj.get(missing, ""), f"a manifest needs a text as {missing}"))
        return
    refused = _check_metadata(obj, teller)
    for path, error in admission.problems(obj):
        if path not in refused:
            teller.problem(error.at(path), of_key=error.remedy.startswith("not known"))
    _check_pods(obj, kind, teller)
    group = version.rpartition("/")[0]
    if group == names.GROUP:
        _check_ours(obj, kind, version, teller)
    elif (group, kind) == ("", "Service"):
        _check_store(obj, teller)
    elif (group, kind) == ("", "Namespace"):
        word = _texts(obj, "metadata.labels").get(names.STORES_LABEL)
        if word not in (None, names.SHARED):
            remedy = f'has no effect; write "{names.SHARED}", or remove it'
            teller.problem(errors.InputError(f"metadata.labels[{names.STORES_LABEL}]", word, remedy))
    elif (group, kind) == ("", "Node"):
        _check_node(obj, teller)
    elif (group, kind) == ("", "PersistentVolume"):
        bucket = _texts(obj, "metadata.labels").get(names.STORAGE_BUCKET)
        if bucket is not None and (fault := urns.bucket_fault(bucket)):
            teller.problem(errors.InputError(f"metadata.labels[{names.STORAGE_BUCKET}]", bucket, fault))


def _check_metadata(obj: Object, teller: Teller) -> set[str]:
    """Tell what the API server refuses of labels and annotations (whose paths it returns) and what has a wrong name."""
    refused = set()
    for place in _METADATA:
        for part in ("annotations", "labels"):
            held = _at(obj, f"{place}.{part}")
            if held is not None and not isinstance(held, Mapping):
                remedy = "write a mapping of keys to texts"
                teller.problem(errors.InputError(f"{place}.{part}", _shown(held), remedy))
                continue
            for key, value in (held or {}).items():
                path = f"{place}.{part}[{key}]"
                if not isinstance(value, str):
                    refused.add(path)
                    teller.problem(errors.InputError(path, _shown(value), _quoted(part, value)))
                elif part == "labels" and (key.startswith(names.DATA_PREFIX) or intents.is_hint(key)):
                    remedy = "a label has no effect here; write it as an annotation"
                    teller.problem(errors.InputError(path, value, remedy), of_key=True)
                elif part == "annotations" and str(key).startswith(names.HINT_PREFIX):
                    _check_mark(key, value, path, teller)
    return refused


def _check_mark(key: str, value: str, path: str, teller: Teller) -> None:
    """An annotation under our prefix that is none of ours, unless the webhook has a guess what was meant."""
    if key in _WITHOUT_EFFECT:
        teller.ignored(path, _WITHOUT_EFFECT[key])
    elif key in _STORE_KEYS or key in waits.KEYS or intents.is_hint(key) or key == names.ENRICHED:
        return
    elif key.startswith(f"{names.HINT_PREFIX}storage-"):
        near = sections.nearest(key, _STORE_KEYS)
        remedy = f"not known, so it has no effect; did you mean {near}?"
        teller.problem(errors.InputError(path, value, remedy), of_key=True)
    elif not admission.problems({"metadata": {"annotations": {key: value}}}):
        teller.ignored(path, _OWN_MARK)


def _check_pods(obj: Object, kind: str, teller: Teller) -> None:
    if kind == "Pod":
        _check_pod(obj, "", teller)
    for place in _PODS:
        if isinstance(template := _at(obj, ".".join(place)), Mapping) and isinstance(template.get("spec"), Mapping):
            _check_pod(template, f"{'.'.join(place)}.", teller, above=obj)


def _check_pod(pod: Object, place: str, teller: Teller, *, above: Object | None = None) -> None:
    try:
        spec = core.convert({"metadata": {}, "spec": pod.get("spec") or {}}, core.Pod, "").spec
    except errors.InputError as error:
        teller.problem(_plainly(error).at(f"{place}{error.where}"))
        return
    for refusal in _amounts(spec):
        teller.problem(refusal.at(f"{place}{refusal.where}"))
    name = spec.scheduler_name
    like = difflib.SequenceMatcher(None, names.SCHEDULER_NAME, name.lower()[:100]).ratio()
    if name != names.SCHEDULER_NAME and like >= _LIKENESS:
        remedy = f'no scheduler of ours has that name by default; write "{names.SCHEDULER_NAME}" if you mean it'
        teller.problem(errors.InputError(f"{place}spec.schedulerName", name, remedy))
    elif name in {"", names.DEFAULT_SCHEDULER_NAME} and not _names_scheduler(pod, above):
        told = {**_texts(above or {}, "metadata.annotations"), **_texts(pod, "metadata.annotations")}
        if ours := next((key for key in told if key.startswith(_OURS[0]) or intents.is_hint(key)), None):
            stands = f"spec.schedulerName is {name}" if name else "no spec.schedulerName"
            ours = f'{ours} has an effect only with "{names.SCHEDULER_NAME}"'
            why = (
                f"{stands}: {ours}, which {names.SCHEDULER_NAME_ANNOTATION} may name as well, here or on the namespace"
            )
            teller.ignored(f"{place}spec", why)


def _names_scheduler(pod: Object, above: Object | None) -> bool:
    return any(names.SCHEDULER_NAME_ANNOTATION in _texts(one or {}, "metadata.annotations") for one in (pod, above))


def _amounts(spec: core.PodSpec) -> Iterator[errors.InputError]:
    """The first quantity of each list that cannot be read."""
    lists = [("spec.overhead", spec.overhead)]
    if spec.resources is not None:
        lists += _of_resources("spec.resources", spec.resources)
    for part, containers in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for number, container in enumerate(containers):
            lists += _of_resources(f"spec.{part}[{number}].resources", container.resources)
    for path, amounts in lists:
        if (refusal := units.refused(amounts, path)) is not None:
            yield refusal


def _of_resources(path: str, resources: core.Resources) -> list[tuple[str, core.ResourceList]]:
    return [(f"{path}.requests", resources.requests), (f"{path}.limits", resources.limits)]


def _check_store(obj: Object, teller: Teller) -> None:
    for error in services.faults(_texts(obj, "metadata.annotations")):
        teller.problem(error.at(f"metadata.annotations[{error.where}]"))
    word = _texts(obj, "metadata.annotations").get(names.STORAGE_SERVICE)
    if word is not None and word.strip().lower() not in {"true", "false"}:
        remedy = 'counts as "false"; write "true" for a store, "false" for none'
        teller.problem(errors.InputError(f"metadata.annotations[{names.STORAGE_SERVICE}]", word, remedy))


def _check_node(obj: Object, teller: Teller) -> None:
    """Labels that an administrator sets and that tell nothing as they stand."""
    for key, value in _texts(obj, "metadata.labels").items():
        read = facts.of(core.Node(core.ObjectMeta(labels={key: value})), None)
        path = f"metadata.labels[{key}]"
        if key == names.NODE_TYPE_LABEL and not read.type_code:
            teller.problem(errors.InputError(path, value, "not a known type, so it has no effect; write edge or cloud"))
        elif key.startswith(names.BANDWIDTH_PREFIX) and not read.links:
            teller.problem(errors.InputError(path, value, "has no effect; write bytes per second, such as 125000000"))
        elif key.startswith(names.LATENCY_PREFIX) and not read.links:
            teller.problem(errors.InputError(path, value, "has no effect; write milliseconds, such as 2.5"))


def _check_ours(obj: Object, kind: str, version: str, teller: Teller) -> None:
    kinds: dict[str, type[crd.DataObject | crd.NodeCapability]] = {
        "DataObject": crd.DataObject, "NodeCapability": crd.NodeCapability,
    }  # fmt: skip
    if version != names.API_VERSION:
        teller.problem(errors.InputError("apiVersion", version, f"write {names.API_VERSION}"))
    if kind not in kinds:
        near = sections.nearest(kind, tuple(kinds)) or "DataObject or NodeCapability"
        teller.problem(errors.InputError("kind", kind, f"there is none; write {near}"))
        return
    if obj.get("status") is not None:
        teller.ignored("status", "the daemons write it; applying a manifest changes nothing of it")
    spec = obj.get("spec")
    known = {field.encode_name for field in msgspec.structs.fields(_spec_of(kinds[kind]))}
    for key in spec if isinstance(spec, Mapping) else ():
        if key not in known:
            near = sections.nearest(str(key), sorted(known))
            hint = f"did you mean {near}?" if near else f"write one of {', '.join(sorted(known))}"
            teller.problem(errors.InputError(f"spec.{key}", "", f"unknown field; {hint}"), of_key=True)
    try:
        core.convert({"metadata": {}, "spec": spec or {}}, kinds[kind], "")
    except errors.InputError as error:
        teller.problem(_better(error, spec))
    urn = spec.get("urn", "") if isinstance(spec, Mapping) and kind == "DataObject" else None
    # A comma ends a urn in an annotation; here it may hold one.
    if isinstance(urn, str) and (fault := urns.fault(urn.replace(",", "-"))):
        teller.problem(errors.InputError("spec.urn", urn, fault))


def _spec_of(kind: type[crd.DataObject | crd.NodeCapability]) -> type[msgspec.Struct]:
    return crd.DataObjectSpec if kind is crd.DataObject else crd.NodeCapabilitySpec


def _better(error: errors.InputError, spec: object) -> errors.InputError:
    """Of a size that is a text, what to write."""
    written = spec.get("sizeBytes") if isinstance(spec, Mapping) else None
    if error.where == "spec.sizeBytes" and isinstance(written, str):
        try:
            remedy = f"write the number without quotes: {units.size_bytes(written.strip())}"
        except errors.InputError as refused:
            remedy = refused.remedy
        return errors.InputError(error.where, written, remedy)
    return _plainly(error)


def _plainly(error: errors.InputError) -> errors.InputError:
    """The refusal of a wrong type, with what to write."""
    if error.remedy.startswith("Expected `str`, got") and error.value != '""':
        return error.retold(f"a text is needed here; write it in quotes: {error.value}")
    if error.remedy == "Expected `int`, got `str`":
        return error.retold("a number is needed here; write it without quotes")
    return error


def _quoted(part: str, value: object) -> str:
    if isinstance(value, Mapping | list):
        return f"{part} are texts; write one text"
    text = "" if value is None else json.dumps(value, default=str)
    return f'{part} are texts; write it in quotes: "{text}"'


def _shown(value: object) -> str:
    return "" if isinstance(value, Mapping | list) else json.dumps(value, default=str)


def _texts(obj: Object, path: str) -> dict[str, str]:
    held = _at(obj, path)
    if not isinstance(held, Mapping):
        return {}
    return {key: text for key, text in held.items() if isinstance(key, str) and isinstance(text, str)}


def _at(obj: Object, path: str) -> object:
    held: object = obj
    for step in path.split("."):
        held = held.get(step) if isinstance(held, Mapping) else None
    return held
