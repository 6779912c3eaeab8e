"""The JSON schema of the configuration file, for editors, and the table of its keys, for people.

Types, bounds and defaults are what the readers themselves ask for (scheduler.outline). The words stand beside the
defaults, as the docstrings of the settings' fields: "``key``: what it is for". Those of kube-scheduler's own keys,
whose place is kube-scheduler's documentation, are brief and stand here.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from scheduler import config, kubeconfiguration, kubeplugins, leaderelection, outline, pluginargs, registries

_OURS: Final = "configuration"
_KUBE: Final = kubeconfiguration.KIND
_PROFILE: Final = "profile"
_SET: Final = "pluginsAtAPoint"
_DOCUMENTED: Final = re.compile(r"``(\w+)(?:: \w+)?``(?:, [^:]+)?: (.*)", re.DOTALL)
_PLUGIN_SET: Final = 'Which plugins run at this extension point: `enabled` in order, `disabled` by name, "*" for all.'
_LEFT_OUT: Final = frozenset({"profiles", "scheduler"})
# Of kube-scheduler's own keys, by name wherever they stand.
_WORDS: Final[Mapping[str, str]] = {
    "apiVersion": "The only version that kube-scheduler 1.37 reads.",
    "kind": "What kind of file this is.",
    "profiles": "What holds for the pods that name one scheduler; several may be named.",
    "schedulerName": "Whose pods: those with this name in `spec.schedulerName`.",
    "plugins": "Which plugins there are, and at which extension points they run.",
    "pluginConfig": "The arguments of plugins.",
    "extensions": "Plugins from outside, as packages that are installed announce them; see docs/extending.md.",
    "multiPoint": "Plugins at all their extension points at once; single points come after it.",
    "enabled": "Plugins to run, in order.",
    "disabled": "Plugins not to run.",
    "name": "The name of a plugin or resource.",
    "weight": "What a score counts beside the others; 0 is 1.",
    "args": "The plugin's arguments, as in kube-scheduler's documentation.",
    "scheduler": "The weights as the earlier implementation nests them: `{weights: {default: {resource: 0.2}}}`.",
    "weights": "The weights of each kind of pod.",
    "extenders": "Not supported; it may be an empty list.",
    "resources": "Resources that count, each with its weight.",
    "scoringStrategy": "How full nodes are to be.",
    "type": "Spread out, pack, or by a shape of one's own.",
    "requestedToCapacityRatio": "The shape for the type of that name.",
    "shape": "Points by which a share in use becomes a score, rising.",
    "utilization": "Per cent in use.",
    "score": "The score at that point; as an extension point: which plugins score nodes.",
    "ignoredResources": "Extended resources that are not checked.",
    "ignoredResourceGroups": "Domains of extended resources that are not checked.",
    "minCandidateNodesPercentage": "Checked, without effect: every node is looked at that preemption may help.",
    "minCandidateNodesAbsolute": "Checked, without effect: every node is looked at that preemption may help.",
    "hardPodAffinityWeight": "What the required affinity of a pod that is there counts for the one that comes.",
    "ignorePreferredTermsOfExistingPods": "Whether pods without preferences of their own pass over those of others.",
    "bindTimeoutSeconds": "For how long a pod waits until its claims are bound.",
    "bindingTimeout": "For how long a pod waits until its devices are ready.",
    "filterTimeout": "Checked, without effect: a look at one node has bounds of its own.",
    "addedAffinity": "A NodeAffinity that every pod has beside its own.",
    "defaultConstraints": "The topology spread constraints of pods that have none.",
    "defaultingType": "Whether these are the system's or those of the list.",
    "maxSkew": "By how much domains may differ.",
    "minDomains": "How many domains there are to be at least.",
    "topologyKey": "The node label whose values are the domains.",
    "whenUnsatisfiable": "Whether it is a rule or a wish.",
    "nodeAffinityPolicy": "Whether only nodes count that the pod's affinity allows: Honor or Ignore.",
    "nodeTaintsPolicy": "Whether only nodes count whose taints the pod tolerates: Honor or Ignore.",
    "labelSelector": "To be absent: the selector is that of the pod's Services and controller.",
    "matchLabelKeys": "Without effect, as the selector is not the pod's own.",
    "kubeconfig": "Without effect: write --kubeconfig.",
    "acceptContentTypes": "Without effect.",
    "contentType": "Without effect.",
    "qps": "Without effect.",
    "burst": "Without effect.",
    "percentageOfNodesToScore": f"Without effect: {kubeconfiguration.ALL_NODES}.",
    "resourceLock": "What the Lease is; leases is all that there is.",
}  # fmt: skip


def schema() -> dict[str, Any]:
    """Of both kinds of file; a file is of kube-scheduler's kind if it says an apiVersion or that kind."""
    is_kube = {"anyOf": [{"required": ["apiVersion"]}, _says("kind", _KUBE)]}
    ours, kube = _ours(), _kube()
    profile = ours.inner("profiles")
    plugins = profile.properties["plugins"]["properties"]
    of_point = {**plugins["filter"], "description": _PLUGIN_SET}
    for point in kubeplugins.POINTS:
        plugins[point] = {"$ref": f"#/definitions/{_SET}"}
    for top in (ours, kube):
        top.properties["profiles"]["items"] = {"$ref": f"#/definitions/{_PROFILE}"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of data-locality-scheduler",
        "description": "The file of `data-locality-scheduler run --config`, of our own kind or kube-scheduler's.",
        "type": "object",
        "if": is_kube,
        "then": {"$ref": f"#/definitions/{_KUBE}"},
        "else": {"$ref": f"#/definitions/{_OURS}"},
        "definitions": {
            _OURS: ours.schema(),
            _KUBE: {**kube.schema(), "required": ["apiVersion", "kind"]},
            _PROFILE: profile.schema(),
            _SET: of_point,
        },
    }


