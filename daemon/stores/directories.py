"""A directory of the node as a bucket: a file's path below it is its key, with slashes between the parts.

Nothing is opened and no link is followed, so nobody who may write into the directory can have the daemon report what
lies elsewhere, and nothing counts twice. What may not be read is counted as unreadable and harms nothing else.

File systems block, one on a network that is gone for ever. So each directory has threads of its own, one for each lane
that asks, and while one of them is stuck nothing else is begun there.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import errno
import functools
import os
import pathlib
import random
import stat
import time
from collections.abc import Callable, Collection, Iterable
from concurrent import futures
from typing import Final

from daemon.stores import contents, credentials, model

Outcome = contents.Listing | contents.Failure

_THREADS: Final = 3  # lanes of an asker
_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_MAX_BYTES: Final = 2**63 - 1  # the schema's int64: a sparse file may claim nearly as much alone
_CHECK_EVERY: Final = 256  # entries between two looks at the clock


class Directory:
    """A directory as a ``sources.Source``."""

    def __init__(self, store: model.Store, limits: contents.Limits) -> None:
        self._store = store
        self._limits = limits
        self._threads: futures.ThreadPoolExecutor | None = None
        self._stuck: set[asyncio.Future[Outcome]] = set()

    async def use(self, access: credentials.Access) -> None:
        """It takes none."""

    async def list_store(
        self,
        *,
        urns: Iterable[str] = (),
        skip: Collection[str] = (),
        named: Callable[[], Iterable[str]] = tuple,  # noqa: ARG002 - a directory hides nothing
    ) -> Outcome:
        counts = self._store.bucket not in skip
        return await self._run(functools.partial(self._list, list(urns), counts=counts, names=True))

    async def look_up(self, urns: Iterable[str]) -> Outcome:
        return await self._run(functools.partial(self._list, list(urns), counts=False, names=False))

    async def count(self, buckets: Iterable[str]) -> Outcome:
        is_meant = self._store.bucket in set(buckets)
        return await self._run(functools.partial(self._list, [], counts=is_meant, names=is_meant))

    async def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def _run(self, work: Callable[[], Outcome]) -> Outcome:
        late = contents.Failure("Timeout", f"{self._store.directory} did not answer in time")
        self._stuck = {future for future in self._stuck if not future.done()}
        if self._stuck:
            return late
        self._threads = self._threads or futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="directory")
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.budget_s + 3 * self._limits.timeout_s):
                return await asyncio.shield(future)
        self._stuck.add(future)
        return late

    def _list(self, urns: list[str], *, counts: bool, names: bool) -> Outcome:
        """What it holds of ``urns``; with ``names`` its bucket, with ``counts`` how much is in it.

        Blocks.
        """
        ends_s = time.monotonic() + self._limits.budget_s
        bucket, directory = self._store.bucket, self._store.directory
        buckets: dict[str, contents.Content | None] = {bucket: None} if names else {}
        try:
            pathlib.Path(directory).stat()
            if counts:
                buckets[bucket] = self._content("", ends_s)
        except OSError as error:
            return contents.Failure("DirectoryUnreadable", f"{directory} cannot be read: {error.strerror}")
        found: dict[str, contents.Content] = {}
        missing: set[str] = set()
        random.shuffle(urns)  # so that what the limit leaves out is not always the same
        for urn in urns[: self._limits.max_lookups]:
            named, _, key = urn.partition("/")
            try:
                content = self._content(key, ends_s) if named == bucket else None
            except OSError:  # closed to us: unknown
                continue
            if content is None:
                missing.add(urn)
            else:
                found[urn] = content
        uncounted = frozenset() if counts else frozenset(buckets)
        return contents.Listing("local", buckets, uncounted, found, frozenset(missing))

    def _content(self, key: str, ends_s: float) -> contents.Content | None:
        directory = self._store.directory
        if key and not key.endswith("/"):
            found = look(directory, key)
            if found is None:
                return None
            return contents.Content(found.st_size, 1, etag=etag(found), last_modified=_rfc3339(found.st_mtime))
        total = add_up(directory, key, max_keys=self._limits.max_keys, ends_s=ends_s)
        if key and not total.count:
            return None
        newest = _rfc3339(total.newest_s) if total.count else ""
        return contents.Content(total.size_bytes, total.count, total.complete, "", newest, total.unreadable)


def _rfc3339(seconds: float) -> str:
    """A file's time; "" for one that no calendar has, as anybody may set it."""
    try:
        when = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ") if when.year >= 1970 else ""


@dataclasses.dataclass
class Sum:
    """What lies below a directory; not ``complete`` means that the figures are lower bounds."""

    size_bytes: int = 0
    count: int = 0
    newest_s: float = 0.0
    unreadable: int = 0
    complete: bool = True


def add_up(directory: str, prefix: str, *, max_keys: int, ends_s: float) -> Sum:
    """Add up the files whose keys begin with ``prefix``, which is "" or ends with a slash.

    Args:
        ends_s: The monotonic time at which to stop.

    Raises:
        OSError: the directory itself cannot be read; one that ``prefix`` names and that is not there holds nothing.
    """
    total = Sum()
    start = _inside(directory, f"{prefix}*").removesuffix("/*")
    if not start or (prefix and not _is_folder(start)):
        return total
    waiting = [start]
    seen = 0
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    seen += 1
                    if total.count >= max_keys or (seen % _CHECK_EVERY == 0 and time.monotonic() > ends_s):
                        total.complete = False
                        return total
                    _add(total, entry, waiting)
        except OSError:
            if folder == start:
                raise
            total.unreadable += 1
    total.complete = not total.unreadable
    return total


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _add(total: Sum, entry: os.DirEntry[str], waiting: list[str]) -> None:
    try:
        if entry.is_dir(follow_symlinks=False):
            waiting.append(entry.path)
        elif entry.is_file(follow_symlinks=False):  # neither links nor devices, sockets and pipes
            found = entry.stat(follow_symlinks=False)
            total.count += 1
            total.size_bytes = min(total.size_bytes + found.st_size, _MAX_BYTES)
            total.newest_s = max(total.newest_s, found.st_mtime)
    except OSError:  # gone since, or on a file system that is failing
        total.unreadable += 1


def look(directory: str, key: str) -> os.stat_result | None:
    """The file with this key, None where there is none.

    Raises:
        OSError: it cannot be known.
    """
    path = _inside(directory, key)
    try:
        found = os.lstat(path)  # of "": there is no such file
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    return found if stat.S_ISREG(found.st_mode) else None


def etag(found: os.stat_result) -> str:
    """What tells one content from another without reading it: the size and the time of the last change."""
    return f"{found.st_mtime_ns:x}-{found.st_size:x}"


def _inside(directory: str, key: str) -> str:
    """The path of a key, "" for one that no file below the directory can have, or that leads through a link."""
    parts = key.split("/")
    if any(part in {"", ".", ".."} or "\0" in part for part in parts) or not _is_unicode(key):
        return ""
    path = directory
    for part in parts[:-1]:
        path = f"{path}/{part}"
        if os.path.islink(path):  # noqa: PTH114
            return ""
    return f"{path}/{parts[-1]}"


def _is_unicode(text: str) -> bool:
    """Whether text can be a file's name: half of a surrogate pair cannot be written."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
