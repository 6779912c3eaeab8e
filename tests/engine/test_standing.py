"""What nodes cost, term by term: on hostile clusters, too, terms add up to the cost that ranked each, to the bit."""

import collections
import json

import pytest

from scheduler import config
from scheduler.engine import decide
from scheduler.offline import door, question
from scheduler.plugins import request
from tests.parity.hostile import question as hostile


@pytest.mark.parametrize("seed", range(100))
def test_terms_add_up_on_every_node(seed: int) -> None:
    asked = question.read(json.dumps(hostile.question(seed)).encode())
    settings = config.Settings()
    view = door.state_of(asked, settings).freeze()
    found = decide.Engine(settings).decide(view, request.prepare(asked.pod), seed)
    made_of = found.made_of
    if made_of is not None:
        refused = [made_of.refusal(slot) for slot in range(view.size)]
        first = collections.Counter(one[0] for one in refused if one is not None)
        told = made_of.refusals("narrowed")
        assert told == first | ({"narrowed": told["narrowed"]} if "narrowed" in told else {})
        assert sum(told.values()) + made_of.count == view.count
    if found.choice is None:
        return
    for slot in found.feasible.tolist():
        stands = found.stands(slot)
        assert stands.cost == found.choice.cost[slot] == sum(term.cost for term in stands.terms.values())
    compared = found.compare()
    assert compared is not None
    assert compared.chosen.node == found.node
    if compared.runner_up is not None and not asked.pod.status.nominated_node_name:
        assert compared.runner_up.cost > compared.chosen.cost
