"""Plugins from outside (scheduler.extensions), made to fail like any other part of a decision.

An entry point gives a contract.Filter or a contract.Score, or several of them as a tuple; each has the name of the
entry point. What their functions raise, or give that cannot be used, becomes a PluginError with the plugin's name: that
pod stays pending with these words, and all else goes on.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from scheduler import config, errors, extensions
from scheduler.plugins import contract
from scheduler.state import snapshot

Filter = contract.Filter[Any, Any]
Score = contract.Score[Any, Any]


class Extension(NamedTuple):
    """What a plugin from outside consists of."""

    filters: tuple[Filter, ...]
    scores: tuple[Score, ...]


@functools.cache
def load(name: str) -> Extension:
    """A plugin by its name.

    Raises:
        InputError: no package brings it, or what it brings is none.
    """
    point = extensions.installed().get(name)
    if point is None:
        raise errors.InputError("plugin", name, "no installed package brings it; install it, or leave the plugin out")
    try:
        found = point.load()
    except Exception as error:
        remedy = f"cannot be imported ({type(error).__name__}: {error}); repair or remove its package"
        raise errors.InputError("plugin", name, remedy) from error
    parts = found if isinstance(found, tuple) else (found,)
    for part in parts:
        if not isinstance(part, contract.Filter | contract.Score) or part.name != name:
            remedy = f"{point.value} has to be Filters and Scores of scheduler.plugins.contract with that name"
            raise errors.InputError("plugin", name, remedy)
    return Extension(
        filters=tuple(_filter(part) for part in parts if isinstance(part, contract.Filter)),
        scores=tuple(_score(part) for part in parts if isinstance(part, contract.Score)),
    )


def check(settings: config.Settings) -> config.Settings:
    """The settings, if all plugins from outside that they name can be had.

    Raises:
        InputError: one cannot.
    """
    for plugins in (settings.plugins, *(profile.plugins for profile in settings.further)):
        for name in plugins.extensions:
            load(name)
    return settings


def _filter(plugin: Filter) -> Filter:
    def rows(asked: Any, view: snapshot.Snapshot) -> contract.Verdict | None:  # noqa: ANN401 (the plugin's own)
        verdict = plugin.rows(asked, view)
        if verdict is not None and not len(verdict.code) == len(verdict.reason) == view.size:
            raise ValueError(f"{len(verdict.code)} codes for {view.size} slots")
        return verdict

    return dataclasses.replace(plugin, rows=_contained(plugin.name, rows), **_guarded(plugin, _OF_FILTERS))


def _score(plugin: Score) -> Score:
    def raws(asked: Any, view: snapshot.Snapshot) -> contract.Ints:  # noqa: ANN401 (likewise)
        found = plugin.raws(asked, view)
        if len(found) != view.size:
            raise ValueError(f"{len(found)} scores for {view.size} slots")
        return found

    return dataclasses.replace(plugin, raws=_contained(plugin.name, raws), **_guarded(plugin, _OF_SCORES))


_OF_FILTERS = ("resolve", "cell", "wakes", "touched", "eases", "narrows")
_OF_SCORES = ("resolve", "raw", "touched")


def _guarded(plugin: Filter | Score, fields: tuple[str, ...]) -> dict[str, Any]:
    """The functions of a plugin, contained, but for those that it has not got."""
    given = {field: getattr(plugin, field) for field in fields}
    guarded = {field: _contained(plugin.name, one) for field, one in given.items() if one is not None}
    return guarded | {"compile": _contained(plugin.name, _hashed(plugin.compile))}


def _hashed(compile_pod: Callable[..., Any]) -> Callable[..., Any]:
    """Rows are kept by what is read of a pod, so that it is found out at once if it cannot be."""

    def read(*given: object) -> Hashable:
        found = compile_pod(*given)
        hash(found)
        return found  # type: ignore[no-any-return]

    return read


def _contained(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def guarded(*given: object) -> Any:  # noqa: ANN401 (whatever the function gives)
        try:
            return function(*given)
        except Exception as defect:
            raise errors.PluginError(name, defect) from defect

    return guarded
