"""The schemas under crds/ as files: every field is described, every list and string is bounded, the typed twins fit.

What the API server makes of them is tested in test_on_apiserver.
"""

import pathlib
import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml

from scheduler.api import crd, names

ROOT = pathlib.Path(__file__).parents[2]
FILES = [ROOT / "crds" / f"{plural}.yaml" for plural in (names.DATA_OBJECTS, names.NODE_CAPABILITIES)]
CRDS: dict[str, dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
TWINS = {names.DATA_OBJECTS: crd.DataObject, names.NODE_CAPABILITIES: crd.NodeCapability}

each_crd = pytest.mark.parametrize("plural", list(CRDS))

Schema = dict[str, Any]


def root_schema(plural: str) -> Schema:
    (version,) = CRDS[plural]["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema below (and with) this one, with its path; list items and map values included."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from fields(child, f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if part in schema:
            yield from fields(schema[part], f"{path}[]")


def test_there_are_no_other_schemas() -> None:
    assert sorted(path.name for path in (ROOT / "crds").iterdir()) == sorted(path.name for path in FILES)


@each_crd
def test_names_are_those_the_code_uses(plural: str) -> None:
    definition = CRDS[plural]
    assert definition["metadata"]["name"] == f"{plural}.{names.GROUP}"
    assert definition["spec"]["group"] == names.GROUP
    assert definition["spec"]["names"]["plural"] == plural
    assert definition["spec"]["names"]["categories"] == ["data-locality"]
    (version,) = definition["spec"]["versions"]
    assert version["name"] == names.VERSION
    assert version["subresources"] == {"status": {}}


@each_crd
def test_every_field_is_described_for_kubectl_explain(plural: str) -> None:
    short = [path for path, schema in fields(root_schema(plural)) if len(schema.get("description", "")) < 12]
    assert short == []


@each_crd
def test_everything_is_bounded(plural: str) -> None:
    bounds = {"array": "maxItems", "string": "maxLength", "integer": "minimum", "number": "minimum"}
    for path, schema in fields(root_schema(plural)):
        kind = schema["type"]
        bounded = kind in {"object", "boolean"} or "enum" in schema or schema.get("format") == "date-time"
        assert bounded or bounds[kind] in schema, path
        assert "additionalProperties" not in schema or "maxProperties" in schema, path
        assert "x-kubernetes-preserve-unknown-fields" not in schema, path


@each_crd
def test_lists_that_several_write_to_are_maps_with_keys(plural: str) -> None:
    for path, schema in fields(root_schema(plural)):
        if schema["type"] != "array":
            continue
        assert "x-kubernetes-list-type" in schema, path
        for key in schema.get("x-kubernetes-list-map-keys", []):
            item = schema["items"]
            assert key in item["required"] or "default" in item["properties"][key], f"{path} {key}"


@each_crd
def test_columns_lead_to_fields(plural: str) -> None:
    known = {path for path, _ in fields(root_schema(plural))} | {".metadata.creationTimestamp"}
    (version,) = CRDS[plural]["spec"]["versions"]
    for column in version["additionalPrinterColumns"]:
        path = column["jsonPath"].replace('[?(@.type=="Ready")]', "[]")
        assert path in known, column


def misfits(kind: Any, schema: Schema, path: str) -> list[str]:
    """Where a typed twin has a field that its schema has not, or another type."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        (kind,) = (part for part in typing.get_args(kind) if part is not types.NoneType)
    if typing.get_origin(kind) is typing.Annotated:  # with bounds
        kind = typing.get_args(kind)[0]
    origin = typing.get_origin(kind) or kind
    wanted = {str: "string", int: "integer", float: "number", bool: "boolean", tuple: "array"}.get(origin, "object")
    if schema.get("type") != wanted:
        return [f"{path}: {kind} against {schema.get('type')}"]
    if origin is tuple:
        return misfits(typing.get_args(kind)[0], schema["items"], f"{path}[]")
    if origin is dict:
        return misfits(typing.get_args(kind)[1], schema["additionalProperties"], f"{path}[]")
    if not issubclass(origin, msgspec.Struct):
        return []
    found = []
    for field in msgspec.structs.fields(kind):
        below = f"{path}.{field.encode_name}"
        if below == ".metadata":
            continue  # the API server's own
        if field.encode_name not in schema.get("properties", {}):
            found.append(f"{below}: not in the schema")
        else:
            found += misfits(field.type, schema["properties"][field.encode_name], below)
    return found


@each_crd
def test_typed_twin_fits_the_schema(plural: str) -> None:
    assert misfits(TWINS[plural], root_schema(plural), "") == []
