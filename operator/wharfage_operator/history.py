"""The load of a deployment over four weeks, small enough to lie in a ConfigMap: what forecasts learn from.

A row is the mean of five minutes of the clock: requests, prompt tokens and output tokens per second, each kept in 16
bits, the upper half of a 32-bit float: 0.4 % at most, over the whole range, which is less than a rate of five minutes
is certain. That makes 48 KiB in memory. A row of which less than half was seen is a gap, and gaps stay gaps.
"""

import base64
import binascii
import math
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

STEP_S = 300
ROWS = 28 * 86_400 // STEP_S
_HEAD = struct.Struct("<4sqI")  # which form, the start in Unix seconds, how many rows
_FORM = b"whl1"
_FIGURES = 3
_GAP = 0x7FC0  # the upper half of a float's NaN
_LARGEST = _HEAD.size + 2 * _FIGURES * ROWS


def _no_rows() -> "array[int]":
    return array("H")


@dataclass(frozen=True, slots=True)
class Row:
    """Means per second over five minutes."""

    requests: float
    prompt_tokens: float
    output_tokens: float


@dataclass(frozen=True, slots=True)
class Rows:
    """At most four weeks of rows; row `i` covers the five minutes from `start_s + 300 i` (Unix seconds)."""

    start_s: int = 0
    figures: "array[int]" = field(default_factory=_no_rows)
    """Three numbers a row, one after the other; nobody changes them."""

    def __len__(self) -> int:
        return len(self.figures) // _FIGURES

    def __iter__(self) -> Iterator[Row | None]:
        """Every row in order; None for a gap."""
        return map(self._row, range(len(self)))

    @property
    def end_s(self) -> int:
        """The end of the last row."""
        return self.start_s + STEP_S * len(self)

    def _row(self, place: int) -> Row | None:
        packed = self.figures[_FIGURES * place : _FIGURES * (place + 1)]
        return None if _GAP in packed else Row(*map(_unpacked, packed))

    def with_row(self, start_s: int, row: Row) -> "Rows":
        """With one more row, which is the later where there was one already; what is older than four weeks goes.

        ValueError for a row that does not begin with five minutes of the clock, or that lies before all others.
        """
        if start_s % STEP_S:
            raise ValueError(f"a row from {start_s}: rows begin at multiples of {STEP_S} s")
        if not len(self):
            return Rows(start_s, array("H", _packed_row(row)))
        place = (start_s - self.start_s) // STEP_S
        if place < 0:
            raise ValueError(f"a row from {start_s}, before the first one, from {self.start_s}")
        gone = max(0, place + 1 - ROWS)
        if gone >= len(self):
            return Rows(start_s, array("H", _packed_row(row)))
        figures = self.figures[_FIGURES * gone :]
        place -= gone
        figures.extend([_GAP] * (_FIGURES * (place + 1) - len(figures)))
        figures[_FIGURES * place : _FIGURES * (place + 1)] = array("H", _packed_row(row))
        return Rows(self.start_s + STEP_S * gone, figures)

    def until(self, now_s: float) -> "Rows":
        """Without rows that were not over at `now_s` (Unix seconds): a clock that was ahead may have written some."""
        over = max(0, int(now_s - self.start_s) // STEP_S)
        if over >= len(self):
            return self
        return Rows(self.start_s, self.figures[: _FIGURES * over]) if over else Rows()

    def filled(self, others: "Rows") -> "Rows":
        """With what others know where these have a gap, or end; these are right where both know a row."""
        if not len(others):
            return self
        if not len(self):
            return others
        end_s = max(self.end_s, others.end_s)
        start_s = max(min(self.start_s, others.start_s), end_s - STEP_S * ROWS)
        figures = array("H", [_GAP]) * (_FIGURES * ((end_s - start_s) // STEP_S))
        for rows in (others, self):
            skipped = max(0, (start_s - rows.start_s) // STEP_S)
            at = max(0, (rows.start_s - start_s) // STEP_S)
            for place in range(skipped, len(rows)):
                packed = rows.figures[_FIGURES * place : _FIGURES * (place + 1)]
                if _GAP not in packed:
                    here = _FIGURES * (at + place - skipped)
                    figures[here : here + _FIGURES] = packed
        return Rows(start_s, figures)

    def rates(self, figure: Callable[[Row], float]) -> list[float]:
        """One figure of every row; NaN for a gap."""
        return [math.nan if row is None else figure(row) for row in self]


def rows_of(start_s: int, *figures: Sequence[float]) -> Rows:
    """Requests, prompt and output tokens per second from `start_s` on; a row of which any is not finite is a gap."""
    packed = array("H")
    for row in zip(*figures, strict=True):
        known = all(math.isfinite(value) and value >= 0.0 for value in row)
        packed.extend(_packed_row(Row(*row)) if known else [_GAP] * _FIGURES)
    first = max(0, len(packed) // _FIGURES - ROWS)
    return Rows(start_s + STEP_S * first, packed[_FIGURES * first :])


def written(rows: Rows) -> str:
    """The rows as a value of a ConfigMap's `binaryData`."""
    raw = _HEAD.pack(_FORM, rows.start_s, len(rows)) + _little(rows.figures).tobytes()
    return base64.b64encode(zlib.compress(raw)).decode("ascii")


def read(text: str) -> Rows:
    """The rows that were written. ValueError for what is none; nothing longer than four weeks is unpacked."""
    try:
        unpacking = zlib.decompressobj()
        raw = unpacking.decompress(base64.b64decode(text, validate=True), _LARGEST)
        form, start_s, count = _HEAD.unpack_from(raw)
    except (binascii.Error, zlib.error, struct.error) as error:
        raise ValueError(f"no history: {error}") from error
    if form != _FORM or not unpacking.eof or count > ROWS or len(raw) != _HEAD.size + 2 * _FIGURES * count:
        raise ValueError("no history, or one that was cut off or written in another form")
    if start_s % STEP_S:
        raise ValueError(f"a history that begins at {start_s}, which is no multiple of {STEP_S} s")
    figures = array("H")
    figures.frombytes(raw[_HEAD.size :])
    return Rows(start_s, _little(figures))


def _packed_row(row: Row) -> tuple[int, int, int]:
    return _packed(row.requests), _packed(row.prompt_tokens), _packed(row.output_tokens)


def _packed(value: float) -> int:
    """The upper half of the nearest 32-bit float whose lower half is zero; ValueError for what is no rate."""
    if not 0.0 <= value < 1e30:
        raise ValueError(f"{value} per second is no rate")
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return int(bits + 0x8000) >> 16


def _unpacked(packed: int) -> float:
    (value,) = struct.unpack("<f", struct.pack("<I", packed << 16))
    return float(value)


def _little(figures: "array[int]") -> "array[int]":
    """The same as they are written, low byte first."""
    if sys.byteorder == "little":
        return figures
    swapped = array("H", figures)
    swapped.byteswap()
    return swapped
