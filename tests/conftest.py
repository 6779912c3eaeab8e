"""What every test shares: hypothesis profiles, a seed that is always printed, real control planes.

Hypothesis draws fresh examples on every run (derandomised runs find nothing new after the first), so a failure must be
repeatable from what the run printed: the header names the seed, `--hypothesis-seed=N` sets it again, and a failing
example comes with its own blob. HYPOTHESIS_PROFILE chooses a profile: `dev` (default), `ci` (more examples; chosen by
itself where CI is set), `deep` (for a night).
"""

from __future__ import annotations

import gc
import logging
import os
import random
import typing
from collections.abc import Iterator, Mapping

import hypothesis
import pytest
import structlog

from localcluster import cluster, topology
from tests import eventloop

if typing.TYPE_CHECKING:  # pytest loads it as a plugin, and wants to be the first to do so
    from tests import clusterfixture

pytest_plugins = ["tests.clusterfixture"]

# Examples are never timed, nor is how they are drawn: a slow example on a busy machine is no defect.
untimed = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True)
hypothesis.settings.register_profile("dev", untimed, max_examples=100)
hypothesis.settings.register_profile("ci", untimed, derandomize=False, max_examples=200)
hypothesis.settings.register_profile("deep", untimed, max_examples=10_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Before hypothesis' own plugin reads the option: where none was given, one is drawn here so that it can be shown.
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.randrange(2**32))


def pytest_report_header(config: pytest.Config) -> str:
    return f"hypothesis seed: {config.option.hypothesis_seed} (repeat with --hypothesis-seed)"


def pytest_asyncio_loop_factories() -> Mapping[str, type[eventloop.Loop]]:
    return {"tests": eventloop.Loop}


def pytest_collection_finish() -> None:
    # What is there before the first test stays: it need not be looked through whenever garbage is collected.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open() -> Iterator[None]:
    """What a file's tests left open is told at its end, not in whatever test garbage is collected in next."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that a test calls in this process sets up logging for the process, and for the tests after it."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    if structlog.get_config() != configured:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture(scope="session")
def bare_cluster(cluster_factory: clusterfixture.ClusterFactory) -> Iterator[cluster.Cluster]:
    """A control plane with our CRDs and without nodes: for what the API server alone decides, away from other tests."""
    with cluster_factory(topology.Topology(nodes=()), crds=True) as running:
        yield running
