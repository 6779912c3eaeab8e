"""Plugins from outside: found by name, asked like any other, and when one of them trips, it costs its pods alone."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import pathlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from scheduler import config, errors, extensions, watchedfile
from scheduler.api import core
from scheduler.kernel import asking, commands, events, kernel, places
from scheduler.offline import door
from scheduler.plugins import contract, extending
from scheduler.plugins import events as changed
from scheduler.state import changes
from tests.kernel import running
from tests.kernel.running import node, pod

NAME = "Odd"
PROFILE = {"profiles": [{"extensions": [{"name": NAME, "weight": 3}]}]}
REFUSAL = contract.Refusal(contract.Code.UNRESOLVABLE, ("node(s) were odd",))


def filter_of(**functions: Any) -> contract.Filter[Any, Any]:
    """A filter that refuses node ``n1`` to pods with a label, with other functions where they are given."""
    given: dict[str, Any] = {
        "compile": lambda asked, _: True if "odd" in asked.pod.metadata.labels else None,
        "rows": lambda _, view: contract.refuse(np.array([name == "n1" for name in view.names]), REFUSAL),
        "cell": lambda _, view, slot, __: REFUSAL if view.names[slot] == "n1" else None,
        "wakes": lambda event, _: isinstance(event, changed.NodeChanged),
    }
    return contract.Filter(name=NAME, facets=changes.ALIVE, **(given | functions))


def score_of(**functions: Any) -> contract.Score[Any, Any]:
    """A score that is for node ``n1``."""
    given: dict[str, Any] = {
        "compile": lambda _, __: True,
        "raws": lambda _, view: np.array([100 * (name == "n1") for name in view.names], np.int64),
        "raw": lambda _, view, slot: 100 * (view.names[slot] == "n1"),
    }
    return contract.Score(name=NAME, facets=changes.ALIVE, **(given | functions))


Install = Callable[[Any], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Have a package announce a plugin, or what it says is one."""

    def add(what: Any) -> None:
        module = types.ModuleType("odd_plugin")
        module.PLUGIN = what  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "odd_plugin", module)
        point = importlib.metadata.EntryPoint(NAME, "odd_plugin:PLUGIN", extensions.GROUP)
        monkeypatch.setattr(extensions, "installed", lambda: {NAME: point})
        extending.load.cache_clear()

    yield add
    extending.load.cache_clear()


def started() -> running.Bare:
    """A kernel of which the plugin is asked, with two nodes of which ``n2`` has more room."""
    settings = config.parse(PROFILE, "x", dataclasses.replace(running.SETTINGS, batch_window_s=0.0))
    bare = running.Bare(kernel.Kernel(settings, "home", seed=1))
    bare.nodes(node("n1", cpu="4"), node("n2", cpu="8"))
    return bare


ODD: dict[str, Any] = {"labels": {"odd": "yes"}}


def test_a_filter_refuses_and_a_score_counts(install: Install) -> None:
    install((filter_of(), score_of()))
    bare = started()
    bare.pending(pod("drawn"), pod("refused", **ODD))
    assert running.bound(bare.step()) == {"drawn": "n1", "refused": "n2"}
    [(_, record)] = bare.kernel.journal.of("default/refused")
    assert record.refused == {NAME: 1}


def test_a_score_counts_by_its_weight_among_all_of_kube_schedulers(install: Install) -> None:
    install(score_of())
    by_itself = running.Bare(kernel.Kernel(running.SETTINGS, "home", seed=1))
    by_itself.nodes(node("n1", cpu="4"), node("n2", cpu="8"))
    by_itself.pending(pod("p"))
    assert running.bound(by_itself.step()) == {"p": "n2"}
    bare = started()
    bare.pending(pod("p"))
    assert running.bound(bare.step()) == {"p": "n1"}
    [(_, record)] = bare.kernel.journal.of("default/p")
    assert sum(one.cost for one in record.terms.values()) == pytest.approx(record.cost)


def test_who_is_refused_everywhere_is_told_why_and_woken_by_the_plugin(install: Install) -> None:
    install(filter_of())
    bare = started()
    bare.kernel.handle(events.NodeGone(bare.now_s, "n2"))
    bare.pending(pod("p", **ODD))
    [told] = running.only(commands.Unplaced, bare.step())
    assert "1 node(s) were odd" in told.record.message
    assert bare.place("p") is places.Place.UNSCHEDULABLE
    bare.nodes(node("n3"))
    assert running.bound(bare.later(20)) == {"p": "n3"}


def trips(*_: Any) -> Any:
    raise ZeroDivisionError("of its own")


