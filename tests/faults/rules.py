"""What goes wrong, and when: the nth request that looks like this gets that fault."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.faults.requests import Request


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection closes; the API server never hears of the request."""


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """The API server does what was asked, and the connection closes before the answer."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The API server gets the request twice, as from a middlebox that tries again; the client sees one answer."""

    shown: int = 1
    """Which of the two."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The request reaches the API server late."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """The request reaches the API server when somebody sets this."""

    released: threading.Event


@dataclass(frozen=True, slots=True)
class Answer:
    """The client gets this status, and the API server never hears of the request."""

    status: int
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """A list is answered as the same one was `ago` lists before, or as the oldest that is remembered."""

    ago: int = 1


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer, ever; the connection stays open."""


@dataclass(frozen=True, slots=True)
class ResetStream:
    """The answer breaks off by a connection reset after so many lines; a watch event is a line."""

    after_lines: int = 0


@dataclass(frozen=True, slots=True)
class FreezeStream:
    """The answer stands still after so many lines, on an open connection."""

    after_lines: int = 0


@dataclass(frozen=True, slots=True)
class Expire:
    """The watch says that its resource version is too old, and ends: a new list is needed."""


@dataclass(frozen=True, slots=True)
class LoseLine:
    """The nth line of the answer is left out: a watch event that never came."""

    number: int | None = 1
    """None: all of them."""
    saying: bytes = b""
    """Only lines with this in them count."""


@dataclass(frozen=True, slots=True)
class SwapLines:
    """The nth line of the answer arrives after the one that follows it: two watch events out of order."""

    number: int | None = 1
    """None: all of them, in pairs."""
    saying: bytes = b""
    """Only lines with this in them count."""


@dataclass(frozen=True, slots=True)
class Kill:
    """The API server does what was asked; then `kill` is called, before the client sees the answer."""

    kill: Callable[[], None]


OnStream = ResetStream | FreezeStream | Expire | LoseLine | SwapLines
"""What befalls the lines of an answer."""

Fault = Drop | LoseAnswer | Repeat | Delay | Hold | Answer | Stale | Hang | OnStream | Kill


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which requests are meant. What is None does not matter."""

    verb: str | None = None
    group: str | None = None
    resource: str | None = None
    subresource: str | None = None
    namespace: str | None = None
    name: str | None = None
    write: bool | None = None
    user_agent: str | None = None
    """A part of it."""
    token: str | None = None

    def __call__(self, request: Request) -> bool:
        """Whether `request` is meant."""
        wanted = (
            self.verb,
            self.group,
            self.resource,
            self.subresource,
            self.namespace,
            self.name,
            self.write,
            self.token,
        )
        found = (
            request.verb,
            request.group,
            request.resource,
            request.subresource,
            request.namespace,
            request.name,
            request.is_write,
            request.token,
        )
        same = all(want is None or want == have for want, have in zip(wanted, found, strict=True))
        return same and (self.user_agent is None or self.user_agent in request.user_agent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The `nth` matching request, and the following ones up to `times` of them, get `fault`."""

    fault: Fault
    match: Match = Match()
    nth: int = 1
    times: int | None = 1
    """None: from the nth on, always."""

    def hits(self, number: int) -> bool:
        """Whether the `number`th matching request, counted from 1, gets the fault."""
        return number >= self.nth and (self.times is None or number < self.nth + self.times)


@dataclass(slots=True)
class _Counted:
    rule: Rule
    count: int = 0


class Schedule:
    """Counts requests against rules. Every rule counts what it matches; of those that hit, the first one counts.

    Rules may come and go in another thread than the one that asks.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = [_Counted(rule) for rule in rules]

    def add(self, rule: Rule) -> None:
        """A rule that counts from now on."""
        self._rules.append(_Counted(rule))

    def clear(self) -> None:
        """From now on nothing goes wrong."""
        self._rules.clear()

    def fault_for(self, request: Request) -> Fault | None:
        """What happens to this request."""
        chosen: Fault | None = None
        for each in tuple(self._rules):
            if each.rule.match(request):
                each.count += 1
                if chosen is None and each.rule.hits(each.count):
                    chosen = each.rule.fault
        return chosen
