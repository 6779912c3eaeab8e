"""The processors: model, physical cores, threads, clock rate and vector instructions, from /proc/cpuinfo and sysfs."""

from __future__ import annotations

import pathlib
import re
from typing import Final

from daemon.facts import files
from scheduler.api import crd

# The instruction sets that a workload is built for; the other hundred flags tell of the kernel's business.
_FEATURE: Final = re.compile(r"(avx|amx|sve|asimd|neon)\w*|sme\d*")
_MAX_FEATURES: Final = 64  # the schema's bound


def read(root: pathlib.Path) -> crd.Cpu:
    blocks = [files.pairs(block.splitlines(), ":") for block in files.text(root / "proc/cpuinfo").split("\n\n")]
    processors = [block for block in blocks if "processor" in block]
    models = (block.get("model name") or block.get("Model", "") for block in blocks)
    flags = {flag for block in processors for key in ("flags", "Features") for flag in block.get(key, "").split()}
    return crd.Cpu(
        model=next((model for model in models if model), "")[:256],
        cores=_cores(root, processors),
        threads=len(processors),
        frequency_mhz=_frequency_mhz(root, processors),
        features=tuple(sorted(flag[:32] for flag in flags if _FEATURE.fullmatch(flag))[:_MAX_FEATURES]),
    )


def _cores(root: pathlib.Path, processors: list[dict[str, str]]) -> int:
    """Distinct cores of all packages; sysfs first, for /proc/cpuinfo tells nothing of them on ARM."""
    topologies = files.entries(root / "sys/devices/system/cpu", "cpu[0-9]*/topology")
    cores = {(files.text(one / "physical_package_id"), files.text(one / "core_id")) for one in topologies}
    cores = cores or {(one.get("physical id", ""), one["core id"]) for one in processors if "core id" in one}
    return len([core for _, core in cores if core])


def _frequency_mhz(root: pathlib.Path, processors: list[dict[str, str]]) -> int:
    """The highest rate any core can have; a machine without frequency scaling (a virtual one) tells its only one."""
    policies = files.entries(root / "sys/devices/system/cpu", "cpu[0-9]*/cpufreq/cpuinfo_max_freq")
    fastest_khz = max((files.number(policy) or 0 for policy in policies), default=0)
    if fastest_khz:
        return fastest_khz // 1000
    rates = [one["cpu MHz"] for one in processors if re.fullmatch(r"\d+(\.\d+)?", one.get("cpu MHz", ""))]
    return round(max(map(float, rates), default=0.0))
