"""What every test shares: hypothesis profiles and a seed that is always printed.

Hypothesis draws fresh examples on every run (derandomised runs find nothing new after the first), so a failure must be
repeatable from what the run printed: the header names the seed, `--hypothesis-seed=N` sets it again, and a failing
example comes with its own blob. HYPOTHESIS_PROFILE chooses a profile: `dev` (default), `ci` (more examples; chosen by
itself where CI is set), `deep` (for a night).
"""

import os
import random

import hypothesis
import pytest

# Examples are never timed: a slow example on a busy machine is no defect.
hypothesis.settings.register_profile("dev", deadline=None, print_blob=True, max_examples=100)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=False, max_examples=200)
hypothesis.settings.register_profile("deep", deadline=None, print_blob=True, max_examples=10_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Before hypothesis' own plugin reads the option: where none was given, one is drawn here so that it can be shown.
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.randrange(2**32))


def pytest_report_header(config: pytest.Config) -> str:
    return f"hypothesis seed: {config.option.hypothesis_seed} (repeat with --hypothesis-seed)"
