"""Plugins from outside: which installed packages bring some, by the names under which a configuration asks for them.

A package announces a plugin as an entry point of the group below; docs/extending.md tells the rest. Nothing of it is
imported here: a configuration is read without running anybody's code.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Mapping
from typing import Final

GROUP: Final = "data_locality_scheduler.plugins"


@functools.cache
def installed() -> Mapping[str, importlib.metadata.EntryPoint]:
    """The plugins that installed packages announce, by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
