"""What the README and docs/ show is what there is: printed columns, files, and places in workloads' pod templates."""

import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize(
    ("command", "kind"), [("nodecapabilities", "nodecapabilities"), ("dataobjects -A", "dataobjects")]
)
def test_what_kubectl_is_said_to_show_has_the_columns_of_the_crd(command: str, kind: str) -> None:
    text = (ROOT / "README.md").read_text()
    header = text.split(f"$ kubectl get {command}\n")[1].splitlines()[0].split()
    crd = yaml.safe_load((ROOT / f"crds/{kind}.yaml").read_text())
    columns = crd["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = ["NAME", *(column["name"].upper() for column in columns if not column.get("priority"))]
    assert header == (["NAMESPACE", *shown] if "-A" in command else shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page: pathlib.Path) -> None:
    text = page.read_text()
    linked = {(page.parent / link).resolve() for link in re.findall(r"\]\(((?!https?:)[^)#]+)", text)}
    told = {ROOT / path for path in re.findall(r"(?<![\w/])(?:manifests|crds|docs)/[\w./-]*\w", text)}
    assert sorted(str(path) for path in linked | told if not path.exists()) == []


def test_the_steps_on_a_cluster_end_with_what_is_to_be_seen() -> None:
    steps = (ROOT / "README.md").read_text().split("## On a cluster")[1].split("### ")[0]
    assert "kubectl apply -k manifests/base" in steps
    for shown in (
        "deployment.apps/data-locality-webhook     2/2",
        "daemonset.apps/data-locality-daemon",
        "thumbnail   1/1",
    ):
        assert shown in steps


@pytest.mark.parametrize(
    "workload", ["Argo Workflows", "Argo Rollouts", "Tekton", "Spark", "Airflow", "Ray", "Flink", "Kueue"]
)
def test_workloads_that_are_not_read_are_told_what_to_write(workload: str) -> None:
    rows = [line for line in (ROOT / "docs/workloads.md").read_text().splitlines() if line.startswith(f"| {workload}")]
    assert rows
    assert all(len(row.split("|")) == 5 for row in rows)
