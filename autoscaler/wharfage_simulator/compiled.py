"""Compiles plain functions over numbers and arrays where numba is installed; without it they run as they are.

The results are identical, only slower: by two to three orders of magnitude. Compiled code is cached on disk,
in numba's own folder for it (`NUMBA_CACHE_DIR`, by default beside the source).
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

AVAILABLE = find_spec("numba") is not None


def compiled(function: Function) -> Function:
    """The function, compiled on first use."""
    if not AVAILABLE:
        return function
    import numba  # the extra `simulator` brings it

    return cast("Function", numba.njit(cache=True)(function))
