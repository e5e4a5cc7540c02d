"""Everything that one brain knows of its own requests: who runs where, who waits, what is reserved, what was counted.

All that happens to it is an arrival, an end, a client that left, a new view, a tick of the clock. Each answers whom it
calls: those who had waited and are now let in or refused. Times are monotonic seconds and arguments.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wharfage_gateway import admit as rules
from wharfage_gateway.admit import Standing
from wharfage_gateway.allowance import Allowances
from wharfage_gateway.answer import Admit, Answer, Refuse
from wharfage_gateway.asked import Asked
from wharfage_gateway.outcome import REJECTED, Outcome
from wharfage_gateway.place import at_home, place, uniform
from wharfage_gateway.ratings import Rating, Ratings, Verdict
from wharfage_gateway.repeats import Answered, Repeats
from wharfage_gateway.tally import Outputs, Pace, Tally
from wharfage_gateway.ticket import NOTHING, UNTOLD, Called, Ticket, Used
from wharfage_gateway.view import Model, Replica, View
from wharfage_gateway.waiting import Waiting, class_of

STREAM_LIMIT_S = 3600.0
"""After so long a request is taken for ended: its log entry must have been lost."""
NO_PACE_S = 10.0
"""When to come again where nothing has ended lately."""
SETTLED_S = 2.0
"""A request that was admitted so long ago is under way in Envoy, or over."""
PRESUMED = 10_000
"""How many of those that are taken for over are remembered, in case they are not."""
LOOKED_AT, MOST_PASSED_OVER = 8, 16
"""How many that wait are looked at for one whose cache is free, and how often the first may be passed over for it."""
COLD_S = 15.0
"""How long after its last request a model at zero is still asked for, if another deployment answered that one."""


@dataclass(slots=True)
class Desk:
    """One model's part. `cold` says that it is asked for while nothing of it is open."""

    model: Model
    waiting: Waiting
    running: dict[str, int] = field(default_factory=dict)
    outputs: Outputs = field(default_factory=Outputs)
    pace: Pace = field(default_factory=Pace)
    last_arrival_s: float = -math.inf
    cold: bool = False


