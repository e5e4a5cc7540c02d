"""A mixed-integer programme as values: columns, rows, and nothing that solves them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

Terms = list[tuple[int, float]]


@dataclass(slots=True)
class Programme:
    """Minimise `cost` over columns within [0, `most`], whole where `whole`, with `at_least` <= rows <= `at_most`."""

    cost: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    row_of: list[int] = field(default_factory=list)
    column_of: list[int] = field(default_factory=list)
    factor: list[float] = field(default_factory=list)
    at_least: list[float] = field(default_factory=list)
    at_most: list[float] = field(default_factory=list)

    def column(self, cost: float = 0.0, *, most: float = math.inf, whole: bool = False) -> int:
        """Another column, by its number."""
        self.cost.append(cost)
        self.most.append(most)
        self.whole.append(whole)
        return len(self.cost) - 1

    def row(self, terms: Iterable[tuple[int, float]], *, at_least: float = -math.inf, at_most: float = math.inf) -> int:
        """Another row, by its number."""
        number = len(self.at_least)
        for column, factor in terms:
            self.row_of.append(number)
            self.column_of.append(column)
            self.factor.append(factor)
        self.at_least.append(at_least)
        self.at_most.append(at_most)
        return number
