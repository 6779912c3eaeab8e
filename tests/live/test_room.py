"""Room for DataObjects made on demand is fair between namespaces, and what others use never goes."""

import asyncio
import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import errors
from scheduler.api import core, names
from scheduler.live import clerk, mentions, metrics, room
from tests.fakeapi import server
from tests.live import builders

HOME = "home"
NAMESPACES = ("a", "b", "c", HOME)


def reader(namespace: str, uid: str, *urns: str, node: str = "") -> core.Pod:
    notes = {f"{names.INPUT_PREFIX}{number}": f"{urn},1" for number, urn in enumerate(urns)}
    return core.Pod(
        metadata=core.ObjectMeta(name=uid, namespace=namespace, uid=uid, annotations=notes),
        spec=core.PodSpec(node_name=node),
    )


class Model:
    """A room, the pods that name keys, and who asked for what."""

    def __init__(self) -> None:
        self.named = mentions.Mentions(HOME)
        self.room = room.Room(HOME, self.named)

    def ask(self, namespace: str, home: str, urn: str) -> room.Decision:
        """A pod comes that names a key; the object is made if there is room."""
        self.named.see(reader(namespace, f"{namespace}-{urn}", urn))
        answer = self.room.ask(namespace)
        if answer.goes is not None:
            self.room.remove(answer.goes)
        if answer.granted:
            self.room.add((home, f"key-{urn}"), urn, namespace)
        return answer


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr(room, "LIMIT", 10)
    return Model()


def test_a_namespace_that_took_everything_gives_way_to_the_next_one_up_to_its_share(model: Model) -> None:
    for number in range(12):
        assert model.ask("greedy", HOME, f"bucket/{number}").granted is (number < 10)
    for number in range(7):
        answer = model.ask("late", "late", f"other/{number}")
        assert answer.granted is (number < 5), number
        if answer.granted:
            assert answer.goes == (HOME, f"key-bucket/{number}"), "the oldest first"
    assert [model.room.count_of(one) for one in ("greedy", "late")] == [5, 5]
    assert not model.ask("greedy", HOME, "bucket/more").granted, "it may not have back what it gave"
    assert len(model.room) == 10


def test_what_others_use_as_well_stays(model: Model) -> None:
    for number in range(10):
        model.ask("greedy", HOME, f"bucket/{number}")
    for number in range(9):
        model.named.see(reader("other", f"o{number}", f"bucket/{number}"))
    assert model.ask("late", "late", "x/1").goes == (HOME, "key-bucket/9")
    assert not model.ask("late", "late", "x/2").granted


def test_what_nobody_names_goes_before_anybody_gives_way(model: Model) -> None:
    for number in range(10):
        model.ask("greedy", HOME, f"bucket/{number}")
    model.named.forget("greedy-bucket/7")
    assert model.room.expire(0.0, 60.0) == []
    assert model.ask("greedy", HOME, "bucket/more").goes == (HOME, "key-bucket/7")
    assert model.room.expire(100.0, 60.0) == []


def test_who_uses_what_another_one_asked_for_is_charged_once_that_one_is_gone(model: Model) -> None:
    model.ask("first", HOME, "bucket/k")
    model.named.see(reader("second", "s", "bucket/k"))
    assert [model.room.count_of(one) for one in ("first", "second")] == [1, 0]
    model.named.forget("first-bucket/k")
    model.room.expire(0.0, 60.0)
    assert [model.room.count_of(one) for one in ("first", "second")] == [0, 1]


@given(
    st.lists(st.tuples(st.sampled_from(NAMESPACES), st.booleans(), st.integers(0, 30), st.booleans()), max_size=80),
    st.integers(4, 12),
)
def test_whoever_has_less_than_its_share_gets_room_unless_all_is_shared(
    steps: list[tuple[str, bool, int, bool]], limit: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "LIMIT", limit)
        model = Model()
        for namespace, is_private, number, comes in steps:
            urn = f"bucket/{number}"
            home = namespace if is_private else HOME
            if not comes:
                model.named.forget(f"{namespace}-{urn}")
                model.room.expire(0.0, 1.0)
                continue
            has, share = model.room.count_of(namespace), model.room.share(namespace)
            before = {place: (model.room.urn(place) or "") for place in list(model.room._urns)}
            if (home, f"key-{urn}") in before:
                continue
            answer = model.ask(namespace, home, urn)
            if answer.goes is not None:
                users = model.named.users(before[answer.goes])
                is_idle = not model.named.is_used(answer.goes[0], before[answer.goes])
                assert is_idle or answer.goes[0] != HOME or len(users) == 1, "others use it"
                assert is_idle or has < share
            if has < share and not answer.granted:
                alone = [
                    place for place, what in before.items()
                    if model.room.count_of(model.room._charged[place]) > share
                    and (place[0] != HOME or len(model.named.users(what)) < 2)
                ]  # fmt: skip
                assert not alone
            assert len(model.room) <= limit
            charged = collections.Counter(model.room._charged.values())
            assert {one: len(of) for one, of in model.room._of.items()} == charged


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans(), st.booleans()), max_size=60))
def test_who_names_what_equals_a_recount(steps: list[tuple[int, int, bool, bool]]) -> None:
    named = mentions.Mentions(HOME)
    pods: dict[str, tuple[str, str, bool]] = {}
    for uid, number, comes, at_home in steps:
        namespace = HOME if at_home else f"ns{uid % 2}"
        key = f"u{uid}"
        if comes:
            if key in pods:
                namespace = pods[key][0]
            named.see(reader(namespace, key, f"bucket{number}/k", node="n" if number == 3 else ""))
            pods[key] = (namespace, f"bucket{number}/k", number != 3)
        else:
            named.forget(key)
            pods.pop(key, None)
    for number in range(4):
        urn = f"bucket{number}/k"
        users = {namespace for namespace, what, _ in pods.values() if what == urn}
        assert named.users(urn) == users
        assert named.is_used(HOME, urn) is bool(users)
        for namespace in ("ns0", "ns1"):
            assert named.is_used(namespace, urn) is (namespace in users)
            assert named.is_bucket_used(namespace, f"bucket{number}") is (namespace in users)
    assert {one.uid for one in named.pending()} == {uid for uid, (_, _, waits) in pods.items() if waits}
    named.keep(lambda _: False)
    assert not named._readers
    assert not named._producers
    assert not named._buckets


async def test_one_namespaces_jobs_keep_nobody_elses_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerk, "CAPACITY", 10)
    writer = clerk.Clerk(metrics.Metrics("test"), builders.Clock())
    done: list[str] = []

    def job(name: str, fails: int = 0) -> clerk.Job:
        left = [fails]

        async def work() -> None:
            if left[0]:
                left[0] -= 1
                raise errors.UnreachableError(0, "x", "x")
            done.append(name)

        return work

    monkeypatch.setattr(clerk, "RETRY_S", 0.0)
    for number in range(12):
        writer.ask((f"g{number}",), job(f"g{number}"), group="greedy")
    assert writer.dropped == 2
    for number in range(2):
        writer.ask((f"a{number}",), job(f"a{number}", fails=number), group="a")
    assert writer.dropped == 4, "the greedy one loses, not who came later"
    writer.ask(("g0",), job("again"), group="greedy")
    working = asyncio.create_task(writer.run())
    await server.until(lambda: len(done) == 10)
    assert done[:4] == ["again", "a0", "g1", "g2"], "a1 is tried again in its turn"
    assert done[4:] == ["a1", "g3", "g4", "g5", "g6", "g7"]
    working.cancel()
    await asyncio.wait([working])
