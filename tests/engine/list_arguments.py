"""Prints every argument that `vllm serve` takes, one a line with its other spellings; `flag` where it takes no
value, `list` where it takes several.

Runs inside the engine's own environment: `~/.cache/wharfage/vllm-*/bin/python3 list_arguments.py`. What it prints for
each supported version is kept in `serving/wharfage_serving/`, and a test of the engine suite compares the two.
"""

from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser


def main() -> None:
    """Print the list, sorted."""
    parser = make_arg_parser(FlexibleArgumentParser())
    takes = {0: ["flag"], "+": ["list"], "*": ["list"]}
    rows = (
        " ".join([*action.option_strings, *takes.get(action.nargs, [])])
        for action in parser._actions
        if action.option_strings
    )
    print("\n".join(sorted(rows)))


if __name__ == "__main__":
    main()
