"""`kubectl locality validate`: what it finds wrong, where, and that nothing that anybody may give it stops it."""

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click import testing
from hypothesis import given
from hypothesis import strategies as st

from scheduler.api import crd
from scheduler.locality import cli
from scheduler.locality.validate import documents

ROOT = Path(__file__).parents[2]
SEED = ROOT.parent / "shared" / "seed"

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: resize
  annotations:
    {annotation}
spec:
  schedulerName: data-locality-scheduler
"""


def told(*files: Path | str, text: str = "") -> tuple[int, dict[str, Any]]:
    """The exit code and the answer as JSON."""
    given = [part for file in files for part in ("-f", str(file))]
    done = testing.CliRunner().invoke(cli.main, ["validate", *given, "-o", "json"], input=text)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def found(text: str) -> list[str]:
    """``line:column kind path words`` of each finding in a text."""
    return [
        f"{one['line']}:{one['column']} {one['kind']} {one['path']} {one['value']} {one['message']}"
        for one in told("-", text=text)[1]["findings"]
    ]


ANNOTATIONS = [
    pytest.param(
        "data.scheduler.thesis/input-1: photos/a.raw,12MB",
        '6:36 problem metadata.annotations[data.scheduler.thesis/input-1] "12MB" not a number of bytes; write 12000000',
        id="a size with a unit",
    ),
    pytest.param(
        'data.scheduler.thesis/output-2: "s3://photos/out,1"',
        '6:37 problem metadata.annotations[data.scheduler.thesis/output-2] "s3://photos/out" '
        'a urn is no URL; write "photos/out"',
        id="a URL",
    ),
    pytest.param(
        "data.scheduler.thesis/inputs-1: photos/a,1",
        '6:5 problem metadata.annotations[data.scheduler.thesis/inputs-1] "photos/a,1" '
        "not known; write data.scheduler.thesis/input-N or data.scheduler.thesis/output-N",
        id="a name like one of ours",
    ),
    pytest.param(
        'scheduler.thesis/data-intense: "true"',
        '6:5 problem metadata.annotations[scheduler.thesis/data-intense] "true" '
        'not known, so it has no effect; write "scheduler.thesis/data-intensive" if you mean that',
        id="a hint that is nearly one",
    ),
    pytest.param(
        "scheduler.thesis/max-delays-seconds: '3'",
        '6:5 problem metadata.annotations[scheduler.thesis/max-delays-seconds] "3" '
        'not known, so it has no effect; write "scheduler.thesis/max-delay-seconds" if you mean that',
        id="a wait that is nearly one",
    ),
    pytest.param(
        "scheduler.thesis/prefer-edge: yes",
        '6:35 problem metadata.annotations[scheduler.thesis/prefer-edge] "true" '
        'annotations are texts; write it in quotes: "true"',
        id="no text",
    ),
    pytest.param(
        "scheduler.thesis/gang-size: 4\n    scheduler.thesis/gang: render",
        '6:33 problem metadata.annotations[scheduler.thesis/gang-size] "4" annotations are texts; '
        'write it in quotes: "4"',
        id="a number",
    ),
    pytest.param(
        "scheduler.thesis/max-delay-seconds: long",
        '6:41 problem metadata.annotations[scheduler.thesis/max-delay-seconds] "long" '
        "not a number of seconds from 0 to 3600, so what is usual counts; write one such as 10",
        id="a wait that is no number",
    ),
    pytest.param(
        "scheduler.thesis/pipeline: etl",
        "6:5 ignored metadata.annotations[scheduler.thesis/pipeline]  "
        "nothing here reads it; kept as a mark of your own",
        id="a mark of one's own",
    ),
    pytest.param(
        "scheduler.thesis/storage-type: object",
        "6:5 ignored metadata.annotations[scheduler.thesis/storage-type]  every store is asked what it is",
        id="of the earlier implementation",
    ),
]


@pytest.mark.parametrize(("annotation", "expected"), ANNOTATIONS)
def test_what_is_wrong_with_an_annotation_is_told_with_its_place(annotation: str, expected: str) -> None:
    assert expected in found(POD.format(annotation=annotation))


@pytest.mark.parametrize(("annotation", "expected"), ANNOTATIONS)
def test_so_it_is_in_a_template_and_further_down_and_in_a_list(annotation: str, expected: str) -> None:
    indented = "".join(f"      {line}\n" for line in POD.format(annotation=annotation).splitlines()[2:])
    deployment = f"apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n{indented}"
    place, words = expected.split(" metadata.", 1)
    line, column = place.split(" ")[0].split(":")
    kind = place.split(" ")[1]
    moved = f"{int(line) + 2 + 2}:{int(column) + 6} {kind} spec.template.metadata.{words}"
    assert moved in found(f"# two\n---\n{deployment}")
    listed = "".join(f"    {line}\n" for line in POD.format(annotation=annotation).splitlines())
    moved = f"{int(line) + 4}:{int(column) + 4} {kind} items[0].metadata.{words}"
    assert moved in found(f"apiVersion: v1\nkind: List\nitems:\n  -\n{listed}")


OBJECTS = [
    pytest.param(
        "{apiVersion: v1, kind: Pod, spec: {schedulerName: data-locality-schedular}}",
        '1:51 problem spec.schedulerName "data-locality-schedular" no scheduler of ours has that name by default; '
        'write "data-locality-scheduler" if you mean it',
        id="nearly our name",
    ),
    pytest.param(
        "{apiVersion: v1, kind: Pod, spec: {containers: [{resources: {limits: {memory: 1GB}}}]}}",
        '1:79 problem spec.containers[0].resources.limits[memory] "1GB" not a quantity; '
        'write a number such as "500m", "2" or "1Gi"',
        id="a quantity",
    ),
    pytest.param(
        "{apiVersion: batch/v1, kind: CronJob, spec: {jobTemplate: {spec: {template: {spec: {nodeName: 3}}}}}}",
        '1:95 problem spec.jobTemplate.spec.template.spec.nodeName "3" a text is needed here; write it in quotes: "3"',
        id="a number as a name",
    ),
    pytest.param(
        '{apiVersion: v1, kind: Pod, metadata: {labels: {scheduler.thesis/prefer-edge: "true"}}}',
        '1:49 problem metadata.labels[scheduler.thesis/prefer-edge] "true" '
        "a label has no effect here; write it as an annotation",
        id="a label",
    ),
    pytest.param(
        "{apiVersion: v1, kind: Service, metadata: {annotations: {scheduler.thesis/storage-endpoint: 'minio:9000'}}}",
        '1:93 problem metadata.annotations[scheduler.thesis/storage-endpoint] "minio:9000" '
        "not a URL of a store; write http://HOST:PORT or https://HOST:PORT",
        id="the endpoint of a store",
    ),
    pytest.param(
        "{apiVersion: v1, kind: Service, metadata: {annotations: {scheduler.thesis/storage-secrt: s}}}",
        '1:58 problem metadata.annotations[scheduler.thesis/storage-secrt] "s" not known, so it has no effect; '
        "did you mean scheduler.thesis/storage-secret?",
        id="an annotation of stores",
    ),
    pytest.param(
        "{apiVersion: v1, kind: Namespace, metadata: {labels: {scheduler.thesis/stores: Shared}}}",
        '1:80 problem metadata.labels[scheduler.thesis/stores] "Shared" has no effect; write "shared", or remove it',
        id="whom a namespace's stores speak for",
    ),
    pytest.param(
        "{apiVersion: v1, kind: PersistentVolume, metadata: {labels: {scheduler.thesis/storage-bucket: A_B}}}",
        '1:95 problem metadata.labels[scheduler.thesis/storage-bucket] "A_B" not an S3 bucket name; '
        "write 3 to 63 lower-case letters, digits, hyphens and single dots, with a letter or digit at both ends",
        id="the bucket of a volume",
    ),
    pytest.param(
        "{apiVersion: scheduler.thesis/v1alpha1, kind: DataObject, spec: {urn: photos, sizeBytes: 2Gi}}",
        '1:90 problem spec.sizeBytes "2Gi" not a number of bytes; write 2147483648',
        id="the size of data",
    ),
    pytest.param(
        "{apiVersion: scheduler.thesis/v1alpha1, kind: DataObject, spec: {urn: /photos/x}}",
        '1:71 problem spec.urn "/photos/x" a urn does not begin with a slash; write "photos/x"',
        id="a urn",
    ),
    pytest.param(
        "{apiVersion: scheduler.thesis/v1alpha1, kind: DataObject, spec: {urn: photos, location: []}}",
        "1:79 problem spec.location  unknown field; did you mean locations?",
        id="a field that is nearly one",
    ),
    pytest.param(
        "{apiVersion: scheduler.thesis/v1, kind: NodeCapability}",
        '1:14 problem apiVersion "scheduler.thesis/v1" write scheduler.thesis/v1alpha1',
        id="a version",
    ),
    pytest.param(
        "{apiVersion: scheduler.thesis/v1alpha1, kind: DataObjekt}",
        '1:47 problem kind "DataObjekt" there is none; write DataObject',
        id="a kind",
    ),
    pytest.param(
        "{apiVersion: v1, kind: Node, metadata: {labels: {node-capability/bandwidth-to-edge-2: 1Gbps}}}",
        '1:87 problem metadata.labels[node-capability/bandwidth-to-edge-2] "1Gbps" '
        "has no effect; write bytes per second, such as 125000000",
        id="a declared link",
    ),
    pytest.param(
        "{apiVersion: v1, kind: Node, metadata: {labels: {node-capability/node-type: fog}}}",
        '1:77 problem metadata.labels[node-capability/node-type] "fog" '
        "not a known type, so it has no effect; write edge or cloud",
        id="a type of node",
    ),
    pytest.param("{kind: Pod}", "1:1 problem apiVersion  a manifest needs a text as apiVersion", id="no version"),
    pytest.param(
        "a: 1\nkind: Pod\nkind: Pod",
        '3:1 problem  "kind" the key is given twice; keep one of the two',
        id="a key given twice",
    ),
]


@pytest.mark.parametrize(("text", "expected"), OBJECTS)
def test_what_is_wrong_with_an_object_is_told_with_its_place(text: str, expected: str) -> None:
    assert expected in found(text)


def test_a_comma_is_part_of_a_urn_in_a_dataobject() -> None:
    text = "{apiVersion: scheduler.thesis/v1alpha1, kind: DataObject, spec: {urn: 'photos/a,b'}}"
    assert found(text) == []


def test_pods_that_no_scheduler_of_ours_gets_are_told_of() -> None:
    text = POD.format(annotation="data.scheduler.thesis/input-1: photos/a,1").replace("data-locality-scheduler", "")
    (only,) = found(text)
    assert only.startswith("7:1 ignored spec  no spec.schedulerName: data.scheduler.thesis/input-1 has an effect only")
    assert (
        found(text.replace("input-1: photos/a,1", "input-1: photos/a,1\n    scheduler.knative.dev/scheduler-name: s"))
        == []
    )


CONFIGURATION = """\
dataLocalityWeigth: 0.5
tau: soon
scheduler: {weights: {default: {dataLocal: 3}}}
"""
WRONG = [
    (1, 1, "dataLocalityWeigth", '"0.5" unknown key; did you mean dataLocalityWeight?'),
    (2, 6, "tau", '"soon" write a duration of at least 0.001 s, such as "30s" or "5m"'),
    (3, 33, "scheduler.weights.default.dataLocal", '"3" unknown key; did you mean dataLocality?'),
]


def test_a_configuration_file_is_read_as_the_scheduler_reads_it() -> None:
    assert found(CONFIGURATION) == [f"{line}:{column} problem {path} {words}" for line, column, path, words in WRONG]
    assert found("podQueueSize: 3\ntau: 3s\n") == [
        "1:1 ignored podQueueSize  a pod is tried until it is placed, and none is turned away"
    ]


def test_one_in_a_configmap_is_told_of_by_its_place_in_the_file() -> None:
    block = "".join(f"    {line}\n" for line in CONFIGURATION.splitlines())
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: data-locality-scheduler-config-7fk2}\ndata:\n"
    assert found(f"{head}  config.yaml: |\n\n{block}") == [
        f"{line + 6}:{column + 4} problem data[config.yaml]: {path} {words}" for line, column, path, words in WRONG
    ]
    quoted = json.dumps(CONFIGURATION)
    assert found(f"{head}  config.yaml: {quoted}\n") == [
        f"5:16 problem data[config.yaml], line {line}: {path} {words}" for line, _, path, words in WRONG
    ]


def test_the_daemons_configuration_is_told_from_the_schedulers() -> None:
    text = "stores:\n  - {name: lake, endpoint: 'http://lake', nodes: {names: [a]}, rol: gateway}\npaths: []\n"
    assert found(text) == ['2:64 problem stores[0].rol "gateway" unknown key; did you mean role?']


@pytest.mark.parametrize("text", ["replicas: 3\nimage: x\n", "- 1\n", "hello", "apiVersion: v2\nname: chart\n"])
def test_what_is_nothing_of_ours_is_passed_over(text: str) -> None:
    (only,) = found(text)
    assert only.startswith("1:1 ignored   passed over: neither a manifest")


HOSTILE = [
    pytest.param("a: " + "[" * 200_000, id="brackets"),
    pytest.param("".join(f"{' ' * depth}a:\n" for depth in range(2000)), id="nested maps"),
    pytest.param(
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
        id="aliases of aliases",
    ),
    pytest.param(
        "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 5000)), id="merges of merges"
    ),
    pytest.param("a: &a [*a]\n", id="an alias of what holds it"),
    pytest.param("a: *b\n", id="an alias of nothing"),
    pytest.param("? [a, b]\n: 1\n", id="a list as a key"),
    pytest.param("a: \0\n", id="a control character"),
    pytest.param("a: !!python/object/apply:os.system [ls]\n", id="code"),
    pytest.param("a: {{ .Values.a }}\n", id="a template"),
    pytest.param("a: [1,\n", id="a list without an end"),
    pytest.param("metadata:\n\tname: a\n", id="a tab"),
    pytest.param("a: 'no end\n", id="a text without an end"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_cannot_be_read_costs_its_document_alone(text: str) -> None:
    before, after = POD.format(annotation="a: 1"), POD.format(annotation="b: 2")
    code, answer = told("-", text=f"{before}---\n{text}\n---\n{after}")
    assert (code, answer["objects"], answer["problems"], answer["unreadable"]) == (2, 2, 2, 1)
    (broken,) = [one for one in answer["findings"] if one["kind"] == "unreadable"]
    lines = before.count("\n")
    assert lines < broken["line"] <= lines + 2 + text.count("\n") + 1


def test_ten_megabytes_are_read_or_refused() -> None:
    assert told("-", text=POD.format(annotation=f"a: {'x' * 10_000_000}"))[0] == 0
    many = "".join(f"  k{number}: v\n" for number in range(300_000))
    code, answer = told("-", text=f"apiVersion: v1\nkind: ConfigMap\ndata:\n{many}")
    assert code == 2
    assert answer["findings"][0]["message"] == "more than 500,000 values in one document; split it"


def test_a_file_that_is_no_text_is_unreadable_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "b.yml").write_bytes(b"\xef\xbb\xbf" + POD.format(annotation="a: 1").encode())
    (tmp_path / "c.json").write_text('{\n\t"apiVersion": "v1",\n\t"kind": "\\ud83d\\ude00", "metadata": {"labels": 3}}')
    (tmp_path / "d.txt").write_text("a: [")
    code, answer = told(tmp_path)
    assert (code, answer["files"], answer["objects"]) == (2, 3, 2)
    assert [(one["file"][-6:], one["line"], one["object"]) for one in answer["findings"]] == [
        ("a.yaml", 1, ""),
        ("b.yml"[-6:].rjust(6, "/"), 6, "Pod resize"),
        ("c.json", 3, "😀"),
    ]


def test_exit_codes_and_words(tmp_path: Path) -> None:
    good = tmp_path / "good.yaml"
    good.write_text(POD.format(annotation="data.scheduler.thesis/input-1: photos/a,1"))
    bad = tmp_path / "bad.yaml"
    bad.write_text(POD.format(annotation="data.scheduler.thesis/input-1: photos/a"))
    runner = testing.CliRunner()
    done = runner.invoke(cli.main, ["validate", "-f", str(good)])
    assert (done.exit_code, done.output) == (0, "1 file, 1 object: 0 problems, 0 ignored\n")
    done = runner.invoke(cli.main, ["validate", "-f", str(good), "-f", str(bad)])
    assert done.exit_code == 1
    assert done.output == (
        f'{bad}:6:36: problem: Pod resize: metadata.annotations[data.scheduler.thesis/input-1]: "photos/a": '
        'no size; write the bytes after the urn, as in "photos/a,1048576"\n'
        "2 files, 2 objects: 1 problem, 0 ignored\n"
    )
    done = runner.invoke(cli.main, ["validate", "-f", str(tmp_path / "none.yaml")])
    assert (done.exit_code, "none.yaml:1:1: unreadable: cannot be read: No such file" in done.output) == (2, True)
    assert runner.invoke(cli.main, ["validate"]).exit_code == 2


def test_our_own_manifests_have_no_problem() -> None:
    code, answer = told(ROOT / "manifests" / "base", ROOT / "manifests" / "examples", ROOT / "crds")
    assert (code, [one for one in answer["findings"] if one["kind"] != "ignored"]) == (0, [])


@pytest.mark.skipif(not SEED.is_dir(), reason=f"no manifests of the earlier implementation at {SEED}")
def test_those_of_the_earlier_implementation_pass_with_what_is_ignored() -> None:
    code, answer = told(SEED)
    assert (code, answer["problems"], answer["objects"] > 90) == (0, 0, True)
    ignored = {one["path"].rpartition("line ")[2].partition(": ")[2] or one["path"] for one in answer["findings"]}
    assert {
        "podQueueSize", "maxFailedAttempts", "percentageOfNodesToScore", "minFeasibleNodesToFind",
        "storageCacheExpiration", "resourceCacheEnabled", "minResourceScore", "verboseLogging", "enableMockData",
        "metadata.annotations[scheduler.thesis/storage-type]",
        "metadata.annotations[scheduler.thesis/memory-intensive]",
        "metadata.annotations[scheduler.thesis/pipeline-stage]",
    } <= ignored  # fmt: skip
    assert all(one["message"] for one in answer["findings"])


@pytest.mark.parametrize(
    ("kind", "spec"), [("dataobjects", crd.DataObjectSpec), ("nodecapabilities", crd.NodeCapabilitySpec)]
)
def test_the_fields_that_are_known_are_those_of_the_schema(kind: str, spec: type[msgspec.Struct]) -> None:
    schema = yaml.safe_load((ROOT / "crds" / f"{kind}.yaml").read_text())
    fields = schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert {field.encode_name for field in msgspec.structs.fields(spec)} == set(fields)


words = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
data = st.recursive(
    st.one_of(words, st.integers(-(2**63), 2**63), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=12,
)


def scalars(value: object, path: str = "") -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [one for key, inner in value.items() for one in scalars(inner, f"{path}[{key}]")]
    if isinstance(value, list):
        return [one for index, inner in enumerate(value) for one in scalars(inner, f"{path}[{index}]")]
    return [(path, value)]


@given(st.dictionaries(words, data, min_size=1, max_size=4), st.sampled_from([True, False, None]), st.integers(0, 3))
def test_what_stands_at_the_place_of_a_value_is_that_value(value: Any, flow: bool | None, before: int) -> None:
    text = "# x\n" * before + "---\n" + yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True, width=10_000)
    (document,) = documents.read(text)
    assert isinstance(document, documents.Document)
    assert document.value == yaml.safe_load(text)
    lines = text.split("\n")
    for path, scalar in scalars(value):
        if ambiguous(path):
            continue
        mark = document.mark(path)
        rest = lines[mark.line - 1][mark.column - 1 :]
        begin = [one.value for around in ("", "[") for one in begun(around + rest)]
        assert (str(scalar).lower() if isinstance(scalar, bool) else str(scalar)) in begin


def begun(text: str) -> list[yaml.ScalarEvent]:
    """The scalar that a text begins with."""
    return list(itertools.islice((one for one in yaml.parse(text) if isinstance(one, yaml.ScalarEvent)), 1))


def ambiguous(path: str) -> bool:
    """Whether keys hold what also separates steps, so that one path may mean two values."""
    return any(character in "].[ " for key in path.removeprefix("[").removesuffix("]").split("][") for character in key)


ODD = [
    None,
    True,
    7,
    -1,
    1e300,
    "",
    "x",
    "a/b,1",
    [],
    {},
    [None],
    {"a": None},
    [["a"]],
    {"": ""},
    "2020-01-01",
    "1:30",
    "\u2028",
]
BASES: list[Any] = [
    {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "labels": {"a": "b"}, "annotations": {"data.scheduler.thesis/input-1": "photos/a,1"}},
        "spec": {"schedulerName": "s", "containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]},
    },
    {
        "apiVersion": "batch/v1", "kind": "CronJob",
        "spec": {"jobTemplate": {"metadata": {"annotations": {"scheduler.thesis/x": "y"}},
                                 "spec": {"template": {"metadata": {"labels": {}}, "spec": {"containers": []}}}}},
    },
    {"apiVersion": "v1", "kind": "Service", "metadata": {"annotations": {"scheduler.thesis/storage-endpoint": "http://a"}}},
    {"apiVersion": "v1", "kind": "Node", "metadata": {"labels": {"node-capability/latency-to-b": "2"}}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "data-locality-daemon-config"},
     "data": {"config.yaml": "stores: []\npaths:\n- {bucket: a}\n"}},
    {"apiVersion": "scheduler.thesis/v1alpha1", "kind": "DataObject",
     "spec": {"urn": "photos", "sizeBytes": 1, "locations": [{"node": "a"}]}, "status": {}},
    {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {}}]},
    {"schedulerName": "a", "tau": "5s", "scheduler": {"weights": {"default": {"resource": 1}}}, "profiles": [{}]},
    {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
     "profiles": [{"plugins": {}}]},
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Where a value stands: the list or mapping, and its index or key there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [one for key, each in inner for one in ((value, key), *places(each))]


@given(st.sampled_from(BASES), st.lists(st.tuples(st.integers(0, 40), st.sampled_from(ODD)), min_size=1, max_size=3))
def test_whatever_stands_in_place_of_a_value_is_told_of_or_taken(base: Any, changes: list[tuple[int, Any]]) -> None:
    made = copy.deepcopy(base)
    for number, odd in changes:
        found = places(made)
        holder, key = found[number % len(found)]
        holder[key] = copy.deepcopy(odd)
    text = yaml.safe_dump(made)
    code, answer = told("-", text=text)
    assert code == (2 if answer["unreadable"] else 1 if answer["problems"] else 0)
    assert all(1 <= one["line"] <= text.count("\n") + 1 and one["column"] >= 1 for one in answer["findings"])


def test_what_docs_show_is_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "kubectl-locality.md").read_text()
    command = "$ kubectl locality validate -f resize.yaml\n"
    before, after = page.split(f"```console\n{command}")
    (tmp_path / "resize.yaml").write_text(before.rpartition("```yaml\n")[2].partition("```")[0])
    monkeypatch.chdir(tmp_path)
    done = testing.CliRunner().invoke(cli.main, ["validate", "-f", "resize.yaml"])
    assert (done.exit_code, done.output) == (1, after.partition("```")[0])
