"""Which stores this node has, as far as the cluster's side is known, and which it may have all the same.

The rule itself is daemon.stores.discovery's. Here stands what is left out of it: a store of which something that
decides cannot be read (for whom it speaks, which node asks it) is neither taken up nor given up, and a Service at
which the looking breaks breaks it for no other one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from daemon import config
from daemon.cluster import doubt, knowledge
from daemon.stores import addresses, discovery, model, services
from scheduler.api import core, storage
from scheduler.kube import mishaps


class Finder:
    """Looks at what ``cluster`` knows.

    Args:
        home: The namespace whose stores speak for everybody.
        host_root: Where the node's file system is, unless the configuration says it.
        api_addresses: The API server's.
    """

    def __init__(
        self,
        cluster: knowledge.Cluster,
        failures: mishaps.Mishaps,
        *,
        home: str,
        host_root: str,
        api_addresses: frozenset[addresses.Address],
    ) -> None:
        self._cluster = cluster
        self._failures = failures
        self._home = home
        self._host_root = host_root
        self._api_addresses = api_addresses
        self._doubt = doubt.NOTHING_KNOWN
        self._broken: set[str] = set()  # Services that cannot be looked at, by the names of their stores

    def find(self, node: core.Node, settings: config.Settings) -> tuple[model.Store, ...]:
        """The stores of ``node``; what bears on them is looked after from now on."""
        self._broken.clear()
        self._cluster.ask_for(discovery.fellows(node, settings))
        pods: dict[str, list[core.Pod]] = {}
        for pod in self._cluster.pods:
            pods.setdefault(pod.metadata.namespace, []).append(pod)
        serving = [one for one in self._cluster.services if self._serves(one, pods.get(one.metadata.namespace, ()))]
        self._cluster.attend({service.metadata.namespace for service in serving})
        self._doubt = self._cluster.doubt()
        fellows = self._cluster.fellows
        if fellows is None:  # nobody knows whether it is this node that asks
            inside = tuple(entry for entry in settings.stores if entry.store.place is None)
            settings = dataclasses.replace(settings, stores=inside)
        seen = discovery.Cluster(
            node,
            # Nobody knows for whom the others speak.
            [one for one in serving if one.metadata.namespace == self._home or self._cluster.knows_shared],
            list(self._cluster.pods),
            self._cluster.volumes,
            fellows or [],
            self._cluster.shared_namespaces | {self._home},
            self._api_addresses,
        )
        return discovery.find(seen, settings, host_root=self._host_root)

    def is_open(self, store: str) -> bool:
        """Whether a store may be there, though ``find`` did not find it."""
        return store in self._broken or self._doubt.covers(store)

    def _serves(self, service: storage.Service, pods: Iterable[core.Pod]) -> bool:
        """Whether a Service may be a store of this node."""
        name = f"{service.metadata.namespace}/{service.metadata.name}"
        serves = False
        self._broken.add(name)
        with self._failures.contained("stores", of=name):
            if any(services.serves(pod, service) for pod in pods):
                services.discover([service], pods)
                serves = True
            self._broken.discard(name)
        return serves
