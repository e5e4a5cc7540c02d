"""Values of the core with boring defaults: a test names only what it is about."""

from wharfage_autoscaler.fleet import Fleet, Pool
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.model import Mode, ModelShape, Placement, Variant, Wanted
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.shapes import KNOWN
from wharfage_autoscaler.snapshot import Key, Snapshot

QWEN3_8B = KNOWN["Qwen/Qwen3-8B"].shape
TINY = ModelShape(
    parameters=1.02e6,
    active_parameters=1.02e6,
    layers=2,
    hidden_size=128,
    ffn_size=512,
    vocabulary_size=4096,
    attention_heads=4,
    kv_heads=2,
    head_dimension=32,
    max_context_tokens=4096,
)


def offer(
    name: str = "g6.xlarge",
    *,
    catalog: str = "cloud",
    market: Market = Market.ON_DEMAND,
    zone: str = "",
    accelerator: str = "L4",
    accelerators: int = 1,
    accelerator_memory_gib: float = 24,
    vcpus: float = 8,
    memory_gib: float = 32,
    usd_per_hour: float = 1.0,
    interruptions_per_month: float | None = None,
    node_selector: tuple[tuple[str, str], ...] = (),
    obtainable: str = "NodePool gpu",
) -> Offer:
    """One obtainable on-demand machine with a single L4."""
    return Offer(
        catalog=catalog,
        name=name,
        market=market,
        zone=zone,
        machine=name,
        accelerator=accelerator,
        accelerators=accelerators,
        accelerator_memory_gib=accelerator_memory_gib,
        vcpus=vcpus,
        memory_gib=memory_gib,
        usd_per_hour=usd_per_hour,
        interruptions_per_month=interruptions_per_month,
        node_selector=node_selector,
        obtainable=obtainable,
    )


def machine(cores: int = 2, memory_gib: float = 4, *, usd_per_hour: float = 0.04, obtainable: str = "node n") -> Offer:
    """A machine without accelerators: its cores are what is counted."""
    return offer(
        f"cpu-{cores}",
        accelerator="CPU",
        accelerators=cores,
        accelerator_memory_gib=memory_gib / cores,
        vcpus=cores,
        memory_gib=memory_gib,
        usd_per_hour=usd_per_hour,
        obtainable=obtainable,
    )


def variant(
    name: str = "bf16",
    *,
    quality: float = 1.0,
    quantization: str = "",
    source: str = "hf://Qwen/Qwen3-8B",
    shape: ModelShape | None = QWEN3_8B,
) -> Variant:
    """Qwen3-8B in 16 bit."""
    return Variant(name, quality, quantization, source, shape)


def wanted(
    *,
    variants: tuple[Variant, ...] = (variant(),),
    max_model_tokens: int = 8192,
    mode: Mode = Mode.MANUAL,
    replicas: int = 1,
    min_replicas: int = 1,
    max_replicas: int = 10,
    placement: Placement = Placement(),  # noqa: B008 - immutable
    quality_floor: float = 1.0,
    usd_per_hour_limit: float | None = None,
    max_num_seqs: int = 0,
    rests: bool = False,
) -> Wanted:
    """One replica, wherever it is cheapest, set by hand."""
    return Wanted(
        variants=variants,
        max_model_tokens=max_model_tokens,
        mode=mode,
        replicas=replicas,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        placement=placement,
        quality_floor=quality_floor,
        usd_per_hour_limit=usd_per_hour_limit,
        max_num_seqs=max_num_seqs,
        rests=rests,
    )


def pool(
    of: Offer | None = None,
    replicas: int = 1,
    *,
    variant: str = "bf16",
    accelerators: int = 1,
    ready: int | None = None,
) -> Pool:
    """A pool all of whose replicas serve, unless `ready` says otherwise."""
    return Pool(of or offer(), variant, replicas, accelerators, replicas if ready is None else ready)


def snapshot(
    *,
    wanted: Wanted | None = None,
    offers: tuple[Offer, ...] | None = None,
    pools: tuple[Pool, ...] = (),
    now: float = 1_000_000.0,
    key: Key = ("shop", "chat"),
    load: Load | None = None,
) -> Snapshot:
    """Nothing runs yet, one offer is there."""
    return Snapshot(
        now=now,
        key=key,
        wanted=wanted or _WANTED,
        offers=(offer(),) if offers is None else offers,
        fleet=Fleet(pools),
        load=load,
    )


_WANTED = wanted()
