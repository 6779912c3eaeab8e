"""One pod, one snapshot, one decision: filters, scores, criteria, the weighted sum, the choice among the best.

    cost(n) = w_data * t(n) / tau + sum over the other criteria of w_i * (1 - u_i(n))

with t(n) the seconds of the pod's transfers on node n and u_i in 0..1; the least cost wins, and ties are broken by
the draw that is given, at random as upstream does, for an order by name would pile pods up. Pure: the same snapshot,
pod, settings and draw give the same decision, live and offline, whatever was decided before.

What was worked out for one pod is kept for the next ones: rows by what a plugin asks, sheets by shape.
"""

from __future__ import annotations

import array
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from scheduler import config
from scheduler.engine import decision, joint, profiles, ranking, rows, shapes, sheet, unsupported, verdict
from scheduler.engine.preemption import evaluation, residents
from scheduler.plugins import contract, request
from scheduler.plugins.common import lately
from scheduler.plugins.data import ahead, cost
from scheduler.plugins.dynamic_resources import filtering
from scheduler.state import changes, snapshot

# A sheet counts with the rows that were made for it: 0.3 MB at 5,000 nodes, 60 kB at 1,000. It saves most to a pod that
# comes when few nodes have changed since; beyond some 30 it is added up anew, whoever kept it. So 25 to 130 are kept.
_SHEETS_BYTES: Final = 8 << 20
# What a sheet takes beside arrays: objects, keys, the entry in a dictionary.
_SHEET_BYTES: Final = 8000
_64_BITS: Final = 2**64 - 1
_CLAIMS: Final = filtering.FILTER.name

P = TypeVar("P", contract.Filter[Any, Any], contract.Score[Any, Any])
K = TypeVar("K", rows.FilterRow, rows.ScoreRow, rows.WishRow)


