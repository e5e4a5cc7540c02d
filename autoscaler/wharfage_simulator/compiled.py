"""Machine code for the functions that run millions of times, where numba is there; the same functions where it is not.

What is compiled is plain Python over arrays: without numba it runs as it stands and gives the same results, bit for
bit, some three hundred times slower. Compiled code is cached outside the tree, in a folder that carries a digest of the
sources, the core's included: numba's own cache does not notice when a function that another one calls has changed.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import wharfage_autoscaler

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function, compiled on its first call for the types that it is called with."""
    if _JIT is None:
        return function
    made: F = _JIT(function)
    return made


def cache_folder() -> Path:
    """Where compiled code is kept: under NUMBA_CACHE_DIR, else WHARFAGE_CACHE, else ~/.cache/wharfage."""
    own = Path(os.environ.get("WHARFAGE_CACHE") or Path.home() / ".cache" / "wharfage") / "numba"
    return Path(os.environ.get("NUMBA_CACHE_DIR") or own) / f"simulator-{_digest()}"


def _digest() -> str:
    sources = hashlib.sha256()
    for package in (Path(__file__).parent, Path(wharfage_autoscaler.__file__).parent):
        for path in sorted(package.rglob("*.py")):
            sources.update(path.read_bytes())
    return sources.hexdigest()[:12]


def _jit() -> Callable[..., Any] | None:
    try:
        import numba
    except ImportError:
        return None
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        kept = os.access(folder, os.W_OK)
    except (OSError, RuntimeError):  # no home, or a read-only one: compiled anew by every process
        kept = False
    if kept:
        numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    jit: Callable[..., Any] = numba.njit(cache=kept, nogil=True)
    return jit


_JIT = _jit()