@pytest.mark.parametrize(
    "plugin",
    [
        pytest.param(filter_of(compile=trips), id="compile"),
        pytest.param(filter_of(rows=trips), id="rows"),
        pytest.param(filter_of(resolve=trips), id="resolve"),
        pytest.param(filter_of(narrows=trips), id="narrows"),
        pytest.param(score_of(compile=trips), id="compile of a score"),
        pytest.param(score_of(raws=trips), id="raws"),
    ],
)
def test_a_pod_over_which_it_trips_waits_with_its_words_and_others_go_on(
    install: Install, plugin: contract.Filter[Any, Any] | contract.Score[Any, Any]
) -> None:
    def of_odd_ones(asked: Any, settings: config.Settings) -> Any:
        return plugin.compile(asked, settings) if "odd" in asked.pod.metadata.labels else None

    install(dataclasses.replace(plugin, compile=of_odd_ones))
    bare = started()
    bare.pending(pod("odd", **ODD), pod("even"))
    given = bare.step()
    assert running.bound(given) == {"even": "n2"}
    [defect] = running.only(commands.Defect, given)
    assert isinstance(defect.bug, errors.PluginError)
    told = [one.record.message for one in running.only(commands.Unplaced, given)]
    assert told == ['running plugin "Odd": ZeroDivisionError: "of its own"']
    assert bare.place("odd") is places.Place.ERROR_BACKOFF


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (filter_of(compile=lambda *_: []), "unhashable"),
        (filter_of(rows=lambda *_: contract.refuse(np.ones(99, np.bool_), REFUSAL)), "99 codes for 2 slots"),
        (score_of(raws=lambda *_: np.zeros(99, np.int64)), "99 scores for 2 slots"),
        (score_of(raws=lambda _, view: np.full(view.size, 999, np.int64)), "invalid score 999"),
    ],
)
def test_what_cannot_be_used_is_told_likewise(install: Install, plugin: Any, words: str) -> None:
    install(plugin)
    bare = started()
    bare.pending(pod("p", **ODD))
    [told] = running.only(commands.Unplaced, bare.step())
    assert words in told.record.message
    assert NAME in told.record.message


def test_a_cell_that_trips_after_the_row_was_made_costs_that_pod(install: Install) -> None:
    install(filter_of(cell=trips))
    bare = started()
    bare.pending(pod("first", **ODD))
    assert running.bound(bare.step()) == {"first": "n2"}
    bare.kernel.handle(events.NodeGone(bare.now_s, "n1"))
    bare.nodes(node("n3", cpu="16"))  # takes its slot
    bare.pending(pod("second", **ODD), pod("even"))
    given = bare.step()
    assert running.bound(given) == {"even": "n3"}
    assert bare.place("second") is places.Place.ERROR_BACKOFF


def test_who_asks_about_a_pod_over_which_it_trips_is_told_so(install: Install) -> None:
    install(filter_of(rows=trips))
    bare = started()
    now = asking.Asking(bare.kernel).about(pod("p", **ODD), asking.Asked(best=3), 1000.0)
    assert (now.outcome, now.message) == (asking.REFUSED, 'running plugin "Odd": ZeroDivisionError: "of its own"')
    line = {"pod": msgspec.to_builtins(pod("p", **ODD)), "nodes": [msgspec.to_builtins(node("n1"))], "config": PROFILE}
    told = msgspec.json.decode(door.answer_line(msgspec.json.encode(line)))
    assert told == {"fault": now.message}


def test_a_hint_that_trips_wakes_the_pod(install: Install) -> None:
    install(filter_of(wakes=trips))
    bare = started()
    bare.kernel.handle(events.NodeGone(bare.now_s, "n2"))
    bare.pending(pod("p", **ODD))
    bare.step()
    bare.nodes(node("n3"))
    assert running.bound(bare.later(20)) == {"p": "n3"}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (7, "has to be Filters and Scores"),
        (dataclasses.replace(filter_of(), name="Other"), "with that name"),
        ((filter_of(), "no plugin"), "has to be Filters and Scores"),
    ],
)
def test_what_is_no_plugin_is_refused_before_anything_is_decided(install: Install, what: Any, words: str) -> None:
    install(what)
    with pytest.raises(errors.InputError, match=words):
        extending.check(config.parse(PROFILE, "x"))


def test_a_package_that_cannot_be_imported_keeps_the_last_good_configuration(
    install: Install, tmp_path: pathlib.Path
) -> None:
    install(filter_of())
    del sys.modules["odd_plugin"].PLUGIN
    file = tmp_path / "config.yaml"
    file.write_text("tau: 3s")
    source = watchedfile.Source(str(file), lambda path: extending.check(config.load(path)), config.Settings())
    file.write_text(f"tau: 4s\nprofiles: [{{extensions: [{{name: {NAME}}}]}}]")
    assert not source.refresh()
    assert (source.settings.tau_s, source.is_good) == (3.0, False)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "Od"}, r"no installed package brings it; there are \['Odd'\]"),
        ({"name": "NodeResourcesFit"}, "this is one of kube-scheduler's"),
        ({"weight": 3}, "missing; write the plugin's name"),
        ({"name": NAME, "weight": -1}, "write a whole number"),
    ],
)
def test_names_and_weights_are_checked_with_the_file(install: Install, entry: dict[str, Any], words: str) -> None:
    install(filter_of())
    with pytest.raises(errors.InputError, match=words):
        config.parse({"profiles": [{"extensions": [entry]}]}, "x")


def test_a_plugin_that_comes_with_a_new_file_decides_from_then_on(install: Install) -> None:
    install(filter_of())
    bare = running.Bare(kernel.Kernel(dataclasses.replace(running.SETTINGS, batch_window_s=0.0), "home", seed=1))
    bare.nodes(node("n1", cpu="8"), node("n2", cpu="4"))
    bare.pending(pod("before", **ODD))
    assert running.bound(bare.step()) == {"before": "n1"}
    bare.kernel.handle(events.SettingsSeen(bare.now_s, config.parse(PROFILE, "x")))
    bare.pending(core.convert(_body(), core.Pod, "after"))
    assert running.bound(bare.later(1)) == {"after": "n2"}


def _body() -> dict[str, Any]:
    return {
        "metadata": {"name": "after", "namespace": "default", "uid": "uid-after", **ODD},
        "spec": {"schedulerName": "data-locality-scheduler", "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Pending"},
    }
