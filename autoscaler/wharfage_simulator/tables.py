"""Reads columns of numbers from CSV, gzipped CSV and Parquet, and names the row of whatever is wrong with them.

A trace of a million rows with one bad field is of no use when the error says "could not convert string to float":
here it says which file, which line, which column, what stands there and what should.
"""

import csv
import gzip
import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_PARQUET = (".parquet", ".pq")


class TraceError(ValueError):
    """What is wrong with a file of load, prices or availability, and where."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of one file as float64, all of one length; what is empty in a Parquet file is NaN here."""

    path: Path
    columns: Mapping[str, Floats]

    @property
    def rows(self) -> int:
        """Rows without the header."""
        return len(next(iter(self.columns.values())))

    def wrong(self, row: int, what: str) -> TraceError:
        """The error for row `row`, counted from 0; the text counts as the file's reader does."""
        return wrong(self.path, row, what)

    def refuse(self, column: str, bad: npt.NDArray[np.bool_], what: str) -> None:
        """Raise for the first row that is marked bad; `{}` in `what` is replaced by the value found there."""
        if bad.any():
            row = int(np.argmax(bad))
            found = f"{self.columns[column][row]:.12g}"
            raise self.wrong(row, f"{column} {what.format(found)}")


def wrong(path: Path, row: int, what: str) -> TraceError:
    """The error for row `row`, counted from 0 behind the header; the text names the line that an editor shows."""
    return TraceError(f"{path}: {_place(path, row)}: {what}")


def names_of(path: Path) -> tuple[str, ...]:
    """The names of the columns, in the file's order. `TraceError` where the file is absent or has no header."""
    if not path.is_file():
        raise TraceError(f"{path}: no such file")
    if path.suffix in _PARQUET:
        return tuple(_parquet().read_schema(path).names)
    header = next(_records(path), None)
    if header is None:
        raise TraceError(f"{path}: the file is empty; its first line names the columns")
    return tuple(name.strip() for name in header)


def read_numbers(path: Path, wanted: Sequence[str]) -> Table:
    """The wanted columns as numbers.

    `TraceError` names the column that is missing, or the row whose field is empty or no number, or a file without rows.
    """
    names = names_of(path)
    if missing := [name for name in wanted if name not in names]:
        raise TraceError(f"{path}: no column {', '.join(missing)}; it has {', '.join(names)}")
    read = _parquet_columns if path.suffix in _PARQUET else _csv_columns
    table = Table(path, read(path, names, wanted))
    if not table.rows:
        raise TraceError(f"{path}: it has a header and no rows")
    return table


def read_texts(path: Path, wanted: Sequence[str]) -> list[tuple[str, ...]]:
    """The wanted columns as text, row by row, stripped; what is empty in Parquet is "". `TraceError` as for numbers."""
    names = names_of(path)
    if missing := [name for name in wanted if name not in names]:
        raise TraceError(f"{path}: no column {', '.join(missing)}; it has {', '.join(names)}")
    rows = _parquet_texts(path, wanted) if path.suffix in _PARQUET else _csv_texts(path, names, wanted)
    if not rows:
        raise TraceError(f"{path}: it has a header and no rows")
    return rows


def _csv_texts(path: Path, names: Sequence[str], wanted: Sequence[str]) -> list[tuple[str, ...]]:
    where = [names.index(name) for name in wanted]
    rows = []
    for row, fields in enumerate(_rows(path)):
        if len(fields) <= max(where):
            raise wrong(path, row, f"{len(fields)} fields, the header names {len(names)}")
        rows.append(tuple(fields[column].strip() for column in where))
    return rows


def _parquet_texts(path: Path, wanted: Sequence[str]) -> list[tuple[str, ...]]:
    table = _parquet().read_table(path, columns=list(wanted))
    columns = [table[name].to_pylist() for name in wanted]
    return [tuple("" if field is None else str(field).strip() for field in row) for row in zip(*columns, strict=True)]


def number(path: Path, row: int, column: str, text: str) -> float:
    """One field as a finite number, or `TraceError` naming its row (counted from 0)."""
    if problem := _problem(text):
        raise wrong(path, row, f"{column} {problem}")
    return float(text)


def _csv_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> dict[str, Floats]:
    where = [names.index(name) for name in wanted]
    with _opened(path) as lines, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "no data": said better below
        next(csv.reader(lines), None)
        try:
            read = np.loadtxt(lines, delimiter=",", usecols=where, comments=None, quotechar='"', ndmin=2)
        except ValueError as error:
            raise _diagnosed(path, names, wanted) from error
    columns = read.T if read.size else np.empty((len(wanted), 0))
    return {name: np.ascontiguousarray(column) for name, column in zip(wanted, columns, strict=True)}


def _diagnosed(path: Path, names: Sequence[str], wanted: Sequence[str]) -> TraceError:
    """Find the field that numpy stumbled over; slow, and only for a file that is wrong."""
    for row, fields in enumerate(_rows(path)):
        for name in wanted:
            column = names.index(name)
            if column >= len(fields):
                return wrong(path, row, f"{len(fields)} fields, the header names {len(names)}")
            if problem := _problem(fields[column], nan=True):
                return wrong(path, row, f"{name} {problem}")
    return TraceError(f"{path}: it is not a CSV file of numbers")


def _problem(text: str, *, nan: bool = False) -> str:
    if not text.strip():
        return "is empty, and missing is not zero: leave the row out, or write the number"
    try:
        value = float(text)
    except ValueError:
        return f"is {text.strip()!r}, which is no number"
    if not math.isfinite(value) and not nan:
        return f"is {text.strip()}, which is not finite"
    return ""


def _parquet_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> dict[str, Floats]:
    table = _parquet().read_table(path, columns=list(wanted))
    columns = {}
    for name in wanted:
        try:
            columns[name] = np.array(table[name].to_numpy(), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise TraceError(f"{path}: column {name} holds {table[name].type}, not numbers") from error
    return columns


def _parquet() -> Any:
    """`pyarrow.parquet`, which has no types of its own."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise TraceError("Parquet files need pyarrow: pip install 'wharfage[parquet]', or convert to CSV") from error
    return pyarrow.parquet


def _opened(path: Path) -> io.TextIOWrapper:
    """The text of a CSV file, unpacked where it is gzipped; a byte order mark is dropped."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _records(path: Path) -> Iterator[list[str]]:
    """The lines that hold something; a file that is not text says so."""
    try:
        with _opened(path) as lines:
            yield from (fields for fields in csv.reader(lines) if any(field.strip() for field in fields))
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise TraceError(f"{path}: it cannot be read as {'gzipped ' * (path.suffix == '.gz')}CSV: {error}") from error


def _rows(path: Path) -> Iterator[list[str]]:
    records = _records(path)
    next(records, None)
    yield from records


def _place(path: Path, row: int) -> str:
    """How an editor finds row `row` (from 0): its line in a CSV file, its number from 1 in a Parquet file."""
    if path.suffix in _PARQUET:
        return f"row {row + 1}"
    with _opened(path) as lines:
        reader = csv.reader(lines)
        held = (reader.line_num for fields in reader if any(field.strip() for field in fields))
        line = next((line for at, line in enumerate(held) if at == row + 1), row + 2)
    return f"line {line}"
