"""The model as sizing sees it: its shape, its variants, and what the user wants of it."""

from dataclasses import dataclass
from enum import StrEnum

from wharfage_autoscaler.behavior import Behavior


class SpotPolicy(StrEnum):
    """How far a deployment may rely on machines that can be taken away."""

    FORBID = "Forbid"
    ALLOW = "Allow"
    PREFER = "Prefer"
    REQUIRE = "Require"


class Mode(StrEnum):
    """Who decides the count: wharfage, wharfage as an adviser only, or the user."""

    AUTO = "Auto"
    RECOMMEND = "Recommend"
    MANUAL = "Manual"


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The numbers of a transformer that decide its memory; counts are plain, not billions."""

    parameters: float
    active_parameters: float
    layers: int
    hidden_size: int
    ffn_size: int
    vocabulary_size: int
    attention_heads: int
    kv_heads: int
    head_dimension: int
    experts_total: int = 0
    experts_active: int = 0
    expert_ffn_size: int = 0
    window_tokens: int = 0
    window_layers: int = 0
    kv_bytes_per_token: int = 0  # overrides the formula (MLA, hybrid models)
    max_context_tokens: int = 0  # 0 is unknown


@dataclass(frozen=True, slots=True)
class Variant:
    """The same service from other weights. `quality` is relative to the best variant (1.0)."""

    name: str
    quality: float
    quantization: str  # "" is the weights' own dtype (16 bit)
    source: str
    shape: ModelShape | None  # None: not known yet
    stored: str = ""  # quantisation of the stored weights by their own files; "": as the table of common models says


@dataclass(frozen=True, slots=True)
class Placement:
    """Where replicas may run; empty tuples allow anything."""

    catalogs: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    spot: SpotPolicy = SpotPolicy.FORBID
    max_spot_share: float = 0.6
    min_on_demand_share: float = 0.4
    node_selector: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for, parsed: everything of the spec that a decision may look at."""

    variants: tuple[Variant, ...]  # best quality first
    max_model_tokens: int  # context to serve; 0: the model's own, capped by what fits
    mode: Mode = Mode.AUTO
    replicas: int = 1  # used in Manual and Recommend, and while it is pinned
    pinned: str = ""  # in Auto: until when and why `replicas` overrides the load, in words; empty: it does not
    min_replicas: int = 1
    max_replicas: int = 10
    rests: bool = False  # may go to zero while nobody asks; `min_replicas` are for when somebody does
    placement: Placement = Placement()
    quality_floor: float = 1.0
    usd_per_hour_limit: float | None = None
    behavior: Behavior | None = None  # how fast the count may change; None: as fast as the law has it
    max_num_seqs: int = 0  # concurrent sequences the engine is started with; 0: the default
