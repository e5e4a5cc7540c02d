"""The hour after the two: a budget that does not suffice, its stages in turn, and the period that ends them.

It begins with a full hour, so that every run shows the same: until then the budget observes and holds nothing down.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.kubectl import Kubectl
from demo.screen import Screen
from demo.two_hours import FOLDER

BUDGET = FOLDER / "budget.yaml"
NAME = "shop"
STAGES = ("Notify", "PreferCheaper", "Freeze", "Floor")
"""What is to be seen, in this order."""
_LONGEST_H = 2.5
"""Until a full hour, the hour, and some time for what recedes."""
_EVERY_S = 0.5


@dataclass(slots=True)
class Course:
    """What a budget's status showed, look by look."""

    begun: str = ""
    """When the period began in which it was first seen."""
    period: str = ""
    stages: list[str] = field(default_factory=list)
    """Those of the first full period, in the order in which they were seen."""
    usd: float = 0.0
    """The most that was spent in that period."""
    receded: bool = False

    def see(self, status: Mapping[str, Any]) -> str | None:
        """Take one look; what is new, in words, or None."""
        began, stage = str(status.get("periodStart", "")), str(status.get("stage", ""))
        if not began:
            return None
        if not self.begun:
            self.begun = began
        if began == self.begun:  # the part of an hour that was left
            return None
        if not self.period:
            self.period = began
            return f"an hour begins: {began}"
        if began != self.period:
            was, self.receded = self.receded, not stage
            return "the next hour begins, and no stage is in force" if self.receded and not was else None
        self.usd = max(self.usd, float(status.get("usdSpent") or 0.0))
        if stage and stage not in self.stages:
            self.stages.append(stage)
            return f"{stage}: {status.get('usdSpent')} usd are spent"
        return None

    @property
    def missing(self) -> str:
        """What ought to have been seen and was not, in words; empty when all was."""
        skipped = [stage for stage in STAGES if stage not in self.stages]
        if skipped:
            return f"never in force: {', '.join(skipped)}"
        return "" if self.receded else "the stages did not recede with the next hour"


def budget_hour(screen: Screen, kubectl: Kubectl, *, speed: float, shown: Callable[[], object]) -> Course:
    """Apply the budget and follow it until its stages have receded; `shown` adds a line of the load and the fleet."""
    kubectl.run("apply", "--server-side", "-f", str(BUDGET), folder=Path.cwd())
    course, deadline_s, line_s = Course(), time.monotonic() + _LONGEST_H * 3600.0 / speed, 0.0
    acts = False
    while not course.receded and time.monotonic() < deadline_s:
        status = kubectl.json("get", "llmbudget", NAME).get("status") or {}
        if news := course.see(status):
            screen.say(f"         $ {news}")
        if course.period and not acts:
            acts = True
            kubectl.run("patch", "llmbudget", NAME, "--type=merge", "-p", '{"spec": {"mode": "Enforce"}}')
        if time.monotonic() - line_s >= 240.0 / speed:
            line_s = time.monotonic()
            shown()
        time.sleep(_EVERY_S)
    if course.missing:
        screen.bad(f"budget {NAME}: {course.missing}")
    else:
        screen.good(f"{course.usd:.2f} usd were spent in that hour, and its stages ended with it")
    return course
