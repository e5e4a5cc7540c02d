"""The real gpuhunt library, in a folder of its own: its wheel brings a package `tests`, which would hide this one."""

import fcntl
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.devcluster import build

ROOT = Path(__file__).resolve().parents[3]


def folder() -> Path:
    """Where the library of the extra `offers` is installed; it is fetched on first use, a few seconds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = project["optional-dependencies"]["offers"]
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    place = build.cache_folder() / f"gpuhunt-{''.join(each for each in wanted if each.isalnum())}-{python}"
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / ".complete").exists():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(place), wanted]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
            (place / ".complete").touch()
    return place


def wharfage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as its own process, with the library at hand and these variables set."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GPUHUNT_")}
    return subprocess.run(
        [sys.executable, "-m", "wharfage_cli", *arguments],
        env=inherited | {"PYTHONPATH": str(folder())} | environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
