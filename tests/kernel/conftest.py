"""A bare kernel, the whole of which is looked through when a test is done with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scheduler.kernel import kernel, validation
from tests.kernel import running


@pytest.fixture
def bare() -> Iterator[running.Bare]:
    bare = running.Bare(kernel.Kernel(running.SETTINGS, "home", seed=1))
    yield bare
    validation.check(bare.kernel)
