"""How fast an accelerator's kernels are, as shares of its datasheet, with the source of every row.

Datasheets promise what no kernel reaches, and not by one common factor: a step of a language model is matrix
products that read weights, attention that reads the cache, attention over a prompt, and an exchange between the
accelerators of a replica. Each is described here by the few numbers that fit its measured times.

A matrix product over `bytes` of weights and `flops` of arithmetic takes

    floor + ((bytes / (bandwidth_share x bandwidth))^p + (flops / (flops_share x peak))^p)^(1/p)

MEASURED rows are least squares over 16 thousand points each of the operator tables of `aiconfigurator-core` 0.12.0
(ai-dynamo/aiconfigurator, Apache-2.0; vLLM kernels), but for products of 16 bit on H100 and H200, which are ours;
SCALED rows carry the shares of the nearest measured generation. Kernels measured one by one run at clocks that serving
does not sustain where the power is capped; rows that say SUSTAINED have their arithmetic divided by what serving points
show (SpareCores, gemma-2-2b and phi-4 only: the benchmark scores other models on those accelerators). No other constant
is read off serving points; between two measurements of the same kernels, their error chose.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType

from wharfage_autoscaler.accelerators import Accelerator, Interconnect

_MEASURED = "measured: operator tables of aiconfigurator-core 0.12.0 (vLLM), 16k-point least squares"
_OWN = "16 bit by `make bench-kernels`, 130 points (docs/design/0013-measured-constants.md)"


@dataclass(frozen=True, slots=True)
class Gemm:
    """One kind of matrix product: seconds per kernel, shares of the datasheet, sharpness of the knee between them.

    `flops_share` is of the 16-bit peak for every kind of weights, so that one number of the datasheet is enough.
    """

    floor_s: float
    bandwidth_share: float
    flops_share: float
    exponent: float


@dataclass(frozen=True, slots=True)
class AllReduce:
    """The sum over the accelerators of a replica: `latency_s` per call, and bytes of message per second."""

    latency_s: float
    bytes_per_second: float


@dataclass(frozen=True, slots=True)
class Kernels:
    """The kernels of one accelerator.

    Reading the cache reaches `cache_bandwidth_share`. Attention over a prompt reaches
    `prompt_flops_share` x s / (s + `prompt_half_tokens`) of the 16-bit peak at s tokens of context.
    `all_reduce` is by tensor-parallel size.
    """

    bits_16: Gemm
    bits_8: Gemm
    bits_4: Gemm  # with 4-bit arithmetic where there is any, else weight-only
    cache_bandwidth_share: float
    prompt_flops_share: float
    prompt_half_tokens: float
    all_reduce: MappingProxyType[int, AllReduce]
    source: str
    weight_only_4: Gemm | None = None  # where it is not `bits_4`

    def sustained(self, divisor: float) -> "Kernels":
        """With arithmetic that is slower by a factor than the kernels alone."""
        return replace(
            self,
            bits_16=replace(self.bits_16, flops_share=self.bits_16.flops_share / divisor),
            bits_8=replace(self.bits_8, flops_share=self.bits_8.flops_share / divisor),
            bits_4=replace(self.bits_4, flops_share=self.bits_4.flops_share / divisor),
            prompt_flops_share=self.prompt_flops_share / divisor,
            source=f"{self.source}; sustained: arithmetic / {divisor:g}",
        )

    def gemm(self, quantization: str) -> Gemm:
        """The matrix products over weights of that quantisation (the engine's names; "" is 16 bit)."""
        if quantization in ("fp8", "int8", "compressed-tensors"):
            return self.bits_8
        if quantization == "":
            return self.bits_16
        native = quantization in ("nvfp4", "mxfp4")
        return self.bits_4 if native else self.weight_only_4 or self.bits_4

    def exchange(self, tensor_parallel: int) -> AllReduce:
        """The all-reduce over that many; sizes between two rows are as slow as the larger one."""
        return next((row for size, row in self.all_reduce.items() if size >= tensor_parallel), self.all_reduce[8])


def _gemm(floor_us: float, bandwidth_share: float, teraflops: float, exponent: float, *, peak: float) -> Gemm:
    return Gemm(floor_us * 1e-6, bandwidth_share, teraflops / peak, exponent)


def _exchange(*rows: tuple[int, float, float]) -> MappingProxyType[int, AllReduce]:
    """Rows of size, microseconds, GB/s."""
    return MappingProxyType({size: AllReduce(us * 1e-6, gigabytes * 1e9) for size, us, gigabytes in rows})


_NVLINK_3 = _exchange((2, 5.4, 180), (4, 7, 135), (8, 9, 116))
_NVLINK_4 = _exchange((2, 4.7, 286), (4, 5.5, 217), (8, 7, 232))
_NVLINK_4_H200 = _exchange((2, 4.7, 290), (4, 5.5, 220), (8, 7, 238))
_NVLINK_5 = _exchange((2, 7.2, 480), (4, 7.8, 380), (8, 9, 303))
_PCIE_4 = _exchange((2, 6, 19), (4, 15, 2.5), (8, 25, 1.1))
_PCIE_3 = _exchange((2, 12, 9.5), (4, 30, 1.25), (8, 50, 0.55))
_NVLINK_2 = _exchange((2, 8, 90), (4, 10, 68), (8, 14, 58))
_INFINITY = _exchange((2, 12, 45), (4, 14, 90), (8, 18, 160))
_NONE = _exchange((8, 0, 1e6))

_A100 = Kernels(
    bits_16=_gemm(5.9, 0.76, 266, 1.7, peak=312),
    bits_8=_gemm(17.7, 0.95, 267, 1.2, peak=312),
    bits_4=_gemm(12, 0.80, 255, 1.2, peak=312),
    cache_bandwidth_share=0.69,
    prompt_flops_share=182 / 312,
    prompt_half_tokens=770,
    all_reduce=_NVLINK_3,
    source=f"{_MEASURED}; 8 bit is weight-only int8, 4 bit set by hand",
)
_H100_TABLES = Kernels(
    bits_16=_gemm(3.8, 0.88, 803, 3.1, peak=989),
    bits_8=_gemm(6.6, 0.87, 1044, 1.1, peak=989),
    bits_4=_gemm(8, 0.60, 600, 2.0, peak=989),
    cache_bandwidth_share=0.80,
    prompt_flops_share=665 / 989,
    prompt_half_tokens=1815,
    all_reduce=_NVLINK_4,
    source=f"{_MEASURED}; 4 bit (weight-only) set by hand",
)
_H100 = replace(_H100_TABLES, bits_16=_gemm(4.7, 0.84, 743, 4.2, peak=989), source=f"{_H100_TABLES.source}; {_OWN}")
_L40S = Kernels(
    bits_16=_gemm(2.0, 0.97, 230, 2.3, peak=362),
    bits_8=_gemm(2.0, 0.95, 390, 1.4, peak=362),
    bits_4=_gemm(6, 0.87, 180, 1.5, peak=362),
    cache_bandwidth_share=0.97,
    prompt_flops_share=186 / 362,
    prompt_half_tokens=615,
    all_reduce=_PCIE_4,
    source=f"{_MEASURED}; floors and 8 bit set by hand (the fit gives a floor of 0), 4 bit too; bandwidth, of which "
    "the fit gives .78, x 1.25 by the same serving points: the tables' card did not reach what served ones do",
)
_B200 = Kernels(
    bits_16=_gemm(3.9, 0.84, 1622, 2.4, peak=2250),
    bits_8=_gemm(7.0, 0.78, 2327, 1.0, peak=2250),
    bits_4=_gemm(7.7, 0.75, 4732, 1.2, peak=2250),
    cache_bandwidth_share=0.77,
    prompt_flops_share=1348 / 2250,
    prompt_half_tokens=2319,
    all_reduce=_NVLINK_5,
    source=f"{_MEASURED}; 4 bit is NVFP4; weight-only with the shares of the H100",
    weight_only_4=_gemm(8, 0.60, 1200, 2.0, peak=2250),
)
_L4 = Kernels(
    bits_16=_gemm(3, 0.82, 75, 2.0, peak=121),
    bits_8=_gemm(4, 0.80, 130, 1.3, peak=121),
    bits_4=_gemm(6, 0.70, 60, 1.5, peak=121),
    cache_bandwidth_share=0.78,
    prompt_flops_share=62 / 121,
    prompt_half_tokens=615,
    all_reduce=_PCIE_4,
    source="scaled: shares of the L40S, the same generation, on the L4's datasheet",
)
_A10G = Kernels(
    bits_16=_gemm(3, 0.82, 60, 2.0, peak=70),
    bits_8=_gemm(12, 0.90, 60, 1.2, peak=70),
    bits_4=_gemm(6, 0.70, 50, 1.5, peak=70),
    cache_bandwidth_share=0.78,
    prompt_flops_share=182 / 312,
    prompt_half_tokens=770,
    all_reduce=_PCIE_4,
    source="scaled: FLOP shares of the A100, the same generation, on the A10G's datasheet",
)
_T4 = Kernels(
    bits_16=_gemm(5, 0.80, 32, 1.7, peak=65),
    bits_8=_gemm(12, 0.85, 40, 1.2, peak=65),
    bits_4=_gemm(12, 0.55, 25, 1.2, peak=65),
    cache_bandwidth_share=0.60,
    prompt_flops_share=0.30,
    prompt_half_tokens=770,
    all_reduce=_PCIE_3,
    source="scaled: half of the T4's peak, which 70 W do not sustain; no FlashAttention on Turing; set by hand",
)
_V100 = Kernels(
    bits_16=_gemm(6, 0.78, 95, 1.7, peak=125),
    bits_8=_gemm(12, 0.80, 80, 1.2, peak=125),
    bits_4=_gemm(12, 0.55, 50, 1.2, peak=125),
    cache_bandwidth_share=0.60,
    prompt_flops_share=0.30,
    prompt_half_tokens=770,
    all_reduce=_NVLINK_2,
    source="scaled: shares of the A100 on the V100's datasheet; no FlashAttention on Volta; set by hand",
)
_MI300X = Kernels(
    bits_16=_gemm(6, 0.75, 650, 1.7, peak=1307),
    bits_8=_gemm(9, 0.75, 1100, 1.1, peak=1307),
    bits_4=_gemm(12, 0.55, 500, 1.5, peak=1307),
    cache_bandwidth_share=0.65,
    prompt_flops_share=0.35,
    prompt_half_tokens=1815,
    all_reduce=_INFINITY,
    source="scaled: half of the MI300X's peak and 75 % of its bandwidth, set by hand; links carry a pair at 45 GB/s",
)
_CPU = Kernels(
    bits_16=_gemm(20, 1.0, 40, 1.5, peak=50),
    bits_8=_gemm(20, 1.0, 60, 1.5, peak=50),
    bits_4=_gemm(20, 0.6, 40, 1.5, peak=50),
    cache_bandwidth_share=0.8,
    prompt_flops_share=0.5,
    prompt_half_tokens=256,
    all_reduce=_NONE,
    source="set by hand: the CPU row's bandwidth is a conservative one already; cores share one memory",
)
_RTX_PRO_6000 = Kernels(
    bits_16=_gemm(0.7, 0.82, 399, 1.6, peak=504),
    bits_8=_gemm(4.3, 0.84, 817, 1.1, peak=504),
    bits_4=_gemm(11, 0.66, 1166, 3.0, peak=504),
    cache_bandwidth_share=0.80,
    prompt_flops_share=290 / 504,
    prompt_half_tokens=615,
    all_reduce=_PCIE_4,
    source=f"{_MEASURED}; 4 bit is NVFP4; attention to prompts and exchange as the L40S; weight-only by hand",
    weight_only_4=_gemm(8, 0.66, 300, 1.5, peak=504),
)

KERNELS = MappingProxyType(
    {
        "T4": _T4,
        "V100": _V100,
        "L4": _L4.sustained(1.6),
        "A10G": _A10G.sustained(1.6),
        "A10": replace(_A10G.sustained(1.6), source="scaled: as the A10G, on the A10's datasheet"),
        "L40S": _L40S.sustained(1.6),
        "RTX-PRO-6000": _RTX_PRO_6000,
        "A100-40": replace(
            _A100,
            bits_16=replace(_A100.bits_16, bandwidth_share=0.80),
            cache_bandwidth_share=0.72,
            source="scaled: as the A100 with 80 GB; a narrower memory is easier to fill",
        ).sustained(1.6),
        "A100-80": _A100.sustained(1.6),
        "A100-80-PCIE": replace(
            _A100, all_reduce=_PCIE_4, source="scaled: as the A100 SXM, exchange over PCIe"
        ).sustained(2.2),
        "H100": _H100,
        "H100-NVL": replace(
            _H100_TABLES, all_reduce=_PCIE_4, source="scaled: as the H100 SXM's operator tables, exchange over PCIe"
        ).sustained(2.2),
        "H200": Kernels(
            bits_16=_gemm(5.2, 0.86, 733, 3.4, peak=989),
            bits_8=_gemm(7.0, 0.87, 1243, 0.8, peak=989),
            bits_4=_gemm(8, 0.60, 600, 2.0, peak=989),
            cache_bandwidth_share=0.74,
            prompt_flops_share=645 / 989,
            prompt_half_tokens=1630,
            all_reduce=_NVLINK_4_H200,
            source=f"{_MEASURED}; 4 bit (weight-only) set by hand; {_OWN}",
        ),
        "B200": _B200,
        "B300": replace(_B200, source="scaled: as the B200, on the B300's datasheet"),
        "MI300X": _MI300X,
        "CPU": _CPU,
    }
)

_NVLINK_DEFAULT = replace(_H100, source="scaled: shares of the H100, for an accelerator without a row of its own")
_PCIE_DEFAULT = replace(
    _L40S.sustained(1.6), source="scaled: shares of the L40S, for an accelerator without a row of its own"
)


def kernels(facts: Accelerator) -> Kernels:
    """The kernels of that accelerator; where it has no row, those of one with the same links."""
    default = _NVLINK_DEFAULT if facts.interconnect is Interconnect.NVLINK else _PCIE_DEFAULT
    return KERNELS.get(facts.name, default)
