"""Dollars that were spent: by whom, on which offer, under which budgets, and on what."""

from dataclasses import dataclass

from wharfage_autoscaler.supply import OfferKey


@dataclass(frozen=True, slots=True, order=True)
class Payer:
    """A deployment that money is spent for. One that is deleted and made again has another uid: it is another payer."""

    uid: str
    namespace: str
    name: str
    team: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """Where dollars are booked: `budgets` are the names of those that selected the payer when they were spent."""

    payer: Payer
    offer: OfferKey
    budgets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spend:
    """Dollars by what they were spent on. `estimated` is how many of them rest on a guess, and no further part."""

    serving: float = 0.0
    idle: float = 0.0
    startup: float = 0.0
    estimated: float = 0.0

    @property
    def usd(self) -> float:
        """All of it."""
        return self.serving + self.idle + self.startup

    def __add__(self, other: "Spend") -> "Spend":
        """Both together."""
        return Spend(
            self.serving + other.serving,
            self.idle + other.idle,
            self.startup + other.startup,
            self.estimated + other.estimated,
        )


NOTHING = Spend()
