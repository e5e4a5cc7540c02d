"""The processes of a measurement: an engine for timing, a load that runs beside it, and what a process takes."""

import asyncio
import json
import os
import sys
from pathlib import Path

from tests.gateway.rig import KEYS, Process

ROOT = Path(__file__).resolve().parents[1]


async def started(engine: Process) -> int:
    """The port of an engine for timing."""
    await engine.start(sys.executable, "-m", "benchmarks.gateway_engine")

    async def told() -> bool:
        return engine.log.read_text().strip().isdigit()

    await engine.until(told, "port")
    return int(engine.log.read_text())


async def loaded(url: str, rps: float, prompt_bytes: int, seconds: float) -> dict[str, float]:
    """What the load, a process of its own, has seen."""
    command = [sys.executable, "-m", "benchmarks.gateway_load", url, f"--per-s={rps}", f"--seconds={seconds}"]
    command += [f"--prompt-bytes={prompt_bytes}", f"--key={KEYS[0].key}"]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"bench-gateway: the load ended with {process.returncode}; its words are above")
    found: dict[str, float] = json.loads(said)
    return found


def cpu_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Memory that a process holds."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024.0
