"""Directories as buckets, on a real file system."""

import asyncio
import os
import pathlib
import threading

import pytest

from daemon.stores import contents, directories, model
from tests.daemon import asked

LIMITS = contents.Limits(timeout_s=2.0)


def store(directory: pathlib.Path) -> model.Store:
    return model.Store(
        "", "", "", "file:///srv", "", alias="path:/srv", technology="local", directory=str(directory), bucket="photos"
    )


def listed(directory: pathlib.Path, *urns: str, limits: contents.Limits = LIMITS) -> contents.Listing:
    outcome = asked.list_store(store(directory), None, "", urns=urns, limits=limits)
    assert isinstance(outcome, contents.Listing), outcome
    return outcome


def put(directory: pathlib.Path, key: str, size: int = 10, when_s: int = 1_700_000_000) -> None:
    path = directory / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (when_s, when_s))


def test_the_bucket_counts_all_files_below_the_directory(tmp_path: pathlib.Path) -> None:
    assert listed(tmp_path).buckets == {"photos": contents.Content(0, 0)}
    put(tmp_path, "a", 7)
    put(tmp_path, "b/c/d", 3, when_s=1_700_000_100)
    outcome = listed(tmp_path)
    assert outcome.technology == "local"
    assert outcome.buckets == {"photos": contents.Content(10, 2, last_modified="2023-11-14T22:15:00Z")}


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("with space.txt", id="space"),
        pytest.param("größe/日本語/Ω.raw", id="unicode"),
        pytest.param("/".join(["k" * 204] * 5), id="1,024 bytes"),
        pytest.param(".hidden", id="hidden"),
        pytest.param("new\nline", id="line break"),
    ],
)
def test_odd_keys(tmp_path: pathlib.Path, key: str) -> None:
    put(tmp_path, key, 5)
    outcome = listed(tmp_path, f"photos/{key}", f"photos/{key}.not")
    assert (outcome.found[f"photos/{key}"].size_bytes, outcome.found[f"photos/{key}"].object_count) == (5, 1)
    assert outcome.missing == {f"photos/{key}.not"}


def test_prefixes_are_folders(tmp_path: pathlib.Path) -> None:
    put(tmp_path, "2024/a", 1)
    put(tmp_path, "2024/b/c", 2)
    put(tmp_path, "2025", 4)
    outcome = listed(tmp_path, "photos/2024/", "photos/2024/b/", "photos/2025/", "photos/2026/", "photos/2024")
    assert {urn: content.size_bytes for urn, content in outcome.found.items()} == {
        "photos/2024/": 3, "photos/2024/b/": 2,
    }  # fmt: skip
    assert outcome.missing == {"photos/2025/", "photos/2026/", "photos/2024"}


def test_the_etag_follows_the_content(tmp_path: pathlib.Path) -> None:
    put(tmp_path, "a", 7)
    first = listed(tmp_path, "photos/a").found["photos/a"].etag
    assert listed(tmp_path, "photos/a").found["photos/a"].etag == first
    put(tmp_path, "a", 8)
    longer = listed(tmp_path, "photos/a").found["photos/a"].etag
    put(tmp_path, "a", 8, when_s=1_700_000_001)
    assert len({first, longer, listed(tmp_path, "photos/a").found["photos/a"].etag}) == 3


def test_links_lead_nowhere(tmp_path: pathlib.Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    put(outside, "secret", 100)
    put(inside, "folder/file", 1)
    (inside / "to-file").symlink_to(outside / "secret")
    (inside / "to-folder").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (inside / "dangling").symlink_to("nothing")
    outcome = listed(
        inside,
        "photos/to-file",
        "photos/to-folder/secret",
        "photos/to-folder/",
        "photos/loop/folder/file",
        "photos/../out/secret",
        "photos//secret",
        "photos/folder/../folder/file",
    )
    assert outcome.buckets["photos"] is not None
    assert (outcome.buckets["photos"].size_bytes, outcome.buckets["photos"].object_count) == (1, 1)
    assert (outcome.found, len(outcome.missing)) == ({}, 7)


def test_pipes_are_not_files(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    outcome = listed(tmp_path, "photos/pipe")
    assert outcome.missing == {"photos/pipe"}
    assert outcome.buckets["photos"] == contents.Content(0, 0)


def test_what_cannot_be_read_is_counted_and_harms_nothing_else(tmp_path: pathlib.Path) -> None:
    put(tmp_path, "a", 2)
    # Permissions would not stop root; a path beyond the kernel's limit stops everybody.
    parent = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=parent)
        child = os.open("d" * 250, os.O_RDONLY, dir_fd=parent)
        os.close(parent)
        parent = child
    os.close(parent)
    content = listed(tmp_path).buckets["photos"]
    assert content is not None
    assert (content.size_bytes, content.object_count, content.unreadable, content.complete) == (2, 1, 1, False)


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(contents.Limits(max_keys=11), id="keys"),
        pytest.param(contents.Limits(budget_s=0.0), id="time"),
    ],
)
def test_counting_is_bounded(tmp_path: pathlib.Path, limits: contents.Limits) -> None:
    for number in range(600):
        (tmp_path / f"k{number}").touch()
    content = listed(tmp_path, limits=limits).buckets["photos"]
    assert content is not None
    assert content.object_count < 600
    assert not content.complete


