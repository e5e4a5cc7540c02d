"""A normal belief about three unknown numbers, and how a measurement of their weighted sum changes it.

One update of recursive least squares, in plain arithmetic: three is too few to ask a library.
"""

from dataclasses import dataclass

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]

_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Belief:
    """Mean and covariance."""

    mean: Vector
    covariance: Matrix

    def variance(self, slope: Vector) -> float:
        """How uncertain the sum of the three, weighted by `slope`, is."""
        return max(0.0, _dot(slope, self._times(slope)))

    def updated(self, slope: Vector, surprise: float, noise: float) -> "Belief":
        """After the weighted sum was measured `surprise` above what the mean says, with variance `noise`."""
        toward = self._times(slope)
        gain = 1.0 / (_dot(slope, toward) + noise)
        (a, b, c), (x, y, z) = self.mean, toward
        step = gain * surprise
        first, second, third = (
            (row[0] - gain * to * x, row[1] - gain * to * y, row[2] - gain * to * z)
            for row, to in zip(self.covariance, toward, strict=True)
        )
        return Belief((a + step * x, b + step * y, c + step * z), (first, second, third))

    def faded(self, slope: Vector, factor: float) -> "Belief":
        """With the variance of the sum weighted by `slope` raised by a factor, and all else known as well as before."""
        toward = self._times(slope)
        variance = _dot(slope, toward)
        if variance < _NOTHING:
            return self
        x, y, z = toward
        more = (factor - 1.0) / variance
        first, second, third = (
            (row[0] + more * to * x, row[1] + more * to * y, row[2] + more * to * z)
            for row, to in zip(self.covariance, toward, strict=True)
        )
        return Belief(self.mean, (first, second, third))

    def plus(self, sigma: Vector) -> "Belief":
        """With independent uncertainty added to each number."""
        (a, b, c), (x, y, z) = self.covariance, sigma
        return Belief(self.mean, ((a[0] + x * x, a[1], a[2]), (b[0], b[1] + y * y, b[2]), (c[0], c[1], c[2] + z * z)))

    def clamped(self, least: Vector, most: Vector) -> "Belief":
        """With every mean within the limits."""
        x, y, z = (min(top, max(floor, value)) for value, floor, top in zip(self.mean, least, most, strict=True))
        return Belief((x, y, z), self.covariance)

    def updated_within(self, slope: Vector, surprise: float, noise: float, least: Vector, most: Vector) -> "Belief":
        """As `updated`, with every mean within the limits: what one number may not explain, the others must."""
        free = self.updated(slope, surprise, noise)
        bounded = free.clamped(least, most)
        if bounded == free:
            return free
        fixed = [found != wanted for found, wanted in zip(bounded.mean, free.mean, strict=True)]
        moved = [
            (to - was) * each if held else 0.0
            for to, was, each, held in zip(bounded.mean, self.mean, slope, fixed, strict=True)
        ]
        x, y, z = (0.0 if held else each for each, held in zip(slope, fixed, strict=True))
        rest = self.updated((x, y, z), surprise - sum(moved), noise).clamped(least, most)
        a, b, c = (there if held else here for here, there, held in zip(rest.mean, bounded.mean, fixed, strict=True))
        return Belief((a, b, c), free.covariance)

    def _times(self, vector: Vector) -> Vector:
        x, y, z = (_dot(row, vector) for row in self.covariance)
        return x, y, z


def independent(mean: Vector, sigma: Vector) -> Belief:
    """A belief about numbers that have nothing to do with each other."""
    x, y, z = (value * value for value in sigma)
    return Belief(mean, ((x, 0.0, 0.0), (0.0, y, 0.0), (0.0, 0.0, z)))


def _dot(left: Vector, right: Vector) -> float:
    return left[0] * right[0] + left[1] * right[1] + left[2] * right[2]
