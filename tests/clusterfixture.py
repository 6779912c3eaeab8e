"""Real control planes for tests, as a pytest plugin over `localcluster`.

`control_plane` is one cluster for the whole run, with our CRDs: tests share it, so each works in its own namespace.
`cluster_factory` starts further ones, for tests that break theirs or need other nodes or stores.

A run on a machine where the programs can neither be found nor built skips these tests, and says why; any other failure
to start is a failure of the test.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import pytest

from localcluster import cluster, errors, topology

CRDS = pathlib.Path(__file__).parent.parent / "crds"


class ClusterFactory(Protocol):
    """Starts a cluster; use it with ``with``, else it stays until the end of the run."""

    def __call__(
        self,
        wanted: topology.Topology | None = None,
        *,
        kube_scheduler: bool = False,
        knative: bool = False,
        crds: bool = False,
        apiserver_arguments: Sequence[str] = (),
    ) -> cluster.Cluster: ...


@pytest.fixture(scope="session")
def cluster_factory(pytestconfig: pytest.Config) -> Iterator[ClusterFactory]:
    """A function that starts clusters; what still runs at the end of the run is stopped then."""
    started: list[cluster.Cluster] = []

    def start(
        wanted: topology.Topology | None = None,
        *,
        kube_scheduler: bool = False,
        knative: bool = False,
        crds: bool = False,
        apiserver_arguments: Sequence[str] = (),
    ) -> cluster.Cluster:
        try:
            running = cluster.start(
                wanted,
                kube_scheduler=kube_scheduler,
                knative=knative,
                apiserver_arguments=apiserver_arguments,
                report=functools.partial(_show, pytestconfig),
            )
        except errors.BinariesError as error:
            pytest.skip(f"no control plane on this machine: {error}")
        started.append(running)
        if crds:
            running.apply(CRDS)
        return running

    yield start
    for running in started:
        running.stop()


@pytest.fixture(scope="session")
def control_plane(cluster_factory: ClusterFactory) -> cluster.Cluster:
    """The cluster that the tests of a run share: the edge-cloud topology, with our CRDs."""
    return cluster_factory(crds=True)


def _show(config: pytest.Config, message: str) -> None:
    # Past the capturing: a first build takes minutes, and a silent test run looks as if it hung.
    capture = config.pluginmanager.getplugin("capturemanager")
    show: Callable[[], None] = functools.partial(print, message, flush=True)
    if capture is None:
        show()
        return
    with capture.global_and_fixture_disabled():
        show()
