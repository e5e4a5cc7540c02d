"""What a deployment's engines have taught of themselves: a calibration for each make of them, and what is planned with.

Engines are of one make where the model expects the same of them: the same weights in the same type, on as many of the
same accelerator, under the same image; markets, zones and prices do not matter. A make that never ran starts from the
nearest that did: under another image, or on another number of the same accelerators.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from wharfage_autoscaler.calibration import HOST_MOST, LEAST, MOST, Calibration, Observation
from wharfage_autoscaler.choice import Candidate
from wharfage_autoscaler.steptime import StepTime, Theta

from wharfage_operator.values import Notation

MODEL = Theta()
"""The model as it is."""

_KEPT = 16
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, order=True)
class Make:
    """What engines are alike by."""

    source: str
    quantization: str
    accelerator: str
    accelerators: int
    """Of one replica."""
    image: str


@dataclass(frozen=True, slots=True)
class Lessons:
    """Of one deployment: `known` as of the last window, `planned` as the chart is drawn with."""

    known: Mapping[Make, Calibration] = field(default_factory=dict)
    planned: Mapping[Make, Theta] = field(default_factory=dict)

    def of(self, make: Make) -> Calibration | None:
        """What is known of a make, or follows from what is known of the nearest; None where there is none."""
        near = nearest(make, self.known)
        if near is None:
            return None
        return self.known[near] if near == make else self.known[near].inherited()

    def theta(self, make: Make) -> Theta:
        """What a make is planned with."""
        near = nearest(make, self.planned)
        return MODEL if near is None else self.planned[near]

    def after(self, make: Make, seen: Observation, step: StepTime) -> "Lessons":
        """With one more window of an engine whose step time, under any theta, is `step`."""
        taught = (self.of(make) or Calibration()).after(seen, step)
        others = [(other, found) for other, found in self.known.items() if other != make]
        return replace(self, known=dict([*others[1 - _KEPT :], (make, taught)]))  # the latest last

    def planning(self, make: Make, theta: Theta) -> "Lessons":
        """With another theta to plan that make with."""
        others = [(other, found) for other, found in self.planned.items() if other != make]
        return replace(self, planned=dict([*others[1 - _KEPT :], (make, theta)]))


NOTHING = Lessons()
_NOTATION = Notation(Lessons)


def make_of(candidate: Candidate, image: str) -> Make:
    """The make of a candidate's engines under an image."""
    variant = candidate.variant
    quantization = variant.quantization or variant.stored
    accelerator, accelerators = candidate.offer.accelerator, candidate.fit.accelerators
    return Make(variant.source, quantization, accelerator, accelerators, image)


def nearest(make: Make, among: Iterable[Make]) -> Make | None:
    """The make itself, else of its weights and accelerator the one under its image, then of the nearest size."""
    alike = [other for other in among if _chip(other) == _chip(make)]
    return min(alike, key=lambda other: (other.image != make.image, _apart(other, make), other), default=None)


def written(lessons: Lessons) -> dict[str, object]:
    """The lessons as JSON has them, with a part for people, which nobody reads back."""
    rows = [
        {
            "model": " ".join(filter(None, (make.source, make.quantization))),
            "on": f"{make.accelerator} x{make.accelerators}",
            "image": make.image,
            "windows": known.accepted,
            **{part: round(getattr(known.theta, part), 3) for part in ("overhead", "memory", "compute")},
        }
        for make, known in lessons.known.items()
    ]
    return {**_NOTATION.written(lessons), "said": rows}


def read(found: object) -> Lessons | None:
    """The lessons that were written; None where they are broken, or another release wrote them."""
    told = _NOTATION.read(found)
    return told if told is not None and all(_sound(*row) for row in told.known.items()) else None


def _chip(make: Make) -> tuple[str, str, str]:
    return make.source, make.quantization, make.accelerator


def _apart(one: Make, other: Make) -> float:
    return abs(math.log(max(1, one.accelerators) / max(1, other.accelerators)))


def _sound(make: Make, known: Calibration) -> bool:
    """Whether a calibration can be reckoned with: what is written down may have been edited."""
    belief = known.belief
    numbers = (*belief.mean, *(each for row in belief.covariance for each in row), known.load_variance)
    spread = (belief.covariance[axis][axis] for axis in range(3))
    limits = HOST_MOST if make.accelerator == "CPU" else MOST
    return (
        all(map(math.isfinite, numbers))
        and all(
            least - _ROUNDING <= mean <= most + _ROUNDING
            for least, mean, most in zip(LEAST, belief.mean, limits, strict=True)
        )
        and all(value > 0.0 for value in spread)
        and known.load_variance >= 0.0
        and (known.load_mean is None or math.isfinite(known.load_mean))
    )
