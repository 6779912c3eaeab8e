"""Each strategy on a world so small that its source's rule gives an answer by hand."""

from __future__ import annotations

import pytest

from scheduler.kernel import commands, events
from scheduler.simulate import arms
from scheduler.simulate.arms import quincy, seen
from tests.simulate.arms import feeding
from tests.simulate.arms.feeding import pod
from tests.state.build import as_node, data_object, node, state

GB = 1_000_000_000
# Two zones of one region and one of another; data on a.
NODES = [
    node("a", region="r", zone="z", kind="cloud", cpu="2"),
    node("b", region="r", zone="z", kind="cloud", cpu="2"),
    node("c", region="r", zone="y", kind="edge", cpu="2"),
    node("d", region="s", zone="x", kind="cloud", cpu="2"),
]
DATA = [data_object("logs/k", at=["a"], size=GB)]
READS = [f"logs/k,{GB}"]


def fed(name: str, nodes: list[feeding.Object] = NODES, objects: list[feeding.Object] = DATA) -> feeding.Fed:
    scene = feeding.world(nodes, objects=objects)
    return feeding.Fed(arms.make(name, scene, 1), scene)


def test_chance_uses_every_node_whatever_lies_there() -> None:
    nodes = [{**each, "status": {"allocatable": {"cpu": "100", "memory": "8Gi", "pods": "110"}}} for each in NODES]
    on = fed("random", nodes).arrive(*(pod(f"p{number}", inputs=READS) for number in range(80)))
    counts = [list(on.values()).count(name) for name in "abcd"]
    assert sum(counts) == 80
    assert min(counts) >= 8  # of 20 to be expected; less has a chance of 1 in 2,000


def test_kube_scheduler_sees_no_data_and_spreads() -> None:
    arm = fed("default")
    on = {name: node for number in range(4) for name, node in arm.arrive(pod(f"p{number}", inputs=READS)).items()}
    assert sorted(on.values()) == ["a", "b", "c", "d"]


def test_kube_scheduler_sees_no_data_in_a_list_either() -> None:
    subject = arms.make("default", feeding.world(NODES, works=[]), 1)
    for each in NODES:
        subject.handle(events.NodeSeen(1.0, as_node(each)))
    listed = pod("p", inputs=READS, required_capability="none")
    out = [*subject.handle(events.PendingListed(1.0, 1.0, (listed,))), *subject.step(1.0, 1.0, 10)]
    assert [type(one) for one in out] == [commands.Bind]  # and nobody is asked about its data


def test_kube_scheduler_keeps_preferred_node_affinity() -> None:
    likes = {"weight": 100, "preference": {"matchExpressions": [{"key": "x", "operator": "Exists"}]}}
    spec = {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [likes]}}}
    nodes = [*NODES, node("e", cpu="2", labels={"x": ""})]
    assert fed("default", nodes).arrive(pod("p", inputs=READS, spec=spec)) == {"p": "e"}


def test_dask_goes_to_the_holder_until_its_queue_is_longer_than_the_transfer() -> None:
    # Mean bandwidth of the four: two links of 500 MB/s, four of 200, and a-d, b-d of 50, c-d of 25: 1 GB takes 6 s.
    arm = fed("dask", objects=[*DATA, data_object("other/k", at=["d"], size=GB)])
    both = [f"logs/k,{GB},30", f"other/k,{GB},0"]
    assert arm.arrive(pod("first", inputs=both))["first"] == "a"  # a tie of a and d: neither stores anything yet
    # 30 s of work on two threads are 15 s at a against none at d.
    assert arm.arrive(pod("second", inputs=both))["second"] == "d"


def test_dask_takes_whoever_stores_least_where_all_start_alike() -> None:
    arm = fed("dask", objects=[])
    assert arm.arrive(pod("first", outputs=["results/k,5"]))["first"] == "a"
    arm.done("first")
    assert arm.arrive(pod("second"))["second"] == "b"


def test_dask_looks_only_at_holders_if_one_of_them_takes_the_pod() -> None:
    arm = fed("dask")
    assert arm.arrive(pod("long", cpu="1", inputs=[f"logs/k,{GB},1000"]))["long"] == "a"
    assert arm.arrive(pod("next", cpu="1", inputs=READS))["next"] == "a"
    assert arm.arrive(pod("full", cpu="1", inputs=READS))["full"] != "a"


