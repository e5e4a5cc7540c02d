"""All deployments' questions put to the optimiser together, since they share machines and dollars.

A round begins when anybody's question is due and takes in everybody's: what has not changed since the last round costs
the optimiser nothing. It solves in another process, so an answer comes later, and is waited for in a pigeonhole until
the deployment is looked at again. While there is none, what was allotted last holds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.charter import Charter
from wharfage_autoscaler.enquiry import Enquiry, enquiry
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.need import Key
from wharfage_autoscaler.sight import Sight
from wharfage_autoscaler.snapshot import ClusterSnapshot
from wharfage_autoscaler.supply import Supply

from wharfage_operator.trouble import Trouble

log = logging.getLogger(__name__)
_LONGEST_PAUSE_S = 300.0

Solve = Callable[[ClusterSnapshot, str], Awaitable[Mapping[Key, Allotment]]]
"""The allotments of all deployments; the name tells one series of questions from another, each begins from its last.

Raises `Unsolved`.
"""


class Unsolved(Exception):  # noqa: N818 - the state is the name
    """There is no answer this time; the message says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """Of one deployment, as it was last looked at."""

    experience: Experience
    sight: Sight
    charter: Charter


@dataclass(frozen=True, slots=True)
class Answered:
    """What the optimiser said: the best, and the best of what serves where that is something else."""

    question: Question
    asked: Enquiry
    best: Allotment
    current: Allotment | None


class Rounds:
    """Collects questions, asks them together, and keeps the answers until they are fetched."""

    def __init__(
        self,
        solve: Solve,
        supply: Callable[[], Supply],
        *,
        answered: Callable[[Key], None],
        settle_s: float = 0.5,
        first_pause_s: float = 5.0,
    ) -> None:
        """`supply` says what is shared now; `answered` is called with the key of each deployment that has an answer.

        Questions that become due within `settle_s` are one round; after one that failed it waits, each time longer.
        """
        self._solve = solve
        self._supply = supply
        self._answered = answered
        self._settle_s = settle_s
        self._first_pause_s = first_pause_s
        self._questions: dict[Key, Question] = {}
        self._answers: dict[Key, Answered] = {}
        self._due = asyncio.Event()
        self._trouble = Trouble()

    @property
    def trouble(self) -> str:
        """Why there was no answer twice in a row; empty where there was."""
        return self._trouble.told

    def ask(self, key: Key, question: Question, *, due: bool) -> None:
        """Take in how things stand with a deployment; `due` if it wants an answer soon."""
        self._questions[key] = question
        if due and key not in self._answers:
            self._due.set()

    def renew(self) -> None:
        """What is shared has changed: everything is to be allotted anew."""
        if self._questions:
            self._due.set()

    def answer(self, key: Key) -> Answered | None:
        """The answer that came since it was last asked for, once."""
        return self._answers.pop(key, None)

    def forget(self, key: Key) -> None:
        """The deployment is gone, or its count does not follow the load any more."""
        self._questions.pop(key, None)
        self._answers.pop(key, None)

    async def run(self) -> None:
        """Hold a round whenever one is due, for ever."""
        pause_s = self._first_pause_s
        while True:
            await self._due.wait()
            await asyncio.sleep(self._settle_s)
            self._due.clear()
            try:
                await self.hold()
            except Exception as error:
                self._trouble.failed(str(error))
                words = "no allotment this time; what was allotted last holds"
                log.warning(words, extra={"error": str(error)}, exc_info=not isinstance(error, Unsolved))
                await asyncio.sleep(pause_s)
                pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
                self._due.set()
            else:
                self._trouble.over()
                pause_s = self._first_pause_s

    async def hold(self) -> None:
        """One round. Raises `Unsolved`."""
        questions = dict(self._questions)
        if not questions:
            return
        asked = {key: each for key, question in questions.items() if (each := _asked(key, question)) is not None}
        if not asked:
            return
        supply = self._supply()
        best = await self._solve(ClusterSnapshot(tuple(each.need for each in asked.values()), supply), "best")
        here = {key: need for key, each in asked.items() if key in best and (need := each.here(best[key])) is not None}
        current: Mapping[Key, Allotment] = {}
        if here:
            needs = tuple(here.get(key, each.need) for key, each in asked.items())
            current = await self._solve(ClusterSnapshot(needs, supply), "here")
        for key in asked:
            if key in self._questions and key in best:
                there = current.get(key) if key in here else None
                self._answers[key] = Answered(questions[key], asked[key], best[key], there)
                self._answered(key)


def _asked(key: Key, question: Question) -> Enquiry | None:
    """What the optimiser is asked; None where a number of this deployment cannot be: the others are asked for."""
    try:
        return enquiry(question.experience, question.sight, question.charter)
    except (ArithmeticError, ValueError, KeyError):
        log.exception("left out of the round", extra={"key": "/".join(key)})
        return None
