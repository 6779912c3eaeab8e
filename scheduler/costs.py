"""What costs are reckoned by: the weights of the criteria, and links between nodes until they have been measured."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Weights:
    """What the five criteria count in one profile. Only their proportions matter; they need not add up to 1."""

    resources: float
    """``resource``: how much room a node has and how evenly it is used, by kube-scheduler's scores."""

    affinity: float
    """``affinity``: how well a node suits taints, affinities and spread, by kube-scheduler's scores."""

    node_type: float
    """``nodeType``: whether a node is of the type, edge or cloud, that the pod prefers."""

    capability: float
    """``capabilities``: the share of the capabilities that the pod prefers."""

    data: float
    """``dataLocality``: the seconds of the pod's transfers, as far as ``tau``."""


@dataclasses.dataclass(frozen=True)
class Profiles:
    """The weights of each kind of pod; the defaults are the earlier implementation's constants."""

    default: Weights = Weights(resources=0.15, affinity=0.10, node_type=0.15, capability=0.10, data=0.50)
    """Pods that are neither of the two below."""

    data_intensive: Weights = Weights(resources=0.10, affinity=0.05, node_type=0.05, capability=0.05, data=0.75)
    """Pods whose transfers take longer than their work."""

    compute_intensive: Weights = Weights(resources=0.40, affinity=0.15, node_type=0.10, capability=0.15, data=0.20)
    """Pods whose work takes longer than their transfers."""


@dataclasses.dataclass(frozen=True)
class Link:
    """What a transfer between two nodes is assumed to meet until the path has been measured."""

    bandwidth_bytes_per_s: int
    latency_s: float


@dataclasses.dataclass(frozen=True)
class Network:
    """The links by how far apart two nodes are; the defaults are the earlier implementation's constants."""

    local: Link = Link(bandwidth_bytes_per_s=1_000_000_000, latency_s=0.0001)
    """A store on the node itself."""

    same_zone: Link = Link(bandwidth_bytes_per_s=500_000_000, latency_s=0.001)
    """Two nodes of one zone."""

    same_region: Link = Link(bandwidth_bytes_per_s=200_000_000, latency_s=0.005)
    """Two zones of one region."""

    cross_region: Link = Link(bandwidth_bytes_per_s=50_000_000, latency_s=0.030)
    """Two regions."""

    edge_cloud: Link = Link(bandwidth_bytes_per_s=25_000_000, latency_s=0.040)
    """An edge node and a cloud node, either way."""