class Engine:
    """Decides the pods of one profile on the views of one cluster.

    Another cluster's view may be shown to it, too, but then nothing kept helps.

    Args:
        settings: Which plugins there are, what they are told, what counts how much.
        shelf: Rows that it shares with the engines of other profiles.
    """

    def __init__(self, settings: config.Settings, shelf: rows.Shelf | None = None) -> None:
        self._settings = settings
        self._shapes = shapes.Shapes(settings)
        self._plain: dict[tuple[str, ...], profiles.Profile] = {}  # by the scores that make up the resources
        self._data = cost.Kept(settings)
        self._ahead = ahead.Lookahead(settings, self._data)
        self._residents = residents.Residents()
        self._log: changes.Log | None = None
        self._sheets: lately.Lately[sheet.Sheet] = lately.Lately(_SHEETS_BYTES)
        self._shelf = shelf or rows.Shelf()

    def runs(self, plugin: str) -> bool:
        """Whether a filter of upstream's, by its name, is on for the pods of this profile."""
        return plugin in self._settings.plugins.filters

    def wish(self, view: snapshot.Snapshot, asked: request.PodRequest, *, is_rough: bool = False) -> joint.Wish | None:
        """What each node would cost a pod, to place it together with others; None where that decides nothing.

        Args:
            is_rough: Whether others' traffic and who reads what the pod writes are left out of account.
        """
        found = self.decide(view, asked, 0, is_tried=False, is_rough=is_rough)
        choice = found.choice
        return joint.Wish(asked, choice.cost, choice.data_weight) if choice is not None else None

    def decide(
        self,
        view: snapshot.Snapshot,
        asked: request.PodRequest,
        draw: int,
        *,
        share: joint.Share | None = None,
        is_tried: bool = True,
        is_rough: bool = False,
    ) -> decision.Decision:
        """Choose a node for a pod, or say why there is none.

        Args:
            draw: Decides among nodes that tie; 0 and up.
            share: Its part in what was planned for several.
            is_tried: Whether it is its turn; else it is not looked for what could be done where nothing fits.
            is_rough: As of ``wish``.
        """
        shape = self._shapes.of(asked)
        if shape.may_lack and (fault := unsupported.find(asked)):
            return decision.Decision(asked, view, fault=fault)
        now = [plugin.resolve(read, view) for plugin, read in shape.open if plugin.resolve is not None]
        if (gated := shape.gated) is not None:  # upstream does not look for a node, and reports nothing
            refusers = {plugin: contract.Refuse(gated.message) for plugin in gated.plugins}
            return decision.Decision(asked, view, pod_verdict=gated, refusers=refusers)
        said: list[tuple[tuple[Any, Any], Any]] = list(zip(shape.open, now, strict=True))
        said += [((one, read), one.resolve(read, view)) for one, read in shape.prepared if one.resolve is not None]
        order = self._settings.plugins.prefilters
        gating = [((one, read), one.resolve(read, view)) for one, read in shape.gating if one.resolve is not None]
        if (gate := _first_refusal([*said, *gating], order, gates=True)) is not None:
            name, read, refusal = gate
            return decision.Decision(
                asked, view, pod_verdict=verdict.PodVerdict((name,), message=refusal.message), refusers={name: read}
            )
        refused: verdict.PodVerdict | None = None
        refusers = {}
        if view.count:  # without any node upstream gives up before it looks at the pod
            refused = shape.refused
            if (first := _first_refusal(said, order)) is not None:
                name, read, refusal = first
                if refusal.fails:
                    message = f'running PreFilter plugin "{name}": {refusal.message}'
                    whole = verdict.PodVerdict((name,), message=message)
                    return decision.Decision(asked, view, pod_verdict=whole, message=message, is_failed=True)
                refused, refusers = verdict.PodVerdict((name,), message=refusal.message), {name: read}
        if refused is not None and refused.message:
            return decision.Decision(
                asked,
                view,
                pod_verdict=refused,
                message=decision.pod_message(view, refused),
                preemption=evaluation.refused(
                    view, asked.pod, is_known=_CLAIMS in refused.plugins or not self.runs(_CLAIMS)
                )
                if view.count and shape.gated is None and self._settings.plugins.preempts
                else None,
                refusers=refusers or {plugin: contract.Refuse(refused.message) for plugin in refused.plugins},
            )
        made_of = self._sheet(view, shape, now)
        deltas = _arriving(view, asked) if view.nominated_pods else {}
        if deltas:
            made_of = made_of.with_deltas(view, deltas)
        if failure := made_of.failure():
            return decision.Decision(asked, view, made_of=made_of, pod_verdict=refused, message=failure, is_failed=True)
        if not made_of.count and not is_tried:
            return decision.Decision(asked, view, made_of=made_of, pod_verdict=refused)
        if not made_of.count:
            return self._nothing_fits(
                view, asked, draw, shape=shape, made_of=made_of, narrowed=refused, arriving=deltas
            )
        return self._choose(
            view, asked, draw, shape=shape, made_of=made_of, narrowed=refused, share=share, is_rough=is_rough
        )

    def _sheet(self, view: snapshot.Snapshot, shape: shapes.Shape, now: list[Any]) -> sheet.Sheet:
        if view.changes is not self._log:
            self._log = view.changes
            self._sheets.clear()
        self._shelf.follow(view.changes)
        key = (shape.number, *now)
        found = self._sheets.get(key)
        if found is not None:
            found.catch_up(view)
            return found
        made: list[rows.Row] = []
        remaining = iter(now)
        filters, scores = _resolved(shape.filters, remaining), _resolved(shape.scores, remaining)
        found = sheet.Sheet(
            [self._row(rows.FilterRow, plugin, asked, made) for plugin, asked in filters],
            [self._row(rows.ScoreRow, plugin, asked, made) for plugin, asked in scores],
            [self._row(rows.WishRow, plugin, asked, made) for plugin, asked in shape.wishes],
            only=shape.refused.only if shape.refused is not None else None,
            plugins=self._settings.plugins,
        )
        found.catch_up(view)
        for row in made:
            self._shelf.put(row)
        self._sheets.put(key, found, found.size_bytes + sum([row.size_bytes for row in made]) + _SHEET_BYTES)
        return found

    def _may_go(self, view: snapshot.Snapshot, asked: request.PodRequest) -> contract.Mask:
        """[slots] where a pod may go that waits, gated or not, as far as that is known by now."""
        shape = self._shapes.of(asked)
        now = [plugin.resolve(read, view) for plugin, read in shape.open if plugin.resolve is not None]
        return self._sheet(view, shape, now).may_pass()

    def _row(self, kind: type[K], plugin: Any, asked: object, made: list[rows.Row]) -> K:  # noqa: ANN401 (of its kind)
        found = self._shelf.get(kind, plugin.name, asked)
        if isinstance(found, kind):
            return found
        row = kind(plugin, asked)
        made.append(row)
        return row

    def _choose(
        self,
        view: snapshot.Snapshot,
        asked: request.PodRequest,
        draw: int,
        *,
        shape: shapes.Shape,
        made_of: sheet.Sheet,
        narrowed: verdict.PodVerdict | None,
        share: joint.Share | None,
        is_rough: bool,
    ) -> decision.Decision:
        nominated = view.index_of.get(asked.pod.status.nominated_node_name, -1)
        if nominated >= 0 and made_of.refuser.item(nominated) != sheet.PASSED:
            nominated = -1
        error = shape.error or made_of.error
        if error and made_of.count > 1 and nominated < 0:
            return decision.Decision(
                asked, view, made_of=made_of, pod_verdict=narrowed, message=error, score_error=error
            )
        moves = self._data.cost(view, asked, is_rough=is_rough)
        if asked.intent.is_plain:
            profile = self._plain.get(made_of.group)
            if profile is None:
                profile = self._plain[made_of.group] = profiles.plain(self._settings.plugins, made_of.group)
        else:
            learned_s = None if asked.intent.processing_s else view.durations.learned_s(asked.pod)
            profile = profiles.choose(
                asked.intent, moves, made_of.refuser == sheet.PASSED, self._settings, learned_s=learned_s
            )
        data_weight = profile.weights.data / self._settings.tau_s
        ranked = made_of.ranked(profile)
        if moves.moves or moves.pulls:
            ranked = ranking.Ranking(ranked.costs + moves.costs(profile.weights.data, self._settings.tau_s))
        later = None
        if not is_rough:
            later = self._ahead.of(view, asked, moves, lambda reader: self._may_go(view, reader))
        if later is not None:
            ranked = ranking.Ranking(ranked.costs + later.costs(profile.weights.data, self._settings.tau_s))
        # Upstream tries the node that preemption made room on before any other, and takes it if it passes.
        shared: ranking.Slots | None = None
        if share is not None and nominated < 0:
            shared = joint.best(share, view, asked, ranked.costs)
        best = shared or (ranked.best if nominated < 0 else array.array("q", (nominated,)))
        slot = best[_scatter(draw) % len(best)]
        choice = decision.Choice(
            profile=profile,
            data=moves,
            data_weight=data_weight,
            tau_s=self._settings.tau_s,
            cost=ranked.costs,
            best=best,
            slot=slot,
            chosen_cost=ranked.costs.item(slot),
            ahead=later,
            is_shared=bool(shared),
        )
        return decision.Decision(asked, view, made_of=made_of, pod_verdict=narrowed, choice=choice)

    def _nothing_fits(
        self,
        view: snapshot.Snapshot,
        asked: request.PodRequest,
        draw: int,
        *,
        shape: shapes.Shape,
        made_of: sheet.Sheet,
        narrowed: verdict.PodVerdict | None,
        arriving: sheet.Deltas,
    ) -> decision.Decision:
        reasons, resolvable, plugins = made_of.refused()
        if narrowed is not None and bool((made_of.refuser == sheet.NARROWED).any()):
            plugins |= set(narrowed.plugins)
        return decision.Decision(
            asked,
            view,
            made_of=made_of,
            pod_verdict=narrowed,
            message=decision.nodes_message(view, made_of, reasons, narrowed),
            preemption=evaluation.look(
                view,
                asked.pod,
                made_of,
                resolvable,
                arriving=arriving,
                chance=_scatter(draw),
                known=self._residents,
            )
            if view.count and self._settings.plugins.preempts
            else None,
            refusers={plugin.name: asked for plugin, asked in shape.filters if plugin.name in plugins},
        )


