"""Writes docs/crds.md from crds/*.yaml:  python -m tests.docs.crds"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / "docs/crds.md"

_HEAD = """\
# The custom resources

Made of `crds/*.yaml` by `python -m tests.docs.crds`; what is wrong here is to be corrected there. On a cluster,
`kubectl explain dataobject.spec` tells the same. You write `spec`; the daemons and the scheduler write `status`.
"""
# Of a schema, in words.
_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} keys",
}


def page() -> str:
    """The whole page, from the schemas as they are."""
    parts = [_HEAD]
    for file in sorted((ROOT / "crds").glob("*.yaml")):
        parts += _of_kind(yaml.safe_load(file.read_text())["spec"])
    return "\n".join(parts)


def _of_kind(crd: Mapping[str, Any]) -> Iterator[str]:
    version = crd["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    short = ", ".join(f"`{name}`" for name in crd["names"].get("shortNames", ()))
    yield f"## {crd['names']['kind']}\n"
    yield f"`{crd['group']}/{version['name']}`, {crd['scope'].lower()}; for short {short}.\n"
    yield f"{schema['description']}\n"
    for part in ("spec", "status"):
        yield f"### {part} of a {crd['names']['kind']}\n"
        yield "| field | type | what |\n|---|---|---|"
        for path, field, is_required in _fields(schema["properties"][part], ""):
            needed = " It must be given." if is_required else ""
            yield f"| `{path}` | {_type(field)} | {_cell(field.get('description', ''))}{needed} |"
        yield ""


def _fields(schema: Mapping[str, Any], below: str) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Each field with its path, in the schema's order, what is inside right after what it is in."""
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        path = f"{below}{name}"
        yield path, field, name in required
        yield from _fields(field, f"{path}.")
        if "items" in field:
            yield from _fields(field["items"], f"{path}[].")


def _type(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    kind = field.get("type", "any")
    if kind == "array":
        kind = f"list of {field['items'].get('type', 'any')}"
    elif "additionalProperties" in field:
        kind = f"map of {field['additionalProperties'].get('type', 'any')}"
    bounds = [words.format(field[name]) for name, words in _BOUNDS.items() if name in field]
    return ", ".join([kind, *bounds])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
