"""Who may send events, and for which namespaces.

A request proves who it is from by a bearer token, of one of two kinds:

- A static token: a file of a directory (a mounted Secret), named after the sender. Stores have such a token in their
  configuration. What they tell of concerns all namespaces, so whoever has one is trusted for all. The files are read
  again when they change; only digests of what is in them stay in memory.
- A ServiceAccount's token for the audience ``data-locality-webhook``, as Knative Eventing sends it. The API server says
  whose it is, and that account speaks for its own namespace only.

What the API server said is remembered for a short while, under the token's digest: a revoked token works for that much
longer. No token is logged, not even in part.
"""

from __future__ import annotations

import asyncio
import collections
import hashlib
import hmac
import pathlib
import re
import time
from typing import Final

import msgspec
import structlog

from scheduler import errors
from scheduler.kube import client, tokenreview
from webhook.events import metrics

log = structlog.get_logger(__name__)

AUDIENCE: Final = "data-locality-webhook"
REREAD_S: Final = 2.0  # as often, at most, the directory is looked at; the kubelet needs a minute to bring a change
MIN_LENGTH: Final = 16  # of a static token; a shorter one is a word that somebody guesses
MAX_LENGTH: Final = 16_384  # of any token
ACCEPTED_S: Final = 60.0
REFUSED_S: Final = 10.0
REMEMBERED: Final = 1_024
REVIEWS: Final = 4  # at once
WAITING: Final = 64  # for a review; further ones are sent away, so that made-up tokens cannot pile up

_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ACCOUNT: Final = re.compile(r"system:serviceaccount:([a-z0-9-]+):[a-z0-9.-]+")


class Sender(msgspec.Struct, frozen=True):
    """Whoever sent a request.

    Attributes:
        name: For people: the token's file, or the account.
        namespaces: Whose consumers it may speak for; None for all.
    """

    name: str
    namespaces: frozenset[str] | None = None

    def may_speak_for(self, namespace: str) -> bool:
        return self.namespaces is None or namespace in self.namespaces


class Refusal(msgspec.Struct, frozen=True):
    """Why a request is not taken: an HTTP status and what to do."""

    status: int
    message: str


_NO_TOKEN: Final = Refusal(401, "no sender; send the header Authorization: Bearer and a token")
_BAD_TOKEN: Final = Refusal(
    401,
    "the token is not known; send one of --events-tokens-dir, or a ServiceAccount's token for the audience " + AUDIENCE,
)
_NO_ACCOUNT: Final = Refusal(403, "the token is no ServiceAccount's; send one of a ServiceAccount")
_BUSY: Final = Refusal(503, "too many tokens are waiting to be checked; send it again later")
_AWAY: Final = Refusal(503, "the API server cannot check the token now; send it again later")


class Senders:
    """Tells who sent a request.

    Args:
        tokens: The directory of static tokens; None where there is none.
        allow_anonymous: Take requests without a token, for all namespaces.
    """

    def __init__(
        self,
        api: client.Api,
        figures: metrics.Metrics,
        *,
        tokens: pathlib.Path | None = None,
        allow_anonymous: bool = False,
    ) -> None:
        self._api = api
        self._figures = figures
        self._tokens = _Tokens(tokens) if tokens is not None else None
        self._allow_anonymous = allow_anonymous
        self._remembered: collections.OrderedDict[bytes, tuple[float, Sender | Refusal]] = collections.OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Sender | Refusal]] = {}
        self._lanes = asyncio.Semaphore(REVIEWS)

    async def identify(self, authorization: str) -> Sender | Refusal:
        """Who it is from, by the header Authorization ("" where there is none)."""
        if not authorization and self._allow_anonymous:
            return Sender("anonymous")
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return _NO_TOKEN
        # Header bytes that are no UTF-8 come as half surrogate pairs.
        if len(token) > MAX_LENGTH or not token.isascii():
            return _BAD_TOKEN
        digest = hashlib.sha256(token.encode()).digest()
        if self._tokens is not None and (name := self._tokens.owner(digest)):
            return Sender(name)
        if not _JWT.fullmatch(token):
            return _BAD_TOKEN
        ends_s, found = self._remembered.get(digest, (0.0, _BAD_TOKEN))
        return found if time.monotonic() < ends_s else await self._ask(digest, token)

    async def _ask(self, digest: bytes, token: str) -> Sender | Refusal:
        task = self._asking.get(digest)
        if task is None:
            if len(self._asking) >= WAITING:
                return _BUSY
            task = asyncio.create_task(self._review(digest, token), name="token review")
            self._asking[digest] = task
            task.add_done_callback(lambda _: self._asking.pop(digest, None))
        # Several requests may wait for one answer; that one of them is gone is no reason not to give it.
        return await asyncio.shield(task)

    async def _review(self, digest: bytes, token: str) -> Sender | Refusal:
        try:
            async with self._lanes:
                user = await tokenreview.review(self._api, token, AUDIENCE)
        except errors.LocalityError as error:
            self._figures.reviews.labels(outcome="failed").inc()
            log.warning("sender's token could not be checked", error=str(error))
            return _AWAY
        found = _judge(user)
        accepted = isinstance(found, Sender)
        self._figures.reviews.labels(outcome="accepted" if accepted else "refused").inc()
        self._remembered[digest] = (time.monotonic() + (ACCEPTED_S if accepted else REFUSED_S), found)
        self._remembered.move_to_end(digest)
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return found


def _judge(user: tokenreview.User | None) -> Sender | Refusal:
    if user is None:
        return _BAD_TOKEN
    account = _ACCOUNT.fullmatch(user.username)
    return Sender(user.username, frozenset({account[1]})) if account else _NO_ACCOUNT


class _Tokens:
    """The digests of the static tokens, by the names of their files."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        self._looked_s = float("-inf")
        self._state: object = None
        self._digests: dict[str, bytes] = {}

    def owner(self, digest: bytes) -> str:
        """Whose token has this digest; "" for nobody's."""
        if time.monotonic() - self._looked_s >= REREAD_S:
            self._looked_s = time.monotonic()
            self._reread()
        found = ""
        for name, known in self._digests.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(known, digest):
                found = name
        return found

    def _reread(self) -> None:
        try:
            # A Secret's files are links, and what they lead to is replaced as a whole: ..data and the like.
            files = sorted(path for path in self._directory.iterdir() if not path.name.startswith("."))
            state = [
                (path.name, info.st_ino, info.st_mtime_ns, info.st_size) for path in files for info in [path.stat()]
            ]
            if state == self._state:
                return
            digests = {path.name: digest for path in files if path.is_file() and (digest := _digest(path))}
        except FileNotFoundError:  # the Secret is optional, and files vanish while they are exchanged
            state, digests = [], {}
        except OSError as error:
            log.warning("tokens cannot be read, the last ones stay in use", error=str(error))
            return
        self._state = state
        if digests != self._digests:
            self._digests = digests
            log.info("senders' tokens read", senders=sorted(digests))


def _digest(path: pathlib.Path) -> bytes | None:
    """The digest of the token in a file, None where there is no usable one."""
    with path.open("rb") as file:
        token = file.read(MAX_LENGTH + 1).strip()
    if MIN_LENGTH <= len(token) <= MAX_LENGTH and token.isascii() and len(token.split()) == 1:
        return hashlib.sha256(token).digest()
    remedy = f"write one of {MIN_LENGTH} to {MAX_LENGTH} ASCII characters without spaces"
    log.warning("sender's token is not usable and is ignored", sender=path.name, remedy=remedy)
    return None
