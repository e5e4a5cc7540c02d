"""How tests of budgets read what was spent, and change what there is to spend."""

from wharfage_operator.kinds import LLM_BUDGETS

from tests.cluster.lab import Lab


def has_spent(lab: Lab, name: str) -> float:
    """Dollars that a budget tells; 0 before any."""
    return float(((lab.server.get(LLM_BUDGETS, "", name) or {}).get("status") or {}).get("usdSpent") or 0.0)


def runs_out(lab: Lab, name: str) -> None:
    """Give a budget half as much again as it tells: all is spent soon, and twice as much not for longer than that took.

    What it tells is up to twenty seconds old, so that less would be more than spent by then.
    """
    lasts(lab, name, 1.5 * has_spent(lab, name))


def lasts(lab: Lab, name: str, usd: float) -> None:
    """Give a budget so many dollars for its period."""
    lab.server.merge(LLM_BUDGETS, "", name, {"spec": {"usd": f"{usd:.6f}"}})
