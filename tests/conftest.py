"""What every test shares: hypothesis profiles, a seed that is always printed, real control planes.

Hypothesis draws the same examples on every run, so that none passes or fails by luck: the header names the seed, which
`--hypothesis-seed=N` sets. HYPOTHESIS_PROFILE chooses a profile: `dev` (default, and CI's) or `explore` (ten times as
many and more, fresh on every run; `make explore`). What a run printed repeats a failure: the seed, and the failing
example's own blob.
"""

from __future__ import annotations

import gc
import logging
import random
import typing
from collections.abc import Iterator, Mapping

import hypothesis
import pytest
import structlog

from localcluster import cluster, topology
from tests import eventloop, exploring

if typing.TYPE_CHECKING:  # pytest loads it as a plugin, and wants to be the first to do so
    from tests import clusterfixture

pytest_plugins = ["tests.clusterfixture"]

# Examples are never timed, nor is how they are drawn: a slow example on a busy machine is no defect.
untimed = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True)
hypothesis.settings.register_profile("dev", untimed, max_examples=100, derandomize=False)  # as the seed does that
hypothesis.settings.register_profile("explore", untimed, max_examples=1000, derandomize=False)
hypothesis.settings.load_profile(exploring.PROFILE)


SEED = 1


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Before hypothesis' own plugin reads the option: where none was given, one is drawn here so that it can be shown.
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.randrange(2**32) if exploring.IS_ON else SEED)


def pytest_report_header(config: pytest.Config) -> str:
    return f"hypothesis seed: {config.option.hypothesis_seed} (repeat with --hypothesis-seed)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if exploring.IS_ON:
        for item in items:
            item.add_marker(pytest.mark.timeout(0), append=False)


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
def logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that a test calls in this process sets up logging for the process, and for the tests after it.

    Loggers must not keep what they found at their first line, for a process of tests has many standard errors.
    """
    keeping = structlog.configure
    monkeypatch.setattr(structlog, "configure", lambda **given: keeping(**given | {"cache_logger_on_first_use": False}))
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
