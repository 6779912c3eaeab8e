"""What could not be read of a store stays as it was; what was read replaces it."""

import pytest

from daemon.cluster import watches
from daemon.stores import contents, model, named, views

Content = contents.Content
Listing = contents.Listing
NOBODY = named.Named(watches.Objects(), model.Store("n", "s", "u", "http://s", ""))
KNOWN = Listing("minio", {"a": Content(1, 1), "b": Content(2, 1), "shut": None}, closed={"shut": "why"})


@pytest.mark.parametrize(
    ("new", "buckets", "uncounted"),
    [
        pytest.param(Listing(buckets={"a": Content(5, 5)}), {"a": Content(5, 5)}, set(), id="counted, and one gone"),
        pytest.param(
            Listing(buckets={"a": None, "new": None}, uncounted=frozenset({"a", "new"})),
            {"a": Content(1, 1), "new": None}, {"new"}, id="not counted",
        ),
        pytest.param(Listing(buckets={"a": None}, closed={"a": "why"}), {"a": None}, set(), id="closed now"),
        pytest.param(
            Listing(buckets={"a": None}, uncounted=frozenset({"a"}), closed={"a": "broken"}),
            {"a": Content(1, 1)}, set(), id="its answer was broken",
        ),
    ],
)  # fmt: skip
def test_a_listing(new: Listing, buckets: dict[str, Content | None], uncounted: set[str]) -> None:
    merged = views.listed(KNOWN, new, set(), NOBODY)
    assert (merged.buckets, set(merged.uncounted)) == (buckets, uncounted)


def test_a_bucket_counted_while_a_listing_ran_is_newer_than_it() -> None:
    new = Listing(buckets={"a": Content(0, 0)})
    assert views.listed(KNOWN, new, {"a", "b"}, NOBODY).buckets == {"a": Content(1, 1), "b": Content(2, 1)}


def test_a_bucket_alone() -> None:
    assert views.counted(KNOWN, "a", Listing(buckets={"a": Content(9, 9)})).buckets["a"] == Content(9, 9)
    assert "a" not in views.counted(KNOWN, "a", Listing()).buckets
    broken = Listing(buckets={"a": None}, uncounted=frozenset({"a"}), closed={"a": "broken"})
    assert views.counted(KNOWN, "a", broken).buckets == KNOWN.buckets
    opened = views.counted(KNOWN, "shut", Listing(buckets={"shut": Content(3, 1)}))
    assert (opened.buckets["shut"], opened.closed) == (Content(3, 1), {})


def test_keys() -> None:
    known = Listing(found={"a/k": Content(1, 1), "a/l": Content(1, 1)}, missing=frozenset({"a/m"}))
    new = Listing(found={"a/m": Content(2, 1)}, missing=frozenset({"a/k"}))
    outcome = views.looked_up(known, new)
    assert (outcome.found, list(outcome.missing)) == ({"a/l": Content(1, 1), "a/m": Content(2, 1)}, ["a/k"])
