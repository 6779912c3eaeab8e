"""A directory of the node as a bucket: a file's path below it is its key, with slashes between the parts.

Nothing is opened and no link is followed, so nobody who may write into the directory can have the daemon report what
lies elsewhere, and nothing counts twice. What may not be read is counted as unreadable and harms nothing else.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import stat
import time
from typing import Final

_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_CHECK_EVERY: Final = 256  # entries between two looks at the clock


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
            total.size_bytes += found.st_size
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
    if any(part in {"", ".", ".."} or "\0" in part for part in parts):
        return ""
    path = directory
    for part in parts[:-1]:
        path = f"{path}/{part}"
        if os.path.islink(path):  # noqa: PTH114
            return ""
    return f"{path}/{parts[-1]}"
