"""What can go wrong with a local cluster, beyond bad input (scheduler.errors.InputError) and API errors (ApiError).

LocalityError
└── ClusterError        a process did not start, ended, or is not there; the message has the end of its log
    └── BinariesError   the programs can neither be found nor be built on this machine
"""

from __future__ import annotations

from scheduler import errors


class ClusterError(errors.LocalityError):
    """A local cluster cannot be started, found or used."""


class BinariesError(ClusterError):
    """The programs of the control plane can neither be found nor be built here."""
