"""What the engine is started with: vLLM's arguments and environment from one value.

Both batching limits are always explicit: the engine's defaults depend on the device it finds, and what the
sizing assumed must be what runs. Names are those of vLLM 0.32.
"""

from collections.abc import Sequence
from dataclasses import dataclass

PORT = 8000
SERVED_NAME = "--served-model-name"
MIDDLEWARE = "wharfage_drain.DrainMiddleware"
_ON_THE_FLY = frozenset({"fp8", "bitsandbytes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How one replica's engine runs.

    `quantization` is set only where the engine quantises 16-bit weights while loading; published
    quantised weights say so themselves. `kv_cache_bytes` sizes the cache exactly on a CPU, where there
    is no device memory to take a share of. `cores` is 0 on an accelerator. `tells_usage` has every portion
    of a stream say how many tokens it came to so far, which is how a gateway counts what a client leaves.
    """

    model: str
    served_name: str
    max_model_tokens: int
    max_num_seqs: int
    max_num_batched_tokens: int
    tensor_parallel: int = 1
    revision: str = ""
    quantization: str = ""
    dtype: str = ""
    load_format: str = ""
    memory_utilization: float = 0.90
    kv_cache_bytes: int = 0
    cores: int = 0
    shutdown_timeout_s: int = 30
    tells_usage: bool = False

    @property
    def on_cpu(self) -> bool:
        """Whether the engine runs without an accelerator."""
        return self.cores > 0


def arguments(engine: Engine, *, extra: Sequence[str] = ()) -> tuple[str, ...]:
    """The arguments after `vllm serve`; `extra` are the user's and come last."""
    return (
        engine.model,
        *_option(SERVED_NAME, engine.served_name),
        *_option("--port", str(PORT)),
        *_option("--revision", engine.revision),
        *_option("--load-format", engine.load_format),
        *_option("--dtype", engine.dtype),
        *_option("--quantization", engine.quantization if engine.quantization in _ON_THE_FLY else ""),
        *_option("--max-model-len", str(engine.max_model_tokens)),
        *_option("--max-num-seqs", str(engine.max_num_seqs)),
        *_option("--max-num-batched-tokens", str(engine.max_num_batched_tokens)),
        *(_cpu(engine) if engine.on_cpu else _device(engine)),
        *_option("--shutdown-timeout", str(engine.shutdown_timeout_s)),
        *_option("--middleware", MIDDLEWARE),
        *(("--enable-force-include-usage",) if engine.tells_usage else ()),
        *extra,
    )


def environment(engine: Engine) -> dict[str, str]:
    """The variables that belong to the engine; caches and credentials are the pod's business."""
    common = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if not engine.on_cpu:
        return common
    return {
        **common,
        # More threads than cores spin at barriers: .02 s between tokens instead of .0015 s on two shared cores.
        "OMP_NUM_THREADS": str(engine.cores),
        # Lets the CPU platform accept the executor below: one process and one import of everything less.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    }


def _option(name: str, value: str) -> tuple[str, ...]:
    return (name, value) if value else ()


def _device(engine: Engine) -> tuple[str, ...]:
    return (
        *_option("--tensor-parallel-size", str(engine.tensor_parallel)),
        *_option("--gpu-memory-utilization", f"{engine.memory_utilization:.2f}"),
    )


def _cpu(engine: Engine) -> tuple[str, ...]:
    return (
        *_option("--tensor-parallel-size", "1"),
        *_option("--kv-cache-memory-bytes", str(engine.kv_cache_bytes)),
        *_option("--distributed-executor-backend", "uni"),
        "--enforce-eager",  # compiling takes 25 s of each start and gains little on a CPU
    )
