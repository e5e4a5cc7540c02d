"""The decision that stands, told three ways: a record of the log, a page for whoever asks, and what both agree on."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from wharfage_autoscaler.decision import Decision
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.words import pools_words

from wharfage_operator.account import Account, digest, written
from wharfage_operator.kinds import Key

_STEPS, _CANDIDATES = 6, 5
_LONGEST = 160  # bytes of a text as JSON has it, so that a record stays under 4 kB
_KEPT = _LONGEST - 5


@dataclass(frozen=True, slots=True)
class Telling:
    """A decision, and all that it looked at."""

    decision: Decision
    account: Account


def news(before: Decision, now: Decision) -> bool:
    """Whether it aims for something else, or for other reasons: every node that comes has all decide once more."""
    same = before.target == now.target and before.advised == now.advised
    return not same or [step.reason for step in before.steps] != [step.reason for step in now.steps]


def record(key: Key, telling: Telling) -> dict[str, object]:
    """The decision as fields of one log record of less than 4 kB."""
    decision, grounds = telling.decision, telling.account.of_load or telling.account.grounds
    chosen = fleet_words(decision.target)
    candidates: list[object] = [{"fleet": _cut(chosen), "usd_per_hour": _figure(decision.target.usd_per_hour)}]
    candidates += [
        {"fleet": _cut(row.fleet), "usd_per_hour": _figure(row.usd_per_hour), "why": _cut(row.why)}
        for row in decision.rejected[:_CANDIDATES]
    ]
    demand: dict[str, object] = {}
    if decision.demand is not None:
        level = grounds.seen.law.level
        signals = {name: _figure(each) for name, each in decision.demand.signals._asdict().items() if name != "now_s"}
        demand = {**signals, "level": level, "wanted_rps": _figure(decision.demand.wanted_rps)}
    return {
        "deployment": _cut("/".join(key)),
        "digest": digest(telling.account),
        "demand": demand,
        "candidates": candidates,
        "chosen": _cut(chosen),
        "binding": decision.steps[-1].reason.value if decision.steps else "",
        "steps": [{"reason": step.reason.value, "message": _cut(step.message)} for step in decision.steps[-_STEPS:]],
    }


def page(telling: Telling) -> dict[str, object]:
    """The decision for people, and its account for a replay."""
    return {
        "digest": digest(telling.account),
        "decision": outcome(telling.decision),
        "account": written(telling.account),
    }


def outcome(decision: Decision) -> dict[str, object]:
    """What a replay has to come to as well: the fleet, the steps in their order, the next best."""
    return {
        "fleet": fleet_words(decision.target),
        "usd_per_hour": decision.target.usd_per_hour,
        "replicas": decision.target.replicas,
        "steps": [{"reason": step.reason.value, "message": step.message} for step in decision.steps],
        "rejected": [
            {"fleet": row.fleet, "usd_per_hour": row.usd_per_hour, "why": row.why} for row in decision.rejected
        ],
        "advised": None if decision.advised is None else fleet_words(decision.advised),
    }


def fleet_words(fleet: Fleet) -> str:
    """Every pool with its count: `3x g6e.xlarge (L40S x1) spot + 1x g6.xlarge (L4 x1) on-demand`."""
    return " + ".join(pools_words(fleet)) or "nothing"


def _figure(value: float | None) -> float | None:
    """Six digits of a number, None where none is known."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def _cut(text: str) -> str:
    """The text, or the beginning of it in characters that take one byte each."""
    if len(json.dumps(text)) <= _LONGEST:
        return text
    return (
        "".join(one if one.isascii() and one.isprintable() and one not in '"\\' else "?" for one in text[:_KEPT])
        + "..."
    )


def differences(told: Mapping[str, object], again: Mapping[str, object]) -> list[str]:
    """In which parts of the outcome two decisions differ."""
    return [name for name in again if told.get(name) != again[name]]
