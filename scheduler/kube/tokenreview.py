"""Asks the API server whose token it is that somebody showed us, and what that user may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from scheduler.api import core
from scheduler.kube import client

_TOKENS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
_RIGHTS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_DEADLINE_S: Final = 5.0  # whoever showed it waits at our door


class User(msgspec.Struct, frozen=True):
    """Whose token it is; ``extra`` names the pod and the node of a pod's ServiceAccount."""

    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class _Status(msgspec.Struct):
    authenticated: bool = False
    audiences: list[str] = []
    user: User = User()


class _Review(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


class _Verdict(msgspec.Struct):
    allowed: bool = False


class _Access(msgspec.Struct):
    status: _Verdict = msgspec.field(default_factory=_Verdict)


async def review(api: client.Api, token: str, audience: str = "") -> User | None:
    """Whose token it is; None where it is nobody's, no longer valid, or for another audience.

    Args:
        audience: One that makes the token useless elsewhere; "" for the API server's own, as its clients' tokens have.

    Raises:
        ApiError: the API server did not tell.
        InputError: its answer is none.
    """
    spec = {"token": token, "audiences": [audience]} if audience else {"token": token}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    answer = await api.post(_TOKENS, msgspec.json.encode(body), deadline_s=_DEADLINE_S, fenced=False)
    status = core.decode(answer, _Review, "TokenReview").status
    # A server that knows nothing of audiences leaves them empty, and has then not checked ours.
    return status.user if status.authenticated and (not audience or audience in status.audiences) else None


async def may(api: client.Api, user: User, **attributes: Mapping[str, str]) -> bool:
    """Whether a user has a right, given as ``resourceAttributes`` or ``nonResourceAttributes`` of the API.

    Raises:
        ApiError: the API server did not tell.
        InputError: its answer is none.
    """
    spec = {"user": user.username, "uid": user.uid, "groups": user.groups, "extra": user.extra, **attributes}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = await api.post(_RIGHTS, msgspec.json.encode(body), deadline_s=_DEADLINE_S, fenced=False)
    return core.decode(answer, _Access, "SubjectAccessReview").status.allowed
