"""Which replica answers a request: one that has room, in the order of variants, and near its prompt's cache.

Room is counted per gateway: each may fill its part of what a replica may have. What has no room here has none: the
request waits, because what waits in an engine can neither be reordered nor moved.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

from wharfage_gateway.view import Model, Replica

BOUND = 1.25
"""How far above the mean of its like a replica may be loaded for the sake of its cache (consistent hashing with bounded
loads, Mirrokni, Thorup, Zadimoghaddam 2018)."""
IDLE = 0.75
"""Below this part of its slots a replica is not loaded, however little the others have, since slots are what it carries
within its objectives: else a mean of one request in ten slots would send every second one away from its cache."""

_MASK = 2**64 - 1


def limit(replica: Replica, gateways: int = 1, turn: int | None = None) -> int:
    """How many requests this gateway, the `turn`th of so many, may have on a replica at once.

    Together they stay within what it may have: what does not divide goes to some of them, which differ by replica; to
    none where `turn` is not known. But each may send one, or a replica of one slot would never answer behind two
    gateways.
    """
    each, rest = divmod(math.floor(replica.most + 1e-9), max(1, gateways))
    more = rest > 0 and turn is not None and (turn + _seed(replica.name)) % gateways < rest
    return max(1, each + more)


def place(
    model: Model,
    running: Mapping[str, int],
    *,
    gateways: int = 1,
    turn: int | None = None,
    prefix: int | None = None,
    draw: float = 1.0,
) -> Replica | None:
    """The replica that takes a request now, or None. `running` counts this gateway's requests by replica.

    `draw` is a number in [0, 1) that is the same whenever the request is looked at: by it a trial gets its share.
    """
    for tier in tiers(model, draw):
        free = [each for each in tier if running.get(each.name, 0) < limit(each, gateways, turn)]
        if not free:
            continue
        if prefix is not None and model.prefix_affinity and len(tier) > 1:
            return near(tier, free, running, prefix, gateways)
        return _emptiest(free, running)
    return None


def tiers(model: Model, draw: float) -> Iterable[Sequence[Replica]]:
    """Open replicas in groups, in the order in which they are tried.

    First the trial that this request is drawn for; then the variants in their order, then those that the order does not
    name. A variant on trial gets its share and no more, and one that is a fallback nothing, while any other is open.
    """
    opened = [each for each in model.replicas if each.open]
    if not (model.order or model.split or model.fallback):
        return (opened,)
    spare = [name.removeprefix("variant/") for name in model.fallback if name.startswith("variant/")]
    usual = [each for each in opened if each.variant not in model.split and each.variant not in spare]
    found = [[each for each in opened if each.variant == drawn(model.split, draw)]] if model.split else []
    if usual:
        found += [[each for each in usual if each.variant == name] for name in model.order]
        found.append([each for each in usual if each.variant not in model.order])
    else:
        found += [[each for each in opened if each.variant == name] for name in spare]
        found.append([each for each in opened if each.variant not in spare])
    return [tier for tier in found if tier]


def drawn(split: Mapping[str, float], draw: float) -> str | None:
    """The variant on trial that a draw falls to; None for the most, which are not on trial."""
    for variant, share in sorted(split.items()):
        if draw < share:
            return variant
        draw -= share
    return None


def near(
    tier: Sequence[Replica], free: Sequence[Replica], running: Mapping[str, int], prefix: int, gateways: int = 1
) -> Replica:
    """The home of this prefix, where that has room and is not loaded above the bound; else the emptiest that is not.

    The one that the prefix ranks next instead would be kept from prefixes of its own, and those from the next.
    """
    mean = (sum(running.get(each.name, 0) for each in tier) + 1) / sum(each.slots for each in tier)
    within = [
        each
        for each in free
        if running.get(each.name, 0) < max(math.ceil(BOUND * mean * each.slots), IDLE * each.slots / gateways)
    ]
    first = home(tier, prefix)
    return first if first in within else _emptiest(within or free, running)


def home(tier: Sequence[Replica], prefix: int) -> Replica:
    """The replica that this prefix ranks first, whether it has room or not.

    Ranks are weighted rendezvous hashing (Thaler, Ravishankar 1998; weights: -slots / ln(uniform)), so a replica that
    comes or goes moves only the prefixes that are or become its own.
    """
    return max(tier, key=lambda each: (_rank(each, prefix), each.name))


def at_home(model: Model, replica: str, prefix: int | None, draw: float = 1.0) -> bool:
    """Whether a request with this prefix would go to this replica for its cache."""
    if prefix is None or not model.prefix_affinity:
        return False
    return any(home(tier, prefix).name == replica for tier in tiers(model, draw))


def _emptiest(free: Iterable[Replica], running: Mapping[str, int]) -> Replica:
    return min(free, key=lambda each: (running.get(each.name, 0) / each.slots, -each.slots, each.name))


def uniform(text: str) -> float:
    """A number in [0, 1) that only the text decides."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64


def _rank(replica: Replica, prefix: int) -> float:
    mixed = (prefix ^ _seed(replica.name)) * 0x9E3779B97F4A7C15 & _MASK
    mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93 & _MASK
    mixed ^= mixed >> 32
    return -replica.slots / math.log((mixed + 1) / (2**64 + 1))


@lru_cache(maxsize=4096)
def _seed(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