def test_a_directory_that_is_gone_and_comes_back(tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "data"
    gone = asked.list_store(store(directory), None, "", urns=(), limits=LIMITS)
    assert gone == contents.Failure("DirectoryUnreadable", f"{directory} cannot be read: No such file or directory")
    assert asked.look_up(store(directory), None, "", urns=["photos/a"], limits=LIMITS) == gone
    directory.mkdir()
    assert listed(directory).buckets == {"photos": contents.Content(0, 0)}


def test_keys_alone_can_be_looked_up(tmp_path: pathlib.Path) -> None:
    put(tmp_path, "a", 7)
    outcome = asked.look_up(store(tmp_path), None, "", urns=["photos/a", "photos/b", "other/a"], limits=LIMITS)
    assert isinstance(outcome, contents.Listing)
    assert (list(outcome.found), sorted(outcome.missing)) == (["photos/a"], ["other/a", "photos/b"])
    assert outcome.buckets == {}


def test_3_4_a_directory_that_hangs_costs_one_thread_for_each_that_asks_and_no_more(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a network's file system does whose server is gone."""
    let_go, begun = threading.Event(), []

    def hang(*_: object, **__: object) -> directories.Sum:
        begun.append(threading.current_thread())
        let_go.wait()
        return directories.Sum()

    monkeypatch.setattr(directories, "add_up", hang)

    async def ask() -> list[contents.Listing | contents.Failure]:
        source = directories.Directory(store(tmp_path), contents.Limits(timeout_s=0.1, budget_s=0.1))
        first = await asyncio.gather(source.list_store(), source.count(["photos"]))
        later = [await source.look_up(["photos/a"]) for _ in range(20)]
        let_go.set()
        async with asyncio.timeout(10.0):
            while isinstance(outcome := await source.look_up(["photos/a"]), contents.Failure):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await source.close()
        return [*first, *later, outcome]

    *outcomes, last = asyncio.run(ask())
    late = contents.Failure("Timeout", f"{tmp_path} did not answer in time")
    assert outcomes == [late] * 22
    assert len(begun) == 2
    assert isinstance(last, contents.Listing)
    assert last.missing == {"photos/a"}


@pytest.mark.parametrize("when_s", [2**40, -(2**35), 253_402_300_800])
def test_3_4_a_time_that_no_calendar_has_is_left_out(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, when_s: int
) -> None:
    """Anybody may set a file's time; how far, depends on the file system."""
    times = {"st_mtime": float(when_s), "st_mtime_ns": when_s * 10**9}
    found = os.stat_result((0o100644, 0, 0, 1, 0, 0, 3, 0, 0, 0), times)
    monkeypatch.setattr(directories, "look", lambda *_: found)
    content = listed(tmp_path, "photos/a").found["photos/a"]
    assert (content.size_bytes, content.last_modified) == (3, "")


def test_3_4_sparse_files_do_not_exceed_what_a_status_can_hold(tmp_path: pathlib.Path) -> None:
    for name in "abc":
        with (tmp_path / name).open("wb") as file:
            file.truncate(2**43)
    content = listed(tmp_path).buckets["photos"]
    assert content is not None
    assert content.size_bytes == 3 * 2**43


def test_3_4_names_that_no_file_can_have_are_missing(tmp_path: pathlib.Path) -> None:
    assert len(listed(tmp_path, "photos/\ud800", "photos/a\0b", f"photos/{'k' * 5000}").missing) == 3
