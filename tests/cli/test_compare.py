"""The commands themselves, as a shell runs them."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from wharfage_cli.__main__ import cli

AWS = str(Path(__file__).parents[2] / "examples" / "catalogs" / "aws-us-east-1.yaml")

MISTAKES = [
    pytest.param(["compare", "--catalog", AWS], "wharfage: no load: name a file with --trace", id="no load"),
    pytest.param(["compare", "--trace", "x.csv"], "Missing option '--catalog'", id="no catalog"),
    pytest.param(["compare", "--trace", "x.csv", "--catalog", AWS], "wharfage: x.csv: no such file", id="no file"),
    pytest.param(["compare", "--trace", "x.csv", "y.csv", "--catalog", "z.yaml"], "z.yaml: it cannot", id="two files"),
    pytest.param(["compare", "--catalog", AWS, "--policies", "mine"], "there is no mine", id="no policy"),
    pytest.param(["compare", "--catalog", AWS, "--seeds", "0"], "--seeds", id="no seed"),
    pytest.param(
        ["compare", "--catalog", AWS, "--json", "/nowhere/it.json"], "there is no folder /nowhere", id="no folder"
    ),
    pytest.param(
        ["compare", "--catalog", AWS, "--markdown", "/tmp"], "/tmp: it cannot be written: it is a f", id="folder"
    ),
    pytest.param(["simulate", "--catalog", AWS, "--policy", "all"], "`wharfage compare` takes several", id="policies"),
    pytest.param(["simulate", "--catalog", AWS, "--tpot", "50"], "--tpot: write a duration", id="no unit"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_a_mistake_is_one_line_and_ends_with_2(arguments: list[str], message: str) -> None:
    ended = CliRunner().invoke(cli, arguments)
    assert ended.exit_code == 2
    assert message in ended.output
    assert "Traceback" not in ended.output


def test_the_other_commands_do_without_what_a_comparison_stands_on() -> None:
    heavy = "numpy scipy sklearn numba matplotlib joblib wharfage_simulator"
    code = f"import sys, wharfage_cli.__main__; print([name for name in '{heavy}'.split() if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
