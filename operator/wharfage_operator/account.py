"""All that one decision looked at, kept so that it can be written down, taken elsewhere and decided again.

A forecast is asked for its quantile at one moment, under a budget for two of them; what it said is kept in its stead.
"""

import hashlib
import json
from dataclasses import dataclass, replace

from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.demand import expected_rps
from wharfage_autoscaler.snapshot import Memory, Snapshot

from wharfage_operator.advice import advised, refused
from wharfage_operator.values import Notation


@dataclass(frozen=True, slots=True)
class Said:
    """One answer in a forecast's stead: what is left of one, or what the user expects before there is any.

    `usual` is another one, and the quantile that it was asked for.
    """

    rps: float | None
    usual: tuple[float, float | None] | None = None

    def highest(self, level: float, from_s: float, to_s: float) -> float | None:
        """That answer, whatever is asked, but for the other quantile."""
        return self.usual[1] if self.usual is not None and self.usual[0] == level else self.rps


@dataclass(frozen=True, slots=True)
class Grounds:
    """What was seen, without the forecast; what that said, in requests per second; what was remembered.

    `usually_rps` is what it said at the quantile of the law that would hold if no budget held dollars down.
    """

    seen: Snapshot
    expected_rps: float | None
    memory: Memory
    usually_rps: float | None = None

    def decided(self) -> tuple[Decision, Memory]:
        """The decision, and what it leaves for the next."""
        usual = None if self.seen.usual_law is None else (self.seen.usual_law.level, self.usually_rps)
        return decide(replace(self.seen, forecast=Said(self.expected_rps, usual)), self.memory)


@dataclass(frozen=True, slots=True)
class Account:
    """The grounds of a decision; where the user decides, those of what the load would ask for as well.

    `refused` says why the load cannot lead, where objectives are out of reach of all that can be had.
    """

    grounds: Grounds
    of_load: Grounds | None = None
    refused: str = ""


_NOTATION = Notation(Account, left_out=frozenset({"forecast"}))


def accounted(seen: Snapshot, memory: Memory) -> Grounds:
    """The grounds of a decision that is about to be taken."""
    usually_rps = None if seen.usual_law is None else expected_rps(seen, seen.usual_law)
    return Grounds(replace(seen, forecast=None), expected_rps(seen), memory, usually_rps)


def replayed(account: Account) -> Decision:
    """The decision once more: the same, unless another release had taken it."""
    decision, _ = account.grounds.decided()
    if account.refused:
        return refused(decision, account.refused)
    if account.of_load is None:
        return decision
    led, _ = account.of_load.decided()
    return advised(decision, led, account.grounds.seen.fleet)


def written(account: Account) -> dict[str, object]:
    """The account as JSON has it."""
    return _NOTATION.written(account)


def read(found: object) -> Account | None:
    """The account that was written; None where it is broken, or another release wrote it."""
    return _NOTATION.read(found)


def digest(account: Account) -> str:
    """16 hexadecimal digits that differ where anything differs that was looked at."""
    text = json.dumps(_alike(written(account)), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _alike(plain: object) -> object:
    """With every number as a float: 8 is read as 8.0 where a float is meant."""
    if isinstance(plain, dict):
        return {name: _alike(each) for name, each in plain.items()}
    if isinstance(plain, list):
        return [_alike(each) for each in plain]
    return float(plain) if type(plain) is int else plain
