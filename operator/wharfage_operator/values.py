"""Values of the core written down as JSON and read again, the same to the last bit or not at all.

Dataclasses, named tuples, enums, mappings, tuples, frozen sets and plain values are known by their type hints. JSON
knows no NaN and no infinity, and what never happened is at minus infinity: they are written as words. Values are
written by place, so `form` says which fields had those places; what another release wrote is not read.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_NO_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Notation(Generic[T]):
    """How values of one type are written; fields of the names that are left out read as their default."""

    def __init__(self, kind: type[T], *, left_out: frozenset[str] = frozenset()) -> None:
        self._kind = kind
        self._left_out = left_out
        self._places: dict[type, dict[str, Any]] = {}
        self._form = f"{zlib.crc32(self._worded(kind).encode()):08x}"

    def written(self, value: T) -> dict[str, object]:
        """The value as JSON has it: nothing but dicts, lists, texts, finite numbers, true, false and null."""
        return {"form": self._form, "told": self._plain(value)}

    def read(self, found: object) -> T | None:
        """The value that was written; None where it is broken, or another release wrote it."""
        if not isinstance(found, dict) or found.get("form") != self._form:
            return None
        try:
            told = self._read(self._kind, found.get("told"))
        except (ValueError, TypeError, OverflowError, RecursionError):
            return None
        return told if isinstance(told, self._kind) else None

    def _of(self, kind: type) -> dict[str, Any]:
        """The fields that are written, with what is in each, in order; of a dataclass or a named tuple."""
        if kind not in self._places:
            hints = get_type_hints(kind)
            names = [each.name for each in fields(kind)] if is_dataclass(kind) else list(getattr(kind, "_fields", ()))
            self._places[kind] = {name: hints[name] for name in names if name not in self._left_out}
        return self._places[kind]

    def _worded(self, kind: Any) -> str:
        """A type in words, with all that is in it."""
        if _is_record(kind):
            inside = ",".join(f"{name}:{self._worded(each)}" for name, each in self._of(kind).items())
            return f"{kind.__name__}({inside})"
        inner = get_args(kind)
        return f"{get_origin(kind)}[{','.join(map(self._worded, inner))}]" if inner else str(kind)

    def _plain(self, value: object) -> object:
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, Enum):
            return value.value
        if _is_record(type(value)):
            return [self._plain(getattr(value, name)) for name in self._of(type(value))]
        if isinstance(value, Mapping):
            return [[self._plain(key), self._plain(each)] for key, each in value.items()]
        if isinstance(value, frozenset):
            return [self._plain(each) for each in sorted(value)]
        if isinstance(value, tuple | list):
            return [self._plain(each) for each in value]
        return value

    def _read(self, kind: Any, plain: object) -> object:
        """The value of that type; ValueError where it is none."""
        if kind is float:
            return _number(plain)
        if kind in (int, bool, str):
            return _checked(plain, lambda one: type(one) is kind)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return kind(plain)
        if _is_record(kind):
            places = self._of(kind)
            return kind(**dict(zip(places, self._each(places.values(), plain), strict=True)))
        origin, inner = get_origin(kind), get_args(kind)
        if origin in (Union, UnionType):
            (some,) = (each for each in inner if each is not NoneType)
            return None if plain is None else self._read(some, plain)
        if origin is tuple and inner[-1] is not Ellipsis:
            return tuple(self._each(inner, plain))
        rows = _listed(plain)
        if origin in (tuple, Sequence):
            return tuple(self._read(inner[0], each) for each in rows)
        if origin is frozenset:
            return frozenset(self._read(inner[0], each) for each in rows)
        return {key: each for key, each in (self._each(inner, row) for row in rows)}  # noqa: C416 - says they are two

    def _each(self, kinds: Iterable[Any], plain: object) -> list[object]:
        return [self._read(kind, each) for kind, each in zip(kinds, _listed(plain), strict=True)]


def _is_record(kind: object) -> bool:
    return isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "_fields"))


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