def table() -> str:
    """The keys of our own kind of file as a table in Markdown, those of sections and lists with their path.

    What is long and told elsewhere is left out: profiles, which are kube-scheduler's, and the nested form of weights.
    """
    lines = ["| key | what | default | values |", "|---|---|---|---|"]
    rows = sorted(_flat("", _ours().properties), key=lambda row: row[1].get("deprecated", False))
    for path, one in rows:
        default = "" if "default" not in one else f"`{_shown(one['default'])}`"
        lines.append(f"| `{path}` | {_cell(one['description'])} | {default} | {_values(one)} |")
    return "\n".join(lines) + "\n"


def _ours() -> outline.Outline:
    top = outline.Outline()
    settings = config.read_ours(top, config.Settings())
    words = {key: text for kind in (config.Settings, config.Weights) for key, text in _told(kind)}
    words |= _of_weights(top) | _of_links()
    for key, text in _told(leaderelection.LeaderElection):
        top.inner("leaderElection").properties[key]["description"] = text
    for key, text in _told(registries.Registry):
        top.inner("registries").properties[key]["description"] = text
    _finish(top, words, settings.ignored)
    for key in config.FIXED.values():
        top.properties[key]["description"] += " A change takes effect at the next start."
    return top


def _kube() -> outline.Outline:
    top = outline.Outline()
    settings = config.read_kube(top)
    words = {key: text for key, text in _told(config.Settings) if key not in _WORDS}
    for key, text in _told(leaderelection.LeaderElection):
        top.inner("leaderElection").properties[key]["description"] = text
    _finish(top, words, settings.ignored)
    return top


def _finish(top: outline.Outline, words: Mapping[str, str], ignored: Mapping[str, str]) -> None:
    """Give every key its words, profiles their plugins' names and arguments, and say what has no effect."""
    entry, taking = top.inner("profiles").inner("pluginConfig"), []
    entry.properties["name"]["enum"] = sorted(kubeplugins.KNOWN)
    for name in pluginargs.TAKING:
        one = outline.Outline()
        pluginargs.read_args(kubeplugins.Plugins(), one, name, {})
        arguments = one.properties["args"]
        taking.append({"if": _says("name", name), "then": {"properties": {"args": arguments}}})
        _describe(one.properties, {})
    top.inner("profiles").properties["pluginConfig"]["items"]["allOf"] = taking
    for key, why in ignored.items():
        if key in top.properties:
            top.properties[key] |= {"description": f"Without effect: {why}.", "deprecated": True}
            top.properties[key].pop("default", None)
    plugins = top.inner("profiles").properties["plugins"]["properties"]
    for point in kubeplugins.POINTS:
        plugins[point]["description"] = _PLUGIN_SET
    _describe(top.properties, words)


