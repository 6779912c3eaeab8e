"""Where a DataObject is: its namespace and name, and its path in the API."""

from __future__ import annotations

import math
from typing import Final

from scheduler.api import crd, names

READY: Final = "Ready"  # the condition by which daemons say whether any store has it

UNKNOWN: Final = math.inf

Place = tuple[str, str]  # namespace and name


def path(namespace: str, name: str = "") -> str:
    """The API path of a DataObject, or of those of a namespace."""
    found = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.DATA_OBJECTS}"
    return f"{found}/{name}" if name else found


def version(obj: crd.DataObject) -> float:
    """Where in the order of versions an object is; the API server counts them."""
    found = obj.metadata.resource_version
    return float(found) if found.isdecimal() else UNKNOWN
