"""Notices that the receiver of events once took for something else: what the next pod gets is right."""

from __future__ import annotations

import json
import pathlib

import pytest

from scheduler.api import names
from tests.cases import reading
from tests.fakeapi import server
from tests.webhook import receiving
from webhook import facts

READER = facts.Consumer("default", "reader")


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in reading.cases("events.jsonl")])
async def test_reported_notices_give_the_next_pod_its_inputs(case: reading.Case, tmp_path: pathlib.Path) -> None:
    async with server.running() as api:
        api.store.create("namespaces", {"metadata": {"name": names.HOME_NAMESPACE}})
        where = api.kubeconfig(tmp_path)
        tokens = receiving.tokens_of(tmp_path / "tokens")
        readers = {bucket: [READER] for bucket in ("photos", "My_Bucket")}
        async with receiving.running(where, names.HOME_NAMESPACE, tokens, readers=readers) as replica:
            for body, status in zip(case["bodies"], case["expect"]["answers"], strict=True):
                answer = await replica.post("/events", json.dumps(body).encode(), receiving.JSON)
                assert answer.status // 100 == status // 100, answer.text
            told = replica.text(READER)
    inputs = json.loads(told).get("dataInputs", []) if told else []
    assert [one["urn"] for one in inputs] == case["expect"]["next_pod_inputs"]
