"""The scheduler's and the daemons' configuration files, read as these read them when they start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from daemon import config as daemon
from scheduler import config as scheduler
from scheduler import errors, kubeconfiguration
from scheduler.api import names

Reader = Literal["scheduler", "daemon"]

# The ConfigMaps of manifests/base, whose names may have a hash at their end, and those of the earlier implementation.
CONFIG_MAPS: Final[dict[str, Reader]] = {
    f"{names.SCHEDULER_NAME}-config": "scheduler",
    "data-locality-daemon-config": "daemon",
}
_WHERE: Final = "file"
_UNKNOWN: Final = "unknown key"


def of_config_map(name: str) -> Reader | None:
    """Who reads a ConfigMap of that name."""
    return next((reader for known, reader in CONFIG_MAPS.items() if name.startswith(known)), None)


def of_file(data: Mapping[str, Any]) -> Reader | None:
    """Whose configuration a file is that is no manifest; None where it is nobody's.

    It is whose who knows most of its keys, and at least half of them, or would know what each is meant to be.
    """
    if data.get("kind") == kubeconfiguration.KIND:
        return "scheduler"
    if "apiVersion" in data or not data:
        return None
    unknown: dict[Reader, int] = {}
    for reader in _READERS:
        found = [error for error in problems(data, reader) if error.remedy.startswith(_UNKNOWN)]
        found = [error for error in found if error.where in data]
        guessed = all("did you mean" in error.remedy for error in found)
        unknown[reader] = 0 if len(found) == len(data) and guessed else len(found)
    reader = min(unknown, key=lambda one: unknown[one])
    return reader if 2 * unknown[reader] <= len(data) and (unknown[reader] < len(data)) else None


def problems(data: Mapping[str, Any], reader: Reader) -> tuple[errors.InputError, ...]:
    """What is wrong with a configuration, by the paths of its keys."""
    try:
        _READERS[reader](data)
    except errors.InputError as error:
        return tuple(
            one.at(one.where.removeprefix(f"{_WHERE}: ").removeprefix(_WHERE)) for one in error.parts or (error,)
        )
    return ()


def ignored(data: Mapping[str, Any], reader: Reader) -> Mapping[str, str]:
    """The keys that are accepted and have no effect, each with the reason, beside what is refused."""
    if reader == "daemon":
        return {}
    refused = [error.where for error in problems(data, reader)]
    good = {key: value for key, value in data.items() if not any(_is_within(where, key) for where in refused)}
    try:
        return scheduler.parse(good, _WHERE).ignored
    except errors.InputError:
        return {}


def _is_within(where: str, key: str) -> bool:
    return where.startswith(key) and where[len(key) : len(key) + 1] in {"", ".", "["}


_READERS: Final[dict[Reader, Callable[[Mapping[str, Any]], object]]] = {
    "scheduler": lambda data: scheduler.parse(data, _WHERE),
    "daemon": lambda data: daemon.parse(data, _WHERE),
}