def _scatter(draw: int) -> int:
    """A number that looks like no neighbour's: 0..2**64 - 1.

    The finaliser of splitmix64 (Steele, Lea, Flood 2014): to seed one of numpy's generators costs as much as all else
    that a decision about a known pod takes.
    """
    draw = (draw + 0x9E3779B97F4A7C15) & _64_BITS
    draw = (draw ^ (draw >> 30)) * 0xBF58476D1CE4E5B9 & _64_BITS
    draw = (draw ^ (draw >> 27)) * 0x94D049BB133111EB & _64_BITS
    return draw ^ (draw >> 31)


def _first_refusal(
    said: Sequence[tuple[tuple[Any, Any], Any]], order: Sequence[str], *, gates: bool = False
) -> tuple[str, Any, contract.Refuse] | None:
    """The first filter that refuses the pod as a whole in the cluster as it is, and what it read of the pod.

    It goes before what the shape says of the pod as a whole, for which no later filter was asked.

    Args:
        said: Plugins that must be asked in the cluster as it is with what they read of the pod, and what each says.
        order: In which filters look at the pod as a whole.
        gates: Whether only those count that would not even have it tried.
    """
    refusals = [
        (plugin.name, read, each)
        for (plugin, read), each in said
        if isinstance(each, contract.Refuse) and (each.gates or not gates)
    ]
    if len(refusals) < 2:
        return refusals[0] if refusals else None
    return min(refusals, key=lambda one: order.index(one[0]) if one[0] in order else len(order))


def _resolved(asked_of: tuple[tuple[P, Any], ...], now: Iterator[object]) -> list[tuple[P, Any]]:
    """The plugins that say something now, with what they ask; ``now`` is that of those whose ``resolve`` says it."""
    found = [(plugin, asked if plugin.resolve is None else next(now)) for plugin, asked in asked_of]
    return [(plugin, asked) for plugin, asked in found if asked is not None and not isinstance(asked, contract.Refuse)]


def _arriving(view: snapshot.Snapshot, asked: request.PodRequest) -> sheet.Deltas:
    """The other pods of at least this priority, where they are nominated to.

    Upstream filters such a node twice, with and without them. They take room and ports, so that what fits with them
    fits without; only as company that the pod requires may they be missed.
    """
    priority, own = asked.pod.spec.priority, asked.pod.metadata.uid
    found: dict[int, list[snapshot.Placed]] = {}
    for uid, other in view.expected.items():
        slot = view.index_of.get(other.node)
        if slot is not None and uid != own and other.pod.spec.priority >= priority:
            found.setdefault(slot, []).append(other)
    return {slot: contract.Delta(added=tuple(pods)) for slot, pods in found.items()}
