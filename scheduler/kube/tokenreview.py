"""Asks the API server whose token it is that somebody showed us, for an audience that makes it useless elsewhere."""

from __future__ import annotations

from typing import Final

import msgspec

from scheduler.api import core
from scheduler.kube import client

_PATH: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
_DEADLINE_S: Final = 5.0  # whoever showed it waits at our door


class User(msgspec.Struct, frozen=True):
    """Whose token it is."""

    username: str = ""


class _Status(msgspec.Struct):
    authenticated: bool = False
    audiences: list[str] = []
    user: User = User()


class _Review(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


async def review(api: client.Api, token: str, audience: str) -> User | None:
    """Whose token it is; None where it is nobody's, no longer valid, or for another audience.

    Raises:
        ApiError: the API server did not tell.
        InputError: its answer is none.
    """
    body = msgspec.json.encode({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [audience]},
    })  # fmt: skip
    status = core.decode(await api.post(_PATH, body, deadline_s=_DEADLINE_S), _Review, "TokenReview").status
    # A server that knows nothing of audiences leaves them empty, and has then not checked ours.
    return status.user if status.authenticated and audience in status.audiences else None