class Board:
    """The state of one brain. `name` begins the names of its slots, and differs from one start to the next.

    `desks` are by the model's key, `waiting` and `running` by slot, in the order of arrival and of admission.
    """

    def __init__(
        self,
        name: str,
        *,
        stream_limit_s: float = STREAM_LIMIT_S,
        most_held_bytes: float = math.inf,
        version: int = 1,
    ) -> None:
        """`most_held_bytes` bounds the memory of all who wait, which is Envoy's."""
        self.view = View()
        self.desks: dict[str, Desk] = {}
        self.waiting: dict[str, Ticket] = {}
        self.running: dict[str, Ticket] = {}
        self.allowances = Allowances()
        self.tally = Tally()
        self.outcomes: dict[Answered, Outcome] = {}
        """How the answers of each model and variant ended."""
        self.version = version
        """Rises whenever what the operator should know at once has changed."""
        self.lost = 0
        """Requests that were taken for ended because of their age."""
        self.held_bytes = 0
        """What those who wait take up."""
        self._most_held_bytes = most_held_bytes
        self._name = name
        self._count = 0
        self._stream_limit_s = stream_limit_s
        self._by_request: dict[str, str] = {}
        self._suspects: frozenset[str] = frozenset()
        self._presumed: dict[str, Ticket] = {}
        self._inherited: dict[str, int] | None = None
        self._repeats = Repeats()
        self._ratings = Ratings()

    def arrive(self, asked: Asked, now_s: float) -> tuple[str, Answer, list[Called]]:
        """A request comes: the name of its slot, its answer, and whom it pushed out of the queue."""
        self._count += 1
        slot = f"{self._name}-{self._count}"
        model = self.view.model(asked.model)
        if model is None:
            refusal = rules.unknown(asked, self.view.models)
            self.tally.unrouted[refusal.reason] += 1
            return slot, refusal, []
        desk = self.desks[model.key]
        cls = class_of(asked.wanted_class, asked.key_class, model.classes, any_class=not asked.tenant)
        ticket = Ticket(slot, asked, model.key, cls, now_s, uniform(asked.request_id or slot) if model.split else 1.0)
        count = self.tally.of(model.key, cls, asked.tenant)
        count.arrivals += 1
        if (again := self._repeats.repeated(asked, now_s)) is not None:
            self._outcome(again).repeated += 1
        waiting = len(desk.waiting)
        most = asked.prompt_tokens + _most_output(asked, model, desk)
        pushed, heavy = self._pushed(desk, ticket)
        standing = Standing(
            free=None if waiting else self._free(desk, ticket),
            spare=self._spare(desk, ticket) if heavy or waiting >= model.most_waiting else None,
            waiting=waiting,
            tokens_after_s=self.allowances.after_s(model, asked.tenant, most, now_s),
            full_after_s=self._after_s(desk, now_s),
            heavy=heavy,
            may_push=pushed is not None,
        )
        answer = rules.admit(asked, model, standing)
        if isinstance(answer, Refuse):
            count.refused[answer.reason] += 1
            return slot, answer, []
        desk.last_arrival_s = now_s  # who is refused wishes for no replica
        ticket.reserved = self.allowances.reserve(model, asked.tenant, most, now_s)
        if asked.request_id:
            self._by_request[asked.request_id] = slot
        if model.at_zero:
            self._ask_cold(desk, True)
        if isinstance(answer, Admit):
            self._run(ticket, answer, now_s)
            return slot, answer, []
        called = []
        if pushed is not None:
            called.append(self._refuse(self.waiting[pushed], rules.crowded(model, standing.full_after_s), now_s))
        self.waiting[slot] = ticket
        self.held_bytes += ticket.held_bytes
        desk.waiting.join(slot, cls, asked.tenant)
        return slot, answer, called

    def _pushed(self, desk: Desk, ticket: Ticket) -> tuple[str | None, bool]:
        """Who makes room for one that would wait, None for nobody; and whether its body is too much as things stand."""
        beyond = self.held_bytes + ticket.held_bytes - self._most_held_bytes
        if len(desk.waiting) < desk.model.most_waiting and beyond <= 0:
            return None, False
        pushed = desk.waiting.sheds(ticket.cls, ticket.asked.tenant)
        if pushed is not None and self.waiting[pushed].held_bytes < beyond:
            pushed = None
        return pushed, beyond > 0

    def ended(self, slot: str, used: Used, now_s: float, *, request_id: str = "") -> list[Called]:
        """A request is over. What is said twice, or of a request of another brain, changes nothing."""
        slot = slot or self._by_request.get(request_id, "")
        ticket = self.running.pop(slot, None)
        if ticket is None:
            late = self._presumed.pop(slot, None)
            if late is not None:
                self.tally.of(late.key, late.cls, late.asked.tenant).unknown_tokens -= 1
                self._count_tokens(late, used, now_s)
            return self._left(slot, now_s)
        self._settle(ticket, used, now_s)
        return self._freed(ticket, now_s)

    def _freed(self, ticket: Ticket, now_s: float) -> list[Called]:
        asked_of = self.desks.get(ticket.key)
        if asked_of is not None:
            asked_of.waiting.over(ticket.slot, now_s - ticket.since_s)
        desk = self.desks.get(ticket.carrier)
        if desk is None:
            return []
        left = desk.running.get(ticket.replica, 0) - 1
        if left > 0:
            desk.running[ticket.replica] = left
        else:
            desk.running.pop(ticket.replica, None)
        desk.pace.add(now_s)
        return self._pump_all(ticket.carrier, now_s)

    def gone(self, slot: str, now_s: float) -> list[Called]:
        """A client left while it waited, or before it heard its answer: nothing was used."""
        return self.ended(slot, NOTHING, now_s)

    def see(self, view: View, now_s: float) -> list[Called]:
        """The cluster looks different now: waiting ones are let in where there is room, and refused of what is gone."""
        self.view = view
        models = {model.key: model for model in view.models.values()}
        called = [
            self._refuse(ticket, rules.unknown(ticket.asked, view.models), now_s)
            for ticket in list(self.waiting.values())
            if ticket.key not in models
        ]
        self.desks = {key: desk for key, desk in self.desks.items() if key in models or desk.running}
        for key, model in models.items():
            desk = self.desks.setdefault(key, Desk(model, Waiting(model.classes)))
            desk.model = model
            desk.waiting.reweigh(model.classes)
        self.allowances.keep(models.values(), view.gateways)
        for key in models:
            desk = self.desks[key]
            called += self._pump(desk, now_s)
            self._ask_cold(desk, desk.model.at_zero and (desk.cold or len(desk.waiting) > 0))
        return called

    def tick(self, now_s: float) -> list[Called]:
        """Time has passed: who waited too long is refused, and slots whose end was never told are free again."""
        called = []
        for ticket in list(self.waiting.values()):
            desk = self.desks[ticket.key]
            waited_s = now_s - ticket.arrived_s
            if waited_s >= desk.model.hold_s:
                refusal = rules.overdue(desk.model, waited_s, self._after_s(desk, now_s))
                called.append(self._refuse(ticket, refusal, now_s))
        aged = []
        for ticket in self.running.values():
            if now_s - ticket.since_s < self._stream_limit_s:
                break
            aged.append(ticket.slot)
        called += self._presume(aged, now_s)
        for desk in self.desks.values():
            if desk.cold and not len(desk.waiting) and now_s - desk.last_arrival_s >= COLD_S:
                self._ask_cold(desk, False)
        return called

    def recount(self, active: Mapping[str, Mapping[str, int]], now_s: float) -> list[Called]:
        """Envoy has so many requests under way, by served name and endpoint.

        What it has beyond ours was let in before this brain started: it takes up slots until it is over. Whoever is
        missing there for two looks is over.

        Log entries are lost when the log's stream breaks, and slots with them. Of a model the oldest are taken; if one
        of them ends after all, its tokens are still counted. Models that Envoy does not tell of are left alone, and so
        is a stream from a replica that is gone, which Envoy no longer lists.
        """
        self._inherit(active)
        models = [desk.model for desk in self.desks.values() if desk.model.served in active]
        listed = {(model.key, replica.name) for model in models for replica in model.replicas}
        old: dict[str, list[str]] = {model.key: [] for model in models}
        for slot, ticket in self.running.items():
            if (ticket.carrier, ticket.replica) in listed and now_s - ticket.since_s >= SETTLED_S:
                old[ticket.carrier].append(slot)
        suspects: list[str] = []
        for model in models:
            slots = old[model.key]
            suspects += slots[: max(0, len(slots) - sum(active[model.served].values()))]
        over = [slot for slot in suspects if slot in self._suspects]
        self._suspects = frozenset(suspects) - frozenset(over)
        called = self._presume(over, now_s)
        for desk in self.desks.values():
            called += self._pump(desk, now_s)
        return called

    def _inherit(self, active: Mapping[str, Mapping[str, int]]) -> None:
        """What Envoy has beyond ours at the first look; at later ones it can only have become less."""
        own: Counter[str] = Counter()
        for desk in self.desks.values():
            own.update({each.endpoint: desk.running.get(each.name, 0) for each in desk.model.replicas})
        beyond = {at: count - own[at] for hosts in active.values() for at, count in hosts.items() if count > own[at]}
        if self._inherited is not None:
            beyond = {at: min(count, beyond[at]) for at, count in self._inherited.items() if at in beyond}
        self._inherited = beyond

    def _presume(self, slots: Sequence[str], now_s: float) -> list[Called]:
        """These are over, though the log did not say so: what they had reserved is taken for used."""
        called = []
        self.lost += len(slots)
        for slot in slots:
            ticket = self.running.pop(slot)
            self._settle(ticket, UNTOLD, now_s)
            self._presumed[slot] = ticket
            if len(self._presumed) > PRESUMED:
                del self._presumed[next(iter(self._presumed))]
            called += self._freed(ticket, now_s)
        return called

    def _free(self, desk: Desk, ticket: Ticket) -> tuple[Model, Replica] | None:
        """Who would take it now: a replica of its model, or while that has none, of a deployment that stands in."""
        stand_ins = self._stand_ins(desk.model) if desk.model.at_zero else ()
        return self._room((desk.model, *stand_ins), ticket)

    def _spare(self, desk: Desk, ticket: Ticket) -> tuple[Model, Replica] | None:
        """Who would take it instead of a refusal: what stands in for its model, where nobody else waits for that."""
        variants = [name.removeprefix("variant/") for name in desk.model.fallback if name.startswith("variant/")]
        spares = tuple(each for each in desk.model.replicas if each.variant in variants)
        others = [model for model in self._stand_ins(desk.model) if not len(self.desks[model.key].waiting)]
        return self._room((replace(desk.model, replicas=spares), *others), ticket)

    def _room(self, models: Iterable[Model], ticket: Ticket) -> tuple[Model, Replica] | None:
        for model in models:
            running = self.desks[model.key].running
            if self._inherited:
                more = self._inherited
                running = {each.name: running.get(each.name, 0) + more.get(each.endpoint, 0) for each in model.replicas}
            found = place(
                model,
                running,
                gateways=self.view.gateways,
                turn=self.view.turn,
                prefix=ticket.asked.prefix,
                draw=ticket.draw,
            )
            if found is not None:
                return model, found
        return None

    def _stand_ins(self, model: Model) -> Iterable[Model]:
        if not model.fallback:
            return ()
        names = [name.removeprefix("deployment/") for name in model.fallback if name.startswith("deployment/")]
        here = {other.key for other in self.view.models.values()}
        return [self.desks[name].model for name in names if name in here and name != model.key]

    def _pump_all(self, key: str, now_s: float) -> list[Called]:
        """Let in whoever may use what became free at one model: its own first, then those it stands in for."""
        called = self._pump(self.desks[key], now_s)
        for other in self.desks.values():
            if len(other.waiting) and f"deployment/{key}" in other.model.fallback:
                called += self._pump(other, now_s)
        return called

    def _pump(self, desk: Desk, now_s: float) -> list[Called]:
        called = []
        while (first := desk.waiting.first()) is not None:
            free = self._free(desk, self.waiting[first])
            if free is None:
                break
            slot = self._at_home(desk, first, free)
            ticket = self.waiting[slot]
            desk.waiting.pop(slot)
            del self.waiting[slot]
            self.held_bytes -= ticket.held_bytes
            answer = rules.admitted(ticket.asked, desk.model, free)
            self._run(ticket, answer, now_s)
            called.append(Called(slot, answer))
        return called

    def _at_home(self, desk: Desk, first: str, free: tuple[Model, Replica]) -> str:
        """Who of the first few of the tenant whose turn it is goes to a replica that is free: whose cache it is.

        So nobody waits for a cache while another could go, and nobody is passed over for ever.
        """
        model, replica = free
        if self.waiting[first].passed_over >= MOST_PASSED_OVER:
            return first
        for slot in desk.waiting.next(LOOKED_AT):
            ticket = self.waiting[slot]
            if at_home(model, replica.name, ticket.asked.prefix, ticket.draw) and self._free(desk, ticket) == free:
                self.waiting[first].passed_over += slot != first
                return slot
        return first

    def _run(self, ticket: Ticket, answer: Admit, now_s: float) -> None:
        ticket.carrier, ticket.replica, ticket.since_s = answer.key, answer.replica, now_s
        ticket.variant = answer.variant
        ticket.most_output = ticket.asked.most_output_tokens if answer.cut is None else answer.cut
        self.running[ticket.slot] = ticket
        if ticket.asked.request_id:
            self._ratings.answers(ticket.asked.request_id, ticket.asked.tenant, (answer.key, answer.variant))
        desk = self.desks[answer.key]
        desk.running[answer.replica] = desk.running.get(answer.replica, 0) + 1
        self.tally.of(ticket.key, ticket.cls, ticket.asked.tenant).admitted += 1
        self.tally.waited(ticket.key, ticket.cls, now_s - ticket.arrived_s)

    def _refuse(self, ticket: Ticket, refusal: Refuse, now_s: float) -> Called:
        self.tally.of(ticket.key, ticket.cls, ticket.asked.tenant).refused[refusal.reason] += 1
        self._left(ticket.slot, now_s)
        return Called(ticket.slot, refusal)

    def _left(self, slot: str, now_s: float) -> list[Called]:
        """It waits no more; nobody is called, since only a free slot calls."""
        ticket = self.waiting.pop(slot, None)
        if ticket is not None:
            self.held_bytes -= ticket.held_bytes
            desk = self.desks[ticket.key]
            desk.waiting.leave(slot)
            self._settle(ticket, NOTHING, now_s)
            if not len(desk.waiting):
                self._ask_cold(desk, False)
        return []

    def _settle(self, ticket: Ticket, used: Used, now_s: float) -> None:
        """Count what it came to, and give back what it had reserved beyond; of what is not told the reserve stands."""
        if self._by_request.get(ticket.asked.request_id) == ticket.slot:
            del self._by_request[ticket.asked.request_id]
        if ticket.replica:
            self._count_tokens(ticket, used, now_s)
        desk = self.desks.get(ticket.key)
        if desk is not None and ticket.reserved:
            told = used.prompt_tokens is not None and used.output_tokens is not None
            total = (used.prompt_tokens or 0) + (used.output_tokens or 0) if told else ticket.reserved
            self.allowances.settle(desk.model, ticket.asked.tenant, ticket.reserved, total, now_s)

    def rate(self, rating: Rating) -> Verdict:
        """A client's word on an answer."""
        verdict, answered = self._ratings.rate(rating)
        if answered is not None:
            self._outcome(answered).ratings.add(rating.score)
        return verdict

    def _outcome(self, answered: Answered) -> Outcome:
        return self.outcomes.setdefault(answered, Outcome())

    def _count_tokens(self, ticket: Ticket, used: Used, now_s: float) -> None:
        count = self.tally.of(ticket.key, ticket.cls, ticket.asked.tenant)
        count.prompt_tokens += used.prompt_tokens or 0
        count.output_tokens += used.output_tokens or 0
        count.unknown_tokens += used.output_tokens is None
        carried = self.tally.carried_by(ticket.carrier, ticket.asked.tenant)
        carried.requests += bool(used.ending)
        carried.prompt_tokens += used.prompt_tokens or 0
        carried.output_tokens += used.output_tokens or 0
        if used.ending:
            answered = ticket.carrier, ticket.variant
            self._outcome(answered).add(used.ending, used.seconds, used.output_tokens, ticket.most_output)
            if used.ending != REJECTED:
                self._repeats.over(ticket.asked, answered, now_s)
        desk = self.desks.get(ticket.key)
        if used.output_tokens and desk is not None:
            desk.outputs.add(used.output_tokens)

    def _ask_cold(self, desk: Desk, cold: bool) -> None:
        if desk.cold != cold:
            desk.cold = cold
            self.version += 1

    def _after_s(self, desk: Desk, now_s: float) -> float:
        pace = desk.pace.now(now_s)
        return min(desk.model.hold_s, (len(desk.waiting) + 1) / pace) if pace > 0.0 else NO_PACE_S


def _most_output(asked: Asked, model: Model, desk: Desk) -> int:
    """The most tokens that its answer is taken to come to: its own limit or the model's, or what answers come to."""
    if not asked.dialect.limits:
        return 0
    expected = desk.outputs.p95 if asked.most_output_tokens is None else asked.most_output_tokens
    return expected if model.most_output_tokens is None else min(expected, model.most_output_tokens)
