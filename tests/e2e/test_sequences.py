"""What wakes whom, and who goes first, is as with kube-scheduler: one script for both, each on its own API server.

More scripts: `make sequences COUNT=20 SEED=1`.
"""

from __future__ import annotations

import pytest

from tests import clusterfixture
from tests.parity.sequences import compare, scripts

pytestmark = pytest.mark.e2e

SEED = 5  # a script in which much is woken, for each reason that there is
LENGTH = 12


def test_both_try_the_same_pods_after_every_step_and_tell_them_the_same(
    cluster_factory: clusterfixture.ClusterFactory,
) -> None:
    script = scripts.draw(SEED, LENGTH)
    outcome = compare.run(lambda: cluster_factory(compare.NO_NODES), script)
    assert outcome.difference == "", f"{compare.shown(script, outcome.steps)}\n{outcome.difference}"
    assert outcome.steps == LENGTH, "nodes were made so that no two are as good for any pod"
