"""`kubectl locality objects`: where data lies, how that is known, what of it does not count, and who moves it now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click
import msgspec

from scheduler import errors
from scheduler.api import crd, names, urns
from scheduler.locality import door, lookup, show, whereabouts

_SHOWN: Final = 3  # nodes; -o wide and json show all


@click.command()
@click.argument("urn", required=False, default="")
@click.option("-A", "--all-namespaces", is_flag=True, help="The data and pods of all namespaces.")
@show.output_option
@door.options
def objects(*, urn: str, all_namespaces: bool, output: str, where: door.Where) -> None:
    """Tell where URN (a bucket, a prefix/ or a key) can be had, how that is known and who moves it; without, list all.

    As the pods of one namespace find it: their own data first, then the scheduler's.
    """
    if urn and (fault := urns.fault(urn)):
        raise errors.InputError("URN", urn, fault)
    namespaces = ("",) if all_namespaces else (where.namespace, where.scheduler_namespace)
    world, reader = lookup.read(where, *namespaces)
    pods = reader.pods("" if all_namespaces else where.namespace)
    reader.finish()
    looked = whereabouts.Look(world, where.namespace, where.scheduler_namespace, pods)
    if not urn:
        told = list(looked.all(is_everybodys=all_namespaces))
        if output in {show.JSON, show.YAML}:
            show.say(show.document(msgspec.to_builtins(told), output))
            return
        show.say(_listed(told, looked, is_wide=output == show.WIDE) or ["No data is known."])
        return
    found = looked.resolve(urn, is_everybodys=all_namespaces)
    if output in {show.JSON, show.YAML}:
        show.say(show.document(msgspec.to_builtins(found), output))
        return
    show.say(_told(found, looked, is_wide=output == show.WIDE))


def _listed(told: Sequence[whereabouts.Object], looked: whereabouts.Look, *, is_wide: bool) -> list[str]:
    if not told:
        return []
    rows = []
    for one in told:
        counting = list(dict.fromkeys(copy.where for copy in one.copies if copy.counts))
        shown = counting if is_wide else counting[:_SHOWN]
        more = f" and {len(counting) - len(shown)} more" if len(shown) < len(counting) else ""
        ages = [copy.age_seconds for copy in one.copies if copy.age_seconds is not None]
        number = f"{sum(copy.counts for copy in one.copies)}/{len(one.copies)}"
        rows.append([
            one.urn,
            one.namespace or "everybody",
            "" if one.size_bytes is None else show.size(one.size_bytes),
            number if counting or not one.copies else show.bad(number),
            ", ".join(shown) + more or ("expected" if one.expected else "nowhere"),
            f"{show.age(min(ages))} ago" if ages else "",
            str(len({use.pod for use in looked.moving(one.urn)}) or ""),
        ])  # fmt: skip
    return show.table(["URN", "FOR", "SIZE", "COPIES", "NODES", "SEEN", "PODS"], rows, right={2, 3, 5, 6})


def _told(found: whereabouts.Resolved, looked: whereabouts.Look, *, is_wide: bool) -> list[str]:
    size = f", {show.size(found.size_bytes)}" if found.size_bytes is not None else ""
    lines = [f"{show.strong(found.urn)}{size}, for the pods of {found.namespace}:"]
    if not found.found_as:
        lines.append(f"{show.bad('No copy is known')} of it, of a prefix of it, or of its bucket; it counts nowhere.")
    elif found.expected_on:
        expected = f"expected on {', '.join(found.expected_on)} ({found.sure:.0%} sure)"
        otherwise = f", else looked for on {', '.join(found.from_)}" if found.from_ else ""
        lines.append(f"It is {show.doubtful('not there yet')}: {expected}{otherwise}.")
    elif found.from_:
        lines.append(f"It can be had from {', '.join(show.good(one) for one in found.from_)}.")
    else:
        lines.append(f"It {show.bad('cannot be had now')}: no copy counts, and so it counts nowhere.")
    if found.found_as and found.found_as != found.urn:
        kind = "prefix" if found.found_as.endswith("/") else "bucket"
        lines.append(
            f"Nothing is known of a copy of it by itself; this is what is known of the {kind} {found.found_as}."
        )
    copies = [
        [copy.where, copy.store, "" if copy.size_bytes is None else show.size(copy.size_bytes), copy.said_by,
         "" if copy.age_seconds is None else f"{show.age(copy.age_seconds)} ago", _source(one, looked.home),
         show.good("yes") if copy.counts else f"{show.bad('no')}: {copy.why_not}"]
        for one in found.objects for copy in one.copies
    ]  # fmt: skip
    if copies:
        lines += [
            "",
            *show.table(["COPY ON", "STORE", "SIZE", "SAID BY", "SEEN", "IN", "COUNTS"], copies, right={2, 4}),
        ]
    coming = [
        [one.producer, one.node if one.node != names.EXTERNAL else crd.place_name(one.region, one.zone), one.store,
         f"{one.confidence:.0%}"]
        for each in found.objects for one in each.expected
    ]  # fmt: skip
    if coming:
        lines += ["", *show.table(["EXPECTED FROM", "ON", "STORE", "SURE"], coming, right={3})]
    if found.below:
        lines += ["", "BELOW IT", *_listed(found.below, looked, is_wide=is_wide)]
    if found.pods:
        rows = [
            [use.pod, use.node or show.doubtful("pending"), "writes" if use.writes else "reads", use.urn,
             show.size(use.size_bytes) if use.size_bytes else ""]
            for use in found.pods
        ]  # fmt: skip
        lines += ["", *show.table(["POD", "NODE", "", "URN", "SIZE"], rows, right={4})]
    return lines


def _source(one: whereabouts.Object, home: str) -> str:
    """Which object tells of it: a DataObject, or a store's own list of buckets."""
    if not one.name:
        return "NodeCapability"
    return f"{one.namespace or home}/{one.name}"
