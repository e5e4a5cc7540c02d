"""Which of the user's arguments an engine takes: of one that it does not know it dies, long after its machine came.

The arguments of each vLLM version that is supported lie beside this module, as that version prints them itself
(`tests/engine/list_arguments.py`); the engine suite compares the two. argparse takes any unambiguous beginning of an
argument for the whole, so `--max-model-le` would win over the operator's in silence: beginnings are refused.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

VERSIONS = ("0.32.0",)
_FOLDER = Path(__file__).parent
_TAG = re.compile(r":v?(\d+\.\d+\.\d+)(?:[-+][\w.-]*)?(?:@sha256:[0-9a-f]+)?$", re.ASCII)
_VALUES = {"flag": 0.0, "list": math.inf}
_NUMBER = re.compile(r"-[\d.]", re.ASCII)
_LEVEL = re.compile(r"-O=?\w+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: its first spelling, and how many values it takes at most."""

    name: str
    values: float


def version_of(image: str) -> str | None:
    """The supported vLLM version that an image's tag names; None where it names another, or none."""
    found = _TAG.search(image)
    return found[1] if found and found[1] in VERSIONS else None


@lru_cache(maxsize=len(VERSIONS))
def known(version: str) -> Mapping[str, Argument]:
    """Every argument of a supported version, by each of its spellings."""
    found: dict[str, Argument] = {}
    for line in (_FOLDER / f"vllm-{version}.txt").read_text(encoding="ascii").splitlines():
        spellings = [word for word in line.split() if word.startswith("-")]
        argument = Argument(spellings[0], _VALUES.get(line.rsplit(" ", 1)[-1], 1.0))
        found |= dict.fromkeys(spellings, argument)
    return MappingProxyType(found)


def spelt(written: str) -> str:
    """The name in an argument as the engine reads it: without a value, with dashes, and of `--a.b` the `--a`."""
    if _LEVEL.fullmatch(written):
        return "--optimization-level"
    name = written.partition("=")[0]
    return name.partition(".")[0].replace("_", "-") if name.startswith("--") else name


def objections(written: Sequence[str], ours: Sequence[str], version: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the user's arguments: the name that was meant, and a sentence about it.

    `ours` are those that the operator writes before them: said twice, the later one would win.
    """
    arguments = known(version)
    set_by_us = {arguments[word].name: word for word in ours if word in arguments}
    may_follow = 0.0
    for word in written:
        if not word.startswith("-") or _NUMBER.match(word):
            if may_follow < 1.0:
                yield word, f"{word!r} follows no argument that takes a value"
            may_follow -= 1.0
            continue
        name = spelt(word)
        argument = arguments.get(name)
        if argument is None:
            yield _unknown(name, arguments, version)
            may_follow = math.inf
            continue
        if argument.name in set_by_us and (argument.values or name != set_by_us[argument.name]):
            yield argument.name, f"{name} is what the operator sets itself here: leave it out"
        may_follow = 0.0 if "=" in word else argument.values


def _unknown(name: str, arguments: Mapping[str, Argument], version: str) -> tuple[str, str]:
    """The beginning of an argument, or something else."""
    meant = sorted({each for each in arguments if each.startswith(name)}) if name.startswith("--") else []
    if meant:
        return meant[0], f"{name} is short for {' or '.join(meant[:3])}: write it in full"
    close = get_close_matches(name, arguments, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]}?" if close else ""
    return name, f"vLLM {version} knows no argument {name}{hint}"
