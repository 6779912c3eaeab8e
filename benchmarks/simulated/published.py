"""What the earlier implementation published of itself and of kube-scheduler on its six nodes.

Source: davidandw190/data-locality-scheduler, benchmarks/simulated/results, run 0596719c of 2025-06-04. What its report
does not tell of the whole follows from the placements that it lists, by the formulas of `measures`.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Run(NamedTuple):
    """A workload under one scheduler: scores and shares 0..1, megabytes of 2**20 bytes."""

    data_locality_score: float
    weighted_score: float
    size_weighted_score: float
    local_data_share: float
    cross_region_share: float
    network_mb: float


class Whole(NamedTuple):
    """Of all workloads, as text; "" where it is not known."""

    cross_region_mb: str = ""
    transfer_s: str = ""
    preferences: str = ""


EARLIER_WHOLE: Final = Whole("360", "29.1", "32 of 34")
EARLIER: Final = {
    "stream-processing-pipeline": Run(0.6667, 0.8333, 0.8209, 0.642, 0.000, 120),
    "etl-pipeline": Run(0.7333, 0.8000, 0.7836, 0.711, 0.144, 260),
    "image-processing-pipeline": Run(0.7143, 0.7500, 0.8730, 0.871, 0.125, 160),
    "cross-region-data-processing": Run(0.5455, 0.6818, 0.7956, 0.665, 0.074, 340),
    "edge-to-cloud-pipeline": Run(0.7500, 0.8750, 0.8889, 0.778, 0.000, 10),
}
KUBE_SCHEDULER: Final = {
    "stream-processing-pipeline": Run(0.3333, 0.3750, 0.3657, 0.328, 0.597, 225),
    "etl-pipeline": Run(0.2000, 0.3667, 0.4218, 0.289, 0.445, 641),
    "image-processing-pipeline": Run(0.3571, 0.4286, 0.3831, 0.375, 0.609, 775),
    "cross-region-data-processing": Run(0.4545, 0.5455, 0.2980, 0.261, 0.665, 750),
    "edge-to-cloud-pipeline": Run(0.0000, 0.0000, 0.0000, 0.000, 1.000, 45),
}
