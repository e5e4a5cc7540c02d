"""What each accelerator can do, with the source of every row.

Catalogs say what a machine costs; this table says what its accelerators are: memory, speed, what
weights they run, and whether tensor parallelism across them is worth anything. Figures per device.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType


class Interconnect(StrEnum):
    """What carries the all-reduce between accelerators of one machine."""

    NVLINK = "NVLink"  # or an equal: NVSwitch, Infinity Fabric
    PCIE = "PCIe"
    NONE = "None"  # CPU: one address space


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Facts of one kind of accelerator, per device.

    `visible_gib` is what the driver reports, which is what the engine's memory share is taken of.
    FLOP/s are dense (no sparsity); 0 means the hardware has no units for that type.
    `quantizations` are the engine's names; "" (the weights' own 16 bit) always runs.
    """

    name: str
    vendor: str
    resource: str
    memory_gib: float
    visible_gib: float
    bandwidth_bytes_per_second: float
    flops_16_bit: float
    flops_8_bit: float
    dtypes: frozenset[str]
    quantizations: frozenset[str]
    interconnect: Interconnect
    source: str

    def runs(self, quantization: str) -> bool:
        """Whether the engine can serve weights of that quantisation here."""
        return quantization in self.quantizations


_FP16 = frozenset({"float16"})
_BF16 = frozenset({"float16", "bfloat16"})
# vLLM's table of supported hardware (docs.vllm.ai/en/v0.15.1/features/quantization): int4 kernels from Turing on,
# Marlin and MXFP4 from Ampere on, FP8 W8A8 from Ada on, NVFP4 on Blackwell. Weight-only FP8 on older cards
# (docs.vllm.ai/en/v0.32.0/features/quantization/llm_compressor/fp8) saves memory but no time: not counted.
_TURING = frozenset({"", "awq", "gptq", "int8", "bitsandbytes", "gguf"})
_AMPERE = _TURING | {"mxfp4", "compressed-tensors"}
_ADA = _AMPERE | {"fp8"}
_BLACKWELL = _ADA | {"nvfp4"}
_CDNA3 = frozenset({"", "fp8", "mxfp4", "gguf"})
_CPU = frozenset({"", "awq", "gptq", "int8", "compressed-tensors"})


def _nvidia(
    name: str,
    memory_gib: float,
    *,
    visible_gib: float,
    terabytes_per_second: float,
    teraflops: tuple[float, float],
    quantizations: frozenset[str],
    interconnect: Interconnect,
    source: str,
    dtypes: frozenset[str] = _BF16,
) -> Accelerator:
    return Accelerator(
        name=name,
        vendor="nvidia",
        resource="nvidia.com/gpu",
        memory_gib=memory_gib,
        visible_gib=visible_gib,
        bandwidth_bytes_per_second=terabytes_per_second * 1e12,
        flops_16_bit=teraflops[0] * 1e12,
        flops_8_bit=teraflops[1] * 1e12,
        dtypes=dtypes,
        quantizations=quantizations,
        interconnect=interconnect,
        source=source,
    )