def test_delay_waits_for_the_node_then_for_its_zone_then_takes_any() -> None:
    arm = fed("delay")
    arm.arrive(pod("here", cpu="2", inputs=READS))
    arm.arrive(pod("waits", cpu="2", inputs=READS))
    assert arm.on == {"here": "a"}
    assert 4.9 < (arm.wait_s() or 0) < 5.1
    assert "waits" not in arm.later(4.9)
    assert arm.later(0.2)["waits"] == "b"
    arm.arrive(pod("more", cpu="2", inputs=READS))
    assert "more" not in arm.later(9.9)
    assert arm.later(0.2)["more"] in {"c", "d"}


def test_delay_takes_the_node_of_the_data_as_soon_as_it_is_free() -> None:
    arm = fed("delay")
    arm.arrive(pod("here", cpu="2", inputs=READS))
    arm.arrive(pod("waits", cpu="2", inputs=READS))
    assert arm.done("here") == {"waits": "a"}


def test_delay_has_nothing_to_wait_for_without_inputs() -> None:
    assert set(fed("delay").arrive(pod("p"))) == {"p"}


def test_quincy_waits_as_long_as_the_transfer_costs() -> None:
    arm = fed("quincy")
    arm.arrive(pod("here", cpu="2", inputs=READS))
    arm.arrive(pod("waits", cpu="2", inputs=READS))
    assert arm.on == {"here": "a"}
    # 1 GB within the zone costs 1, a second of waiting 0.5; b is reached as the worst of its zone.
    assert "waits" not in arm.later(1.9)
    assert arm.later(0.2)["waits"] == "b"
    arm.arrive(pod("more", cpu="2", inputs=READS))
    assert "more" not in arm.later(3.9)
    assert arm.later(0.2)["more"] in {"c", "d"}


def test_quincy_counts_bytes_by_switches_and_prefers_who_holds_a_tenth() -> None:
    # 95 % lie on a and 5 % on b. To e all comes from its zone, and the worst of a zone or of all is what its arc costs.
    nodes = [*NODES, node("e", region="r", zone="z")]
    objects = [data_object("big/k", at=["a"], size=19 * GB // 20), data_object("small/k", at=["b"], size=GB // 20)]
    see = seen.Seen(feeding.SETTINGS, state(nodes, objects=objects))
    one = see.waiting(pod("p", inputs=[f"big/k,{19 * GB // 20}", f"small/k,{GB // 20}"]), 0.0)
    costs = quincy.transfer_costs(see, one)
    assert dict(zip("abcde", costs[: len(nodes)].tolist(), strict=True)) == pytest.approx(
        {"a": 0.05, "b": 1.0, "c": 2.0, "d": 2.0, "e": 1.0}
    )


def test_quincy_places_two_together_better_than_one_after_the_other() -> None:
    objects = [data_object("one/k", at=["a", "b"], size=GB), data_object("two/k", at=["a"], size=GB)]
    on = fed("quincy", objects=objects).arrive(
        pod("first", cpu="2", inputs=[f"one/k,{GB}"]), pod("second", cpu="2", inputs=[f"two/k,{GB}"])
    )
    assert on == {"first": "b", "second": "a"}


def test_the_earlier_one_goes_where_the_data_lies() -> None:
    assert fed("earlier").arrive(pod("p", inputs=READS)) == {"p": "a"}


def test_the_earlier_one_weighs_three_copies_on_the_node_above_a_near_one() -> None:
    # On b lies the small input, worth three times its weight there: 3 w 100 of (3 + 1.5) w; on a likewise, with
    # the larger one. The larger weighs more.
    objects = [*DATA, data_object("small/k", at=["b"], size=10**6)]
    assert fed("earlier", objects=objects).arrive(pod("p", inputs=[*READS, "small/k,1000000"])) == {"p": "a"}


def test_the_earlier_one_is_blind_to_what_takes_20_s_or_more() -> None:
    # a is too small. From there, 10 GB take 22 s to its zone with the factor of 1.1, and more to all others: all score
    # 0, so that the node type decides, which prefers the region of d.
    nodes = [node("a", region="r", zone="z", cpu="1"), *NODES[1:]]
    objects = [data_object("logs/k", at=["a"], size=10 * GB)]
    coming = pod("p", cpu="2", inputs=[f"logs/k,{10 * GB}"], prefer_region="s")
    assert fed("earlier", nodes, objects).arrive(coming) == {"p": "d"}
