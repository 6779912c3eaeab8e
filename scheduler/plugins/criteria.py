"""The criteria of the weighted sum, by the names under which they are explained."""

from __future__ import annotations

from typing import Final

RESOURCES: Final = "resources"
AFFINITY: Final = "affinity"
NODE_TYPE: Final = "nodeType"
CAPABILITY: Final = "capability"
DATA: Final = "data"
AHEAD: Final = "ahead"  # the data of those who read what the pod writes; counts with the weight of data