_ROWS = (
    _nvidia(
        "T4",
        16,
        visible_gib=14.6,
        terabytes_per_second=0.320,
        teraflops=(65, 130),
        quantizations=_TURING,
        interconnect=Interconnect.PCIE,
        dtypes=_FP16,
        source="NVIDIA T4 datasheet (2019): 65 TF fp16, 130 TOPS int8, 320 GB/s; 15 GB reported by nvidia-smi",
    ),
    _nvidia(
        "V100",
        16,
        visible_gib=15.8,
        terabytes_per_second=0.900,
        teraflops=(125, 0),
        quantizations=frozenset({"", "gptq", "bitsandbytes", "gguf"}),
        interconnect=Interconnect.NVLINK,
        dtypes=_FP16,
        source="NVIDIA V100 datasheet (2020), SXM2 16 GB: 125 TF tensor, 900 GB/s",
    ),
    _nvidia(
        "L4",
        24,
        visible_gib=22.5,
        terabytes_per_second=0.300,
        teraflops=(121, 242),
        quantizations=_ADA,
        interconnect=Interconnect.PCIE,
        source="NVIDIA L4 datasheet (2023), half of the sparse figures: 121 TF bf16, 242 TF fp8, 300 GB/s",
    ),
    _nvidia(
        "A10G",
        24,
        visible_gib=22.3,
        terabytes_per_second=0.600,
        teraflops=(70, 140),
        quantizations=_AMPERE,
        interconnect=Interconnect.PCIE,
        source="NVIDIA A10G datasheet (AWS G5): 70 TF bf16 dense, 140 TOPS int8, 600 GB/s",
    ),
    _nvidia(
        "A10",
        24,
        visible_gib=22.3,
        terabytes_per_second=0.600,
        teraflops=(125, 250),
        quantizations=_AMPERE,
        interconnect=Interconnect.PCIE,
        source="NVIDIA A10 datasheet (2021): 125 TF bf16 dense, 250 TOPS int8, 600 GB/s",
    ),
    _nvidia(
        "L40S",
        48,
        visible_gib=44.5,
        terabytes_per_second=0.864,
        teraflops=(362, 733),
        quantizations=_ADA,
        interconnect=Interconnect.PCIE,
        source="NVIDIA L40S datasheet (2023): 362 TF bf16, 733 TF fp8 dense, 864 GB/s, no NVLink",
    ),
    _nvidia(
        "RTX-PRO-6000",
        96,
        visible_gib=95.0,
        terabytes_per_second=1.792,
        teraflops=(504, 1007),
        quantizations=_BLACKWELL,
        interconnect=Interconnect.PCIE,
        source="NVIDIA RTX PRO 6000 Blackwell Server Edition datasheet (2025): 4 PF sparse fp4, 1792 GB/s",
    ),
    _nvidia(
        "A100-40",
        40,
        visible_gib=39.4,
        terabytes_per_second=1.555,
        teraflops=(312, 624),
        quantizations=_AMPERE,
        interconnect=Interconnect.NVLINK,
        source="NVIDIA A100 datasheet (2021), SXM 40 GB: 312 TF bf16, 624 TOPS int8, 1555 GB/s",
    ),
    _nvidia(
        "A100-80",
        80,
        visible_gib=79.2,
        terabytes_per_second=2.039,
        teraflops=(312, 624),
        quantizations=_AMPERE,
        interconnect=Interconnect.NVLINK,
        source="NVIDIA A100 datasheet (2021), SXM 80 GB: 312 TF bf16, 624 TOPS int8, 2039 GB/s",
    ),
    _nvidia(
        "A100-80-PCIE",
        80,
        visible_gib=79.2,
        terabytes_per_second=1.935,
        teraflops=(312, 624),
        quantizations=_AMPERE,
        interconnect=Interconnect.PCIE,
        source="NVIDIA A100 datasheet (2021), PCIe 80 GB: 312 TF bf16, 1935 GB/s; bridged in pairs only",
    ),
    _nvidia(
        "H100",
        80,
        visible_gib=79.6,
        terabytes_per_second=3.35,
        teraflops=(989, 1979),
        quantizations=_ADA,
        interconnect=Interconnect.NVLINK,
        source="NVIDIA H100 datasheet (2023), SXM5: 989 TF bf16, 1979 TF fp8 dense, 3.35 TB/s",
    ),
    _nvidia(
        "H100-NVL",
        94,
        visible_gib=93.1,
        terabytes_per_second=3.9,
        teraflops=(835, 1671),
        quantizations=_ADA,
        interconnect=Interconnect.PCIE,
        source="NVIDIA H100 NVL datasheet (2023): 835 TF bf16, 1671 TF fp8 dense, 3.9 TB/s; bridged in pairs only",
    ),
    _nvidia(
        "H200",
        141,
        visible_gib=139.8,
        terabytes_per_second=4.8,
        teraflops=(989, 1979),
        quantizations=_ADA,
        interconnect=Interconnect.NVLINK,
        source="NVIDIA H200 datasheet (2024), SXM: 989 TF bf16, 1979 TF fp8 dense, 4.8 TB/s",
    ),
    _nvidia(
        "B200",
        180,
        visible_gib=178.0,
        terabytes_per_second=7.7,
        teraflops=(2250, 4500),
        quantizations=_BLACKWELL,
        interconnect=Interconnect.NVLINK,
        source="NVIDIA DGX B200 datasheet (2024): 36 PF fp8 sparse, 72 PF training fp8 over 8; 7.7 TB/s per device",
    ),
    _nvidia(
        "B300",
        288,
        visible_gib=268.0,
        terabytes_per_second=8.0,
        teraflops=(2250, 4500),
        quantizations=_BLACKWELL,
        interconnect=Interconnect.NVLINK,
        source="NVIDIA HGX B300 datasheet (2025), an eighth: 2.3 TB memory, 64 TB/s, 36 PF fp8 dense",
    ),
    Accelerator(
        name="MI300X",
        vendor="amd",
        resource="amd.com/gpu",
        memory_gib=192,
        visible_gib=191.5,
        bandwidth_bytes_per_second=5.3e12,
        flops_16_bit=1307e12,
        flops_8_bit=2615e12,
        dtypes=_BF16,
        quantizations=_CDNA3,
        interconnect=Interconnect.NVLINK,
        source="AMD Instinct MI300X datasheet (2023): 1307 TF bf16, 2615 TF fp8 dense, 5.3 TB/s, Infinity Fabric",
    ),
    Accelerator(
        name="CPU",
        vendor="cpu",
        resource="cpu",
        memory_gib=0,  # the machine's, from the offer
        visible_gib=0,
        bandwidth_bytes_per_second=5e9,
        flops_16_bit=50e9,
        flops_8_bit=100e9,
        dtypes=_BF16,
        quantizations=_CPU,
        interconnect=Interconnect.NONE,
        source="per core, conservative: 8 DDR5 channels (300 GB/s) over 60 cores; AVX-512 bf16 without AMX",
    ),
)

ACCELERATORS = MappingProxyType({row.name: row for row in _ROWS})


def accelerator(name: str) -> Accelerator | None:
    """The facts of an accelerator by the name that catalogs use, or None where it is not known."""
    return ACCELERATORS.get(name)


def unknown(name: str) -> str:
    """A sentence for a name that is not in the table: what is wrong, and what to write instead."""
    close = get_close_matches(name.upper(), ACCELERATORS, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"accelerator {name!r} is not known; {hint}known are {', '.join(ACCELERATORS)}"
