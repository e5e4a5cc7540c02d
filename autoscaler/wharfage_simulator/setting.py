"""What every policy of a comparison has to work with: the machines, the market, the engines, the objectives."""

from dataclasses import dataclass

from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.traffic import Traffic

from wharfage_simulator.cluster import Kind, Supply
from wharfage_simulator.profile import EngineProfile
from wharfage_simulator.replica import Service

SERVICE = Service()
"""A plain one: connections go to replicas at random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One set of rules for all policies."""

    name: str
    kinds: tuple[Kind, ...]
    profiles: tuple[EngineProfile, ...]
    supply: Supply
    objectives: Objectives
    traffic: Traffic
    service: Service = SERVICE
    least: int = 1
    most: int = 1000
    slots: int = 2000
    """Room for replicas that serve or drain, in a replay: memory and time grow with it."""
    notice_s: float = 120.0
