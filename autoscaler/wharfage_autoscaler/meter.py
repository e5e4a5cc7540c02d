"""What is running and until when it is charged: the memory from which the next charge is worked out (`metering`).

Seconds are those of the ledger's clock, in Unix time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from wharfage_autoscaler.spend import Account


@dataclass(frozen=True, slots=True)
class Stay:
    """One replica on a machine, from the moment it is bound to it.

    `part` is how much of the machine it takes, above 0 and up to 1. `ready_s` is when it was first ready, `until_s`
    when it was gone; None where it has not come to that.
    """

    account: Account
    part: float
    since_s: float
    ready_s: float | None = None
    until_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse a part that no machine has."""
        if not 0.0 < self.part <= 1.0:
            raise ValueError(f"a replica takes a part of its machine between 0 and 1, not {self.part}")


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine and who is on it, by the uid of the pod.

    `whole`: it carries nobody but us, so that what nobody uses of it is ours to pay as well. `guessed`: its price is
    not known, and this one is the dearest that it may be. `left` is who was on it last. `until_s` is when it was gone.
    """

    usd_per_hour: float
    whole: bool
    since_s: float
    stays: Mapping[str, Stay] = field(default_factory=dict)
    guessed: bool = False
    left: Account | None = None
    until_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse a price that would make a sum of dollars anything but one."""
        if not 0.0 <= self.usd_per_hour < float("inf"):
            raise ValueError(f"a machine costs a finite number of dollars per hour, not {self.usd_per_hour}")


@dataclass(frozen=True, slots=True)
class Meter:
    """What was there at `mark_s`, until when all of it is charged. Machines by the uid of the node."""

    mark_s: float
    machines: Mapping[str, Machine] = field(default_factory=dict)

    def shifted(self, delta_s: float) -> "Meter":
        """The same on a clock that was set by so many seconds: what is charged is, and what is not is not."""
        machines = {uid: _shifted(machine, delta_s) for uid, machine in self.machines.items()}
        return Meter(self.mark_s + delta_s, machines)

    def rates(self) -> dict[Account, float]:
        """Dollars per hour of now, by who pays them."""
        found: dict[Account, float] = {}
        for machine in self.machines.values():
            for account, part in machine_parts(machine).items():
                found[account] = found.get(account, 0.0) + part * machine.usd_per_hour
        return found


def machine_parts(machine: Machine) -> dict[Account, float]:
    """The parts of a machine that are paid for now, by whom: all of it where it is whole."""
    used: dict[Account, float] = {}
    for stay in machine.stays.values():
        used[stay.account] = used.get(stay.account, 0.0) + stay.part
    if not machine.whole:
        return used
    if not used:
        return {} if machine.left is None else {machine.left: 1.0}
    return {account: part / sum(used.values()) for account, part in used.items()}


def last_of(stays: Iterable[Stay], before: Account | None) -> Account | None:
    """Who left last, of stays that have ended and who left before them."""
    ended = [(stay.until_s, stay.account) for stay in stays if stay.until_s is not None]
    return max(ended)[1] if ended else before


def _shifted(machine: Machine, delta_s: float) -> Machine:
    stays = {
        uid: replace(
            stay,
            since_s=stay.since_s + delta_s,
            ready_s=None if stay.ready_s is None else stay.ready_s + delta_s,
        )
        for uid, stay in machine.stays.items()
    }
    return replace(machine, since_s=machine.since_s + delta_s, stays=stays)
