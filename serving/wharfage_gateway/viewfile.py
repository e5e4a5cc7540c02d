"""A view as a JSON file: for tests and benchmarks, which have no API server, and to look at one.

The file holds the fields of `view.View`; what it leaves out is as there.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from wharfage_gateway.view import View

log = logging.getLogger(__name__)

_LOOK_S = 0.05
_VIEW = TypeAdapter(View)


class ViewFileError(Exception):
    """The file is not there or is no view; says what is wrong with it."""


def read(path: Path) -> View:
    """The view in a file. ViewFileError."""
    try:
        return _VIEW.validate_json(path.read_bytes())
    except OSError as error:
        raise ViewFileError(f"{path}: {error.strerror}: write a view there") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ViewFileError(f"{path}: {where or 'the file'}: {first['msg']}") from error


def write(view: View, path: Path) -> None:
    """Write a view so that it appears whole; only its owner may read it, for it has keys."""
    new = path.with_suffix(".tmp")
    new.touch(mode=0o600)
    new.write_text(json.dumps(asdict(view)), encoding="utf-8")
    new.replace(path)


async def follow(path: Path, seen: Callable[[View], None]) -> None:
    """Call `seen` with the view in a file, and again whenever the file is another; for ever.

    A file that cannot be read leaves the view before it in place, and is told of once. ViewFileError: the first one.
    """
    seen(read(path))
    before = _mark(path)
    while True:
        await asyncio.sleep(_LOOK_S)
        now = _mark(path)
        if now == before:
            continue
        before = now
        try:
            view = read(path)
        except ViewFileError as error:
            log.warning("the view stays as it was: %s", error)
        else:
            seen(view)


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
