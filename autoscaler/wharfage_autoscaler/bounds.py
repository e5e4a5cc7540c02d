"""What budgets ask of one deployment, beside the dollars that are allotted to it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Nothing, unless said otherwise.

    `economises`: it moves to what is cheaper as soon as that pays. `usd_per_hour` holds a count that no load leads,
    since nothing is allotted to that; the least replicas may cost more. `still`: nothing is added to what runs, since a
    budget holds dollars down that has not counted this deployment yet. `stopped` says in words which budget lets
    nothing run. `why` names the budget of the others. `frozen` says which lets no trial begin or grow, `floored` which
    lets none run. `caps` are the budgets that hold its dollars down and have counted it.
    """

    economises: bool = False
    usd_per_hour: float | None = None
    still: bool = False
    stopped: str = ""
    why: str = ""
    frozen: str = ""
    floored: str = ""
    caps: frozenset[str] = frozenset()

    def unsaid(self, allotted_under: frozenset[str] | None) -> str:
        """Why it is not known yet what budgets leave, in words; empty where it is.

        A count that follows its load has its dollars from an allotment, made under the caps of these budgets; None for
        one that does not.
        """
        if self.still:
            return f"{self.why} holds dollars down and has not counted this deployment yet"
        missing = frozenset() if allotted_under is None else self.caps - allotted_under
        return f"LLMBudget {min(missing)} holds dollars down and nothing is allotted under it yet" if missing else ""


FREE = Bounds()
