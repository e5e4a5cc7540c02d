"""vLLM's own `vllm bench serve` against a Service, from inside the cluster's network.

It is what the load of the loop's tests comes from, and what measures a replica. What it cannot say is which of its
requests failed when, and on which pod: for that there are `tests.engine.clients`.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.engine.environment import Environment, environment, tiny_model
from tests.engine.lab import NAME, Lab

_ENDS_WITHIN_S = 600.0


@dataclass(frozen=True, slots=True)
class Result:
    """What it reports: requests per second over the run, and the 95th percentiles that objectives are about."""

    completed: int
    failed: int
    requests_per_second: float
    ttft_p95_s: float
    tpot_p95_s: float


@dataclass(slots=True)
class Bench:
    """One run, `concurrency` requests at once; `result` is there after its block."""

    requests: int
    concurrency: int
    prompt_tokens: int
    output_tokens: int
    result: Result | None = field(default=None)

    def command(self, made: Environment, url: str, into: Path) -> list[str]:
        """The program with its arguments; every prompt is another one, so that no cache knows it."""
        options = {
            "backend": "openai",
            "base-url": url,
            "model": NAME,
            "tokenizer": str(tiny_model()),
            "dataset-name": "random",
            "random-input-len": str(self.prompt_tokens),
            "random-output-len": str(self.output_tokens),
            "num-prompts": str(self.requests),
            "max-concurrency": str(self.concurrency),
            "percentile-metrics": "ttft,tpot",
            "metric-percentiles": "95",
            "result-dir": str(into.parent),
            "result-filename": into.name,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        program = [str(made.python), "-m", "vllm.entrypoints.cli.main", "bench", "serve"]
        return [*program, *words, "--ignore-eos", "--save-result", "--disable-tqdm"]


@contextmanager
def benched(lab: Lab, bench: Bench, folder: Path) -> Iterator[Bench]:
    """Starts it, and waits for its end when the block ends. AssertionError with its last lines where it fails."""
    made, into = environment(), folder / "bench.json"
    into.unlink(missing_ok=True)
    quiet = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    log = folder / "bench.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            lab.cluster.enter(bench.command(made, lab.url(), into)),
            env=os.environ | quiet | {"HOME": str(folder)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            yield bench
            process.wait(_ENDS_WITHIN_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    assert process.returncode == 0, "\n".join(log.read_text(encoding="utf-8").splitlines()[-25:])
    bench.result = _read(json.loads(into.read_text(encoding="utf-8")))


def _read(report: dict[str, float]) -> Result:
    return Result(
        completed=int(report["completed"]),
        failed=int(report["failed"]),
        requests_per_second=report["request_throughput"],
        ttft_p95_s=report["p95_ttft_ms"] / 1e3,
        tpot_p95_s=report["p95_tpot_ms"] / 1e3,
    )
