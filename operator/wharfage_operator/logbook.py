"""What the pilot knows of a deployment, written down and read again: so that a restart of the operator is invisible.

Cooldowns, what a request was worth, the minutes of the last hour, shapes that are unfit, losses of spot, money spent, a
move under way, the law and what `decide` remembers. The optimiser's last answer is left out: it is asked for anew.

JSON knows no NaN and no infinity, and what never happened is at minus infinity: they are written as words. Values are
written by place, so `form` says which fields had those places; what another release wrote is not read.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from wharfage_autoscaler.experience import Experience

_LEFT_OUT = "answer"
_NO_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def written(experience: Experience) -> dict[str, object]:
    """The experience as JSON has it: nothing but dicts, lists, texts, finite numbers, true, false and null."""
    return {"form": _FORM, "told": _plain(experience)}


def read(found: object) -> Experience | None:
    """The experience that was written; None where it is broken, or another release wrote it."""
    if not isinstance(found, dict) or found.get("form") != _FORM:
        return None
    try:
        told = _read(Experience, found.get("told"))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    return told if isinstance(told, Experience) else None


def _places(kind: type) -> dict[str, Any]:
    """The fields that are written, with what is in each, in order; of a dataclass or a named tuple."""
    hints = get_type_hints(kind)
    names = [each.name for each in fields(kind)] if is_dataclass(kind) else list(getattr(kind, "_fields", ()))
    return {name: hints[name] for name in names if name != _LEFT_OUT}


def _is_record(kind: object) -> bool:
    return isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "_fields"))


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Enum):
        return value.value
    if _is_record(type(value)):
        return [_plain(getattr(value, name)) for name in _places(type(value))]
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(each)] for key, each in value.items()]
    if isinstance(value, frozenset):
        return [_plain(each) for each in sorted(value)]
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _read(kind: Any, plain: object) -> object:
    """The value of that type; ValueError where it is none."""
    if kind is float:
        return _number(plain)
    if kind in (int, bool, str):
        return _checked(plain, lambda one: type(one) is kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(plain)
    if _is_record(kind):
        places = _places(kind)
        return kind(**dict(zip(places, _each(places.values(), plain), strict=True)))
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        (some,) = (each for each in inner if each is not NoneType)
        return None if plain is None else _read(some, plain)
    if origin is tuple and inner[-1] is not Ellipsis:
        return tuple(_each(inner, plain))
    rows = _listed(plain)
    if origin is tuple:
        return tuple(_read(inner[0], each) for each in rows)
    if origin is frozenset:
        return frozenset(_read(inner[0], each) for each in rows)
    return {key: each for key, each in (_each(inner, row) for row in rows)}  # noqa: C416 - says that they are two


def _each(kinds: Iterable[Any], plain: object) -> list[object]:
    return [_read(kind, each) for kind, each in zip(kinds, _listed(plain), strict=True)]


def _number(plain: object) -> float:
    if isinstance(plain, str):
        return _NO_NUMBERS[str(_checked(plain, lambda one: one in _NO_NUMBERS))]
    return float(str(_checked(plain, lambda one: type(one) in (int, float))))


def _listed(plain: object) -> list[object]:
    if not isinstance(plain, list):
        raise ValueError(f"{type(plain).__name__} where a list is needed")
    return plain


def _checked(plain: object, right: Callable[[object], bool]) -> object:
    if not right(plain):
        raise ValueError(f"{plain!r} is no value of that type")
    return plain


def _form(kind: Any) -> str:
    """A type in words, with all that is in it."""
    if _is_record(kind):
        inside = ",".join(f"{name}:{_form(each)}" for name, each in _places(kind).items())
        return f"{kind.__name__}({inside})"
    inner = get_args(kind)
    return f"{get_origin(kind)}[{','.join(map(_form, inner))}]" if inner else str(kind)


_FORM = f"{zlib.crc32(_form(Experience).encode()):08x}"
