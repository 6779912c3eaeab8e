"""The criteria of the weighted sum, one a module: four utilities in 0..1, and the data criterion in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

RESOURCES: Final = "resources"
AFFINITY: Final = "affinity"
NODE_TYPE: Final = "nodeType"
CAPABILITY: Final = "capability"
DATA: Final = "data"


@dataclass(frozen=True, slots=True)
class Term:
    """A criterion's weight and its utility (0..1) on each feasible node."""

    weight: float
    utility: NDArray[np.float64]

    @property
    def cost(self) -> NDArray[np.float64]:
        """What the criterion adds to each node's cost."""
        return self.weight * (1.0 - self.utility)