def _describe(properties: Mapping[str, outline.Schema], words: Mapping[str, str]) -> None:
    """Words for whatever has none yet.

    Raises:
        KeyError: a key that nobody has words for.
    """
    for key, one in properties.items():
        if "description" not in one:
            one["description"] = words[key] if key in words else _WORDS[key]
        inner = one.get("properties") or one.get("items", {}).get("properties", {})
        _describe(inner, {})


def _of_weights(top: outline.Outline) -> dict[str, str]:
    """Of the flat keys of weights, by their defaults' places; those of the nested form get theirs at once."""
    criteria, kinds = dict(_told(config.Weights)), dict(_docs(config.Profiles))
    words: dict[str, str] = {}
    for name, prefix in config.PROFILES.items():
        nested = top.inner("scheduler").inner("weights").inner(prefix or "default")
        kind = kinds[name].rstrip(".")
        top.inner("scheduler").inner("weights").properties[prefix or "default"]["description"] = f"{kind}."
        for flat, short in config.CRITERIA.values():
            text = f"Weight in the profile {prefix or 'default'}: {criteria[short][0].lower()}{criteria[short][1:]}"
            words[config.flat_key(prefix, flat)] = text
            nested.properties[short]["description"] = text
    return words


def _of_links() -> dict[str, str]:
    words: dict[str, str] = {}
    links = dict(_docs(config.Network))
    for name, key in config.LINKS.items():
        between = links[name].rstrip(".")
        words[f"{key}Bandwidth"] = f"How quick a link is until it has been measured. {between}."
        words[f"{key}Latency"] = f"How long it takes there until the first byte comes. {between}."
    return words


def _told(kind: type) -> Iterator[tuple[str, str]]:
    """Keys and words of the fields of a class whose docstrings name a key."""
    for _, text in _docs(kind):
        if (found := _DOCUMENTED.fullmatch(text)) is not None:
            key, words = found.groups()
            yield key, words[0].upper() + words[1:].replace("``", "`")


def _docs(kind: type) -> Iterator[tuple[str, str]]:
    """Fields of a class and the docstrings below them, on one line."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for field, below in itertools.pairwise(statements):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            text = ast.literal_eval(below.value)
            yield field.target.id, " ".join(str(text).split())


def _flat(path: str, properties: Mapping[str, outline.Schema]) -> Iterator[tuple[str, outline.Schema]]:
    for key, one in properties.items():
        yield f"{path}{key}", one
        if f"{path}{key}" in _LEFT_OUT:
            continue
        yield from _flat(f"{path}{key}.", one.get("properties", {}))
        yield from _flat(f"{path}{key}[].", one.get("items", {}).get("properties", {}))


def _says(key: str, value: str) -> outline.Schema:
    return {"required": [key], "properties": {key: {"const": value}}}


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(one: outline.Schema) -> str:
    """What may be written, in few words."""
    if "enum" in one:
        return ", ".join(f"`{choice}`" for choice in one["enum"])
    unit = one.get("x-unit", "")
    low, high = one.get("minimum"), one.get("maximum")
    if unit == "duration":
        return f"duration, {outline.duration(low)} or more" if low else "duration"
    if low is None and high is None:
        kind = one.get("type", "")
        return {"string": "text", "boolean": "true, false", "array": "list", "object": "section"}.get(kind, "")
    bounds = f"{low:g} to {high:.12g}" if high is not None else f"{low:g} or more"
    whole = "whole, " if one["type"] == "integer" else ""
    return f"{whole}{bounds}{f' {unit}' if unit else ''}"
