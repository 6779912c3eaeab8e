"""docs/reference.md names all that scheduler/api names and nothing else, and its examples are understood."""

import json
import pathlib
import re
from typing import Any, NamedTuple

import pytest
from click import testing

from scheduler.api import annotations, names, waits
from scheduler.locality import cli

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference.md").read_text()
# What all others begin with, and what is no name of an annotation or label.
BEGINNINGS = {names.HINT_PREFIX, names.DATA_PREFIX, names.API_VERSION}
OURS = ("scheduler.thesis/", "data.scheduler.thesis/", "location.scheduler.thesis/", "node-capability/",
        "knative.event-data", "scheduler.knative.dev/")  # fmt: skip
PLACEHOLDER = re.compile(r"(?<=[-/])[A-Z]+$")


class Row(NamedTuple):
    """A line of a table: under which heading, the name, and its cells by the table's head."""

    section: str
    name: str
    cells: dict[str, str]

    @property
    def key(self) -> str:
        """The name with something in place of N, NAME and the like."""
        return PLACEHOLDER.sub(lambda found: "1" if found[0] == "N" else "gpu-model", self.name)


def rows() -> list[Row]:
    found: list[Row] = []
    section, head = "", list[str]()
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("#"):
            section = line.lstrip("# ")
        elif not line.startswith("|"):
            head = []
        elif not head:
            head = cells
        elif not line.startswith("|---"):
            assert len(cells) == len(head), line
            found.append(Row(section, cells[0].strip("`"), dict(zip(head, cells, strict=True))))
    return found


ROWS = rows()
EXAMPLES = [row for row in ROWS if "example" in row.cells]
IN_BASE = "".join(path.read_text() for path in sorted((ROOT / "manifests/base").glob("*.yaml")))


def metadata(*of: Row) -> dict[str, Any]:
    held = "annotations" if "annotation" in of[0].cells else "labels"
    return {"name": "x", held: {row.key: row.cells["example"].strip("`") for row in of}}


def together(row: Row) -> list[Row]:
    """Those that say something only with one another."""
    return [one for one in EXAMPLES if one.name.startswith(names.GANG)] if row.name.startswith(names.GANG) else [row]


def test_every_name_of_the_code_is_told_and_no_other() -> None:
    known = {value for value in vars(names).values() if isinstance(value, str) and value.startswith(OURS)} - BEGINNINGS
    told = [PLACEHOLDER.sub("", row.name) for row in ROWS]
    assert sorted(known - set(told)) == []
    assert [name for name in set(told) - known if name not in IN_BASE] == []  # what manifests alone select by
    assert len(told) == len(set(told))


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: row.name)
def test_an_example_is_understood(row: Row) -> None:
    kind = {"On a pod": "Pod", "On a Service": "Service", "On a namespace": "Namespace", "On a node": "Node",
            "On a PersistentVolume": "PersistentVolume"}[row.section]  # fmt: skip
    spec = {"schedulerName": names.SCHEDULER_NAME} if kind == "Pod" else {}
    manifest = {"apiVersion": "v1", "kind": kind, "metadata": metadata(*together(row)), "spec": spec}
    done = testing.CliRunner().invoke(cli.main, ["validate", "-f", "-", "-o", "json"], input=json.dumps(manifest))
    assert json.loads(done.stdout)["findings"] == []


@pytest.mark.parametrize("row", [row for row in EXAMPLES if row.section == "On a pod"], ids=lambda row: row.name)
def test_an_example_on_a_pod_says_something(row: Row) -> None:
    said = metadata(*together(row))["annotations"]
    (intent, faults), (wait, others) = annotations.parse(said), waits.parse(said)
    assert not faults
    assert not others
    of_the_webhook = row.name in {names.ENRICHED, names.SCHEDULER_NAME_ANNOTATION}
    assert (intent.is_plain and wait == waits.Waits()) == of_the_webhook


def test_the_defaults_of_gangs_are_those_of_the_code() -> None:
    told = {row.name: row.cells["default"] for row in EXAMPLES if "default" in row.cells}
    gang = waits.parse({names.GANG: "a", names.GANG_SIZE: "2"})[0].gang
    assert gang is not None
    assert told[names.GANG_TIMEOUT_SECONDS] == f"{gang.timeout_s:g}"
