"""Needs and berths with boring defaults, small random ones, and the best answer by trying everything."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from hypothesis import strategies as st
from wharfage_autoscaler.choice import Candidate
from wharfage_autoscaler.fit import Fit
from wharfage_autoscaler.fleet import Fleet
from wharfage_autoscaler.model import Placement, SpotPolicy
from wharfage_autoscaler.need import Berth, Key, Need
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.seats import Mix, broken, mix_of, score
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.supply import Cap, Supply

from tests.builders import offer, variant

EVERYWHERE = Placement(spot=SpotPolicy.ALLOW)
ANY_SPOT = Placement(spot=SpotPolicy.ALLOW, max_spot_share=1.0, min_on_demand_share=0.0)


def berth(
    of: Offer | None = None,
    rps: float = 4.0,
    *,
    accelerators: int = 1,
    start_s: float = 0.0,
    variant_name: str = "bf16",
    penalty_usd_per_hour: float = 0.0,
) -> Berth:
    """A replica on one L4 that serves four requests a second and starts at once."""
    sits = Fit(
        accelerators=accelerators,
        weights_gib=15.3,
        kv_gib=3.0,
        overhead_gib=1.9,
        usable_gib=20.2,
        max_sequences=2,
        max_model_tokens=8192,
        max_num_seqs=256,
        max_num_batched_tokens=2048,
        cores=4.0,
        host_memory_gib=16.0,
    )
    return Berth(Candidate(variant(variant_name), of or offer(), sits), rps, start_s, penalty_usd_per_hour)


def need(
    *berths: Berth,
    peak_rps: float = 10.0,
    usual_rps: float | None = None,
    key: Key = ("shop", "chat"),
    shapes: int = 1,
    variants: int = 1,
    min_replicas: int = 0,
    max_replicas: int = 10,
    placement: Placement = EVERYWHERE,
    loss_allowed: float = 1.0,
    usd_per_hour_limit: float | None = None,
    priority: int = 100,
    fleet: Fleet = Fleet(),  # noqa: B008 - immutable
) -> Need:
    """Ten requests a second, eight usually; every joint loss but that of one pool is accepted."""
    return Need(
        key=key,
        berths=berths,
        peak_rps=peak_rps,
        usual_rps=0.8 * peak_rps if usual_rps is None else usual_rps,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        shapes=shapes,
        variants=variants,
        placement=placement,
        loss_allowed=loss_allowed,
        usd_per_hour_limit=usd_per_hour_limit,
        priority=priority,
        fleet=fleet,
    )


def spot(name: str = "g6.xlarge", zone: str = "a", *, usd_per_hour: float = 0.4, accelerators: int = 1) -> Offer:
    """A spot machine that is hardly ever taken back."""
    return offer(
        name,
        market=Market.SPOT,
        zone=zone,
        usd_per_hour=usd_per_hour,
        accelerators=accelerators,
        interruptions_per_month=0.1,
    )


def reserved(name: str = "g6.xlarge", *, usd_per_hour: float = 0.7, accelerators: int = 1) -> Offer:
    """A reserved machine."""
    return offer(name, market=Market.RESERVED, usd_per_hour=usd_per_hour, accelerators=accelerators)


def everything(needs: Sequence[Need], most: int) -> Iterator[tuple[Mix, ...]]:
    """All mixes of up to `most` replicas per berth, whatever they break."""
    per_need = [
        [mix_of(each, zip(each.berths, counts, strict=True)) for counts in product(range(most + 1), repeat=n)]
        for each in needs
        for n in [len(each.berths)]
    ]
    return product(*per_need)


def best(needs: Sequence[Need], supply: Supply, most: int) -> float:
    """The least that any of them counts without breaking a row."""
    return min(score(needs, mixes, supply) for mixes in everything(needs, most) if not broken(needs, mixes, supply))


prices = st.integers(1, 400).map(lambda dimes: dimes / 10)
rates = st.integers(2, 40).map(lambda quarters: quarters / 4)
demands = st.integers(0, 60).map(lambda halves: halves / 2)


@st.composite
def catalogs(draw: st.DrawFn, most: int = 4) -> tuple[Offer, ...]:
    """A few offers of machines of 1, 2 or 4 accelerators, in markets and zones."""
    size = {name: draw(st.sampled_from([1, 2, 4])) for name in ("a", "b")}
    keys = st.tuples(
        st.sampled_from(sorted(size)),
        st.sampled_from(
            [(Market.ON_DEMAND, ""), (Market.SPOT, "x"), (Market.SPOT, "y"), (Market.SPOT, "z"), (Market.RESERVED, "")]
        ),
    )
    return tuple(
        offer(
            name,
            market=market,
            zone=zone,
            accelerators=size[name],
            usd_per_hour=draw(prices),
            interruptions_per_month=draw(st.sampled_from([0.0, 0.1, 20.0])),
        )
        for name, (market, zone) in draw(st.lists(keys, min_size=1, max_size=most, unique=True))
    )


@st.composite
def needs(
    draw: st.DrawFn,
    catalog: tuple[Offer, ...] = (),
    *,
    most_berths: int = 3,
    most_replicas: int = 4,
    key: Key = ("shop", "chat"),
) -> Need:
    """A small need: any policy, one shape or several, something running or not, a limit or none."""
    rows = catalog or draw(catalogs(most_berths))
    chosen = draw(st.lists(st.sampled_from(rows), min_size=1, max_size=most_berths, unique_by=lambda each: each.key))
    where = tuple(
        berth(
            each,
            draw(rates),
            accelerators=draw(st.sampled_from([n for n in (1, 2, 4) if n <= each.accelerators])),
            start_s=draw(st.sampled_from([0.0, 600.0])),
            variant_name=draw(st.sampled_from(["bf16", "int4"])),
        )
        for each in chosen
    )
    runs = draw(st.lists(st.sampled_from(where), max_size=1))
    return need(
        *where,
        key=key,
        peak_rps=draw(demands),
        usual_rps=draw(demands) / 2,
        shapes=draw(st.sampled_from([1, 3])),
        variants=draw(st.sampled_from([1, 3])),
        min_replicas=draw(st.integers(0, 2)),
        max_replicas=draw(st.integers(1, most_replicas)),
        placement=Placement(
            spot=draw(st.sampled_from(SpotPolicy)),
            max_spot_share=draw(st.sampled_from([0.6, 1.0])),
            min_on_demand_share=draw(st.sampled_from([0.0, 0.4])),
        ),
        usd_per_hour_limit=draw(st.none() | prices),
        fleet=Fleet(tuple(each.replicas(1) for each in runs)),
    )


@st.composite
def supplies(draw: st.DrawFn, *of: Need) -> Supply:
    """Counts for reserved machines, a quota now and then, a machine that stands open now and then."""
    found = {each.offer.key: each.offer for one in of for each in one.berths}
    counted = {key for key, each in found.items() if each.market is Market.RESERVED or draw(st.integers(0, 4)) == 0}
    return Supply(
        machines={key: draw(st.integers(0, 2)) for key in sorted(counted)},
        open={key: 0.5 for key in sorted(found) if draw(st.integers(0, 5)) == 0},
    )


@st.composite
def clusters(draw: st.DrawFn, most: int = 4) -> ClusterSnapshot:
    """Some small needs over one catalog, with counted machines and budgets over some or all of them."""
    catalog = draw(catalogs(5))
    asked = tuple(draw(needs(catalog, key=("shop", f"d{n}"))) for n in range(draw(st.integers(1, most))))
    supply = replace(draw(supplies(*asked)), open={})
    budgets = [("all", asked), ("some", asked[: (len(asked) + 1) // 2])]
    caps = tuple(
        Cap(name, frozenset(each.key for each in members), draw(st.integers(0, 60)))
        for name, members in budgets
        if draw(st.booleans())
    )
    return ClusterSnapshot(asked, replace(supply, caps=caps))
