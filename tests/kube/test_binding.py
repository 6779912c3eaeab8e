"""Binding: every answer has its verdict, and a lost one is found out."""

from __future__ import annotations

import asyncio

import pytest

from scheduler.kube import binding, client
from tests.fakeapi import faults, objects, server


async def _bind(api: client.Api, uid: str, *, node: str = "n1", deadline_s: float = 60.0) -> binding.Outcome:
    return await binding.bind(api, namespace="default", pod="p", uid=uid, node=node, deadline_s=deadline_s)


async def _read_back(api: client.Api, uid: str, *, node: str = "n1") -> binding.Verdict:
    return (await binding.read_back(api, namespace="default", pod="p", uid=uid, node=node)).verdict


@pytest.fixture
def uid(fake: server.FakeApi) -> str:
    return str(fake.store.create("pods", objects.pod("p"))["metadata"]["uid"])


async def test_bound(fake: server.FakeApi, api: client.Api, uid: str) -> None:
    assert await _bind(api, uid) == binding.Outcome(binding.Verdict.BOUND)
    assert fake.bindings == [("default", "p", uid, "n1")]
    assert fake.store.get("pods", "p", "default")["spec"]["nodeName"] == "n1"


async def test_a_second_binding_is_a_conflict(fake: server.FakeApi, api: client.Api, uid: str) -> None:
    await _bind(api, uid)
    outcome = await _bind(api, uid, node="n2")
    assert outcome.verdict is binding.Verdict.CONFLICT
    assert 'already assigned to node "n1"' in outcome.message
    assert len(fake.bindings) == 1


async def test_a_pod_made_anew_under_its_name_is_not_bound(fake: server.FakeApi, api: client.Api, uid: str) -> None:
    fake.store.delete("pods", "p", "default")
    fake.store.create("pods", objects.pod("p"))
    assert (await _bind(api, uid)).verdict is binding.Verdict.CONFLICT
    assert fake.bindings == []


async def test_a_pod_that_is_gone(fake: server.FakeApi, api: client.Api, uid: str) -> None:
    fake.store.delete("pods", "p", "default")
    assert (await _bind(api, uid)).verdict is binding.Verdict.GONE


@pytest.mark.parametrize(
    ("fault", "verdict", "after_s"),
    [
        pytest.param(faults.Fault(status=400), binding.Verdict.REFUSED, 0, id="400"),
        pytest.param(faults.Fault(status=401), binding.Verdict.REFUSED, 0, id="401"),
        pytest.param(faults.Fault(status=403), binding.Verdict.REFUSED, 0, id="403"),
        pytest.param(faults.Fault(status=404), binding.Verdict.GONE, 0, id="404"),
        pytest.param(faults.Fault(status=405), binding.Verdict.REFUSED, 0, id="405"),
        pytest.param(faults.Fault(status=409), binding.Verdict.CONFLICT, 0, id="409"),
        pytest.param(faults.Fault(status=422), binding.Verdict.REFUSED, 0, id="422"),
        pytest.param(faults.Fault(status=429, headers={"Retry-After": "3"}), binding.Verdict.THROTTLED, 3, id="429"),
        pytest.param(faults.Fault(status=500), binding.Verdict.UNKNOWN, 0, id="500"),
        pytest.param(faults.Fault(status=502, body=b"<html>"), binding.Verdict.UNKNOWN, 0, id="502"),
        pytest.param(faults.Fault(status=503, headers={"Retry-After": "2"}), binding.Verdict.UNKNOWN, 2, id="503"),
        pytest.param(faults.Fault(status=504), binding.Verdict.UNKNOWN, 0, id="504"),
        pytest.param(faults.Fault(status=307), binding.Verdict.UNKNOWN, 0, id="redirected"),
        pytest.param(faults.Fault(drop="before"), binding.Verdict.UNKNOWN, 0, id="cut-before"),
        pytest.param(faults.Fault(drop="after"), binding.Verdict.UNKNOWN, 0, id="cut-after"),
        pytest.param(faults.Fault(status=201, body=b"{not json"), binding.Verdict.BOUND, 0, id="odd-answer"),
    ],
)
async def test_each_answer_has_its_verdict(
    fake: server.FakeApi, api: client.Api, uid: str, fault: faults.Fault, verdict: binding.Verdict, after_s: float
) -> None:
    fault.path = "/binding"
    fault.message = "the server's words"
    fault.times = 2
    fake.faults.append(fault)
    outcome = await _bind(api, uid)
    assert (outcome.verdict, outcome.after_s) == (verdict, after_s)
    if fault.status >= 400 and fault.body is None:
        assert fault.message in outcome.message
    assert len([path for _, path in fake.requests if "/binding" in path]) == 1  # never twice by itself


async def test_a_late_answer_is_unknown(fake: server.FakeApi, api: client.Api, uid: str) -> None:
    fake.faults.append(faults.Fault(path="/binding", delay_s=0.5))
    assert (await _bind(api, uid, deadline_s=0.1)).verdict is binding.Verdict.UNKNOWN
    await server.until(lambda: fake.bindings)  # it took effect all the same
    assert await _read_back(api, uid) is binding.Verdict.BOUND


async def test_read_back_finds_out(fake: server.FakeApi, api: client.Api, uid: str) -> None:
    assert await _read_back(api, uid) is binding.Verdict.UNBOUND
    assert await _read_back(api, "another-uid") is binding.Verdict.GONE
    fake.faults.append(faults.Fault(path="/binding", drop="after"))
    assert (await _bind(api, uid)).verdict is binding.Verdict.UNKNOWN
    assert await _read_back(api, uid) is binding.Verdict.BOUND
    assert await _read_back(api, uid, node="n2") is binding.Verdict.CONFLICT
    fake.faults.append(faults.Fault(path="/pods/p", status=503))
    assert await _read_back(api, uid) is binding.Verdict.UNKNOWN
    fake.faults.append(faults.Fault(path="/pods/p", status=200, body=b"<html>"))
    assert await _read_back(api, uid) is binding.Verdict.UNKNOWN
    fake.store.delete("pods", "p", "default")
    assert await _read_back(api, uid) is binding.Verdict.GONE


async def test_many_at_once_are_each_bound_once(fake: server.FakeApi, api: client.Api) -> None:
    pods = [fake.store.create("pods", objects.pod(f"p{n}"))["metadata"] for n in range(300)]
    outcomes = await asyncio.gather(
        *(
            binding.bind(api, namespace="default", pod=meta["name"], uid=meta["uid"], node=node, deadline_s=60)
            for meta in pods
            for node in ("n1", "n2")
        )
    )
    verdicts = [outcome.verdict for outcome in outcomes]
    assert verdicts.count(binding.Verdict.BOUND) == verdicts.count(binding.Verdict.CONFLICT) == 300
    assert len(fake.bindings) == len({uid for _, _, uid, _ in fake.bindings}) == 300
