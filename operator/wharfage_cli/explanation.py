"""`wharfage explain`: a decision that stands, decided once more from what it looked at, in words for people.

Everything here is a function from what was read; the reading itself is `asking.py`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wharfage_api import VERSION
from wharfage_operator.account import Account, Grounds, digest, read, replayed
from wharfage_operator.telling import differences, fleet_words, outcome

from wharfage_cli.money import spent
from wharfage_cli.output import UNKNOWN
from wharfage_cli.status import condition

_NOTHING = "nothing"
_STARTS = 10
_WORTH_SAYING = 0.05


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the operator decided, what it looked at, and in what a replay differs (empty: in nothing)."""

    namespace: str
    name: str
    digest: str
    decided: Mapping[str, Any]
    account: Account | None
    differs: tuple[str, ...]
    engines: tuple[str, ...] = ()
    """What one replica of each kind that runs carries, in sentences."""

    @property
    def same(self) -> bool:
        """Whether the replay came to the same."""
        return not self.differs


def explanation(namespace: str, name: str, page: Mapping[str, Any]) -> Explanation:
    """Judge the page that the operator served for one deployment.

    Raises:
        ValueError: where the page is no such page.

    """
    decided, stated = page.get("decision"), page.get("digest")
    if not isinstance(decided, dict) or not isinstance(stated, str):
        raise ValueError("it has no decision and digest")
    account, said = read(page.get("account")), page.get("engines")
    engines = tuple(map(str, said)) if isinstance(said, list) else ()
    if account is None:
        return Explanation(namespace, name, stated, decided, None, ("release",), engines)
    differs = differences(decided, outcome(replayed(account)))
    if digest(account) != stated:
        differs.append("digest")
    return Explanation(namespace, name, stated, decided, account, tuple(differs), engines)


def undecided(deployment: Mapping[str, Any]) -> str:
    """Why nothing is decided for a deployment, where its status has the reason; else empty."""
    status = dict(deployment.get("status") or {})
    for about in ("Accepted", "Ready"):
        said = condition(status, about)
        if said.get("status") == "False":
            return f"nothing is decided: {about}=False, {said['reason']}: {said['message']}"
    return ""


def lines(told: Explanation, deployment: Mapping[str, Any]) -> Iterator[str]:
    """The explanation for a terminal, with what the deployment's status says now."""
    summary = (deployment.get("status") or {}).get("summary") or {}
    fleet = told.decided["fleet"]
    priced = "" if fleet == _NOTHING else f" at {_usd(told.decided['usd_per_hour'])}"
    yield f"{told.namespace}/{told.name}: {fleet}{priced}"
    if summary:
        runs = summary.get("fleet", UNKNOWN)
        yield f"  now: {_NOTHING if runs == UNKNOWN else runs}, ready {summary.get('replicas', 'unknown')}"
    if said := spent(deployment):
        yield f"  spent: {said}"
    if told.account is not None:
        yield ""
        yield from _seen(told.account)
    for sentence in told.engines:
        yield f"  {'engines':<{_STARTS}}{sentence}"
    yield ""
    yield "Decided, in this order:"
    for number, step in enumerate(told.decided["steps"], start=1):
        yield f"  {number}. {step['reason']}: {step['message']}"
    if told.decided["advised"]:
        yield f"  if the load decided: {told.decided['advised']}"
    yield ""
    yield "Next best:"
    for row in told.decided["rejected"]:
        yield f"  {row['fleet']} at {_usd(row['usd_per_hour'])}: {row['why']}"
    if not told.decided["rejected"]:
        yield "  none was weighed"
    yield ""
    yield _verdict(told)


def _seen(account: Account) -> Iterator[str]:
    grounds = account.of_load or account.grounds
    at = datetime.fromtimestamp(grounds.seen.now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    yield f"Seen at {at}:"
    for title, words in (("load", _load(grounds)), ("forecast", _forecast(grounds)), ("fleet", _fleet(grounds))):
        yield f"  {title:<{_STARTS}}{words}"
    offers = grounds.seen.offers
    obtainable = sum(1 for offer in offers if offer.obtainable)
    yield f"  {'offers':<{_STARTS}}{len(offers)}, of which an order would be filled: {obtainable}"


def _load(grounds: Grounds) -> str:
    load = grounds.seen.load
    if load is None:
        return "not known, which is not zero"
    words = f"{load.requests_per_second:.2f} req/s over the last {load.window_s:.0f} s"
    if load.requests_per_second_5m is not None:
        words += f", {load.requests_per_second_5m:.2f} over 5 min"
    words += f"; {load.running:.0f} running, {load.waiting:.0f} waiting"
    if load.bad_share_5m is not None:
        words += f"; {100 * load.bad_share_5m:.1f} % missed their objectives"
    if abs(load.work_per_request - 1.0) >= _WORTH_SAYING:
        words += f"; each worth {load.work_per_request:.2f} of those that were planned for"
    return words


def _forecast(grounds: Grounds) -> str:
    if grounds.seen.allotment is None or not grounds.seen.allotment.shapes:
        return "not asked: no load leads this decision"
    if grounds.expected_rps is None or math.isnan(grounds.expected_rps):
        return "none yet"
    lead_s = max(portion.start_s for portion in grounds.seen.allotment.shapes)
    level = 100 * grounds.seen.law.level
    return f"p{level:.0f} in {lead_s:.0f} s, when what is ordered now serves: {grounds.expected_rps:.2f} req/s"


def _fleet(grounds: Grounds) -> str:
    fleet = grounds.seen.fleet
    if not fleet.replicas:
        return "nothing runs"
    return f"{fleet_words(fleet)} at {_usd(fleet.usd_per_hour)}, {fleet.ready} of {fleet.replicas} ready"


def _usd(usd_per_hour: float | None) -> str:
    return "a price that is not known" if not usd_per_hour else f"{usd_per_hour:.2f} USD/h"


def _verdict(told: Explanation) -> str:
    if told.same:
        return f"Replayed from its account {told.digest}: the same decision."
    if told.account is None:
        return (
            f"Not replayed: the account {told.digest} was written by another release than this program "
            f"(API {VERSION}); use the `wharfage` of the operator's release."
        )
    return (
        f"Replayed from its account {told.digest}: NOT the same, it differs in {', '.join(told.differs)}. Use the "
        "`wharfage` of the operator's release; where it is, please report this with the output of --json."
    )
