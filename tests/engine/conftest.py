"""One cluster for all tests that serve through one: two real nodes, and the operator in a pod."""

from collections.abc import Iterator

import pytest

from tests.engine.figures import Figures
from tests.engine.lab import MACHINE_LABELS, Lab, open_empty
from tests.engine.machines import BOTH


@pytest.fixture(scope="session")
def empty_lab() -> Iterator[Lab]:
    """Nothing is served in it; who serves something clears it away again."""
    labels = {**MACHINE_LABELS, **{machine.label: "yes" for machine in BOTH}}
    around = [manifest for machine in BOTH for manifest in machine.policy()]
    with open_empty(labels=labels, around=around, second_node=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def figures() -> Iterator[Figures]:
    """What the tests measure, written when the last of them is over."""
    measured = Figures()
    yield measured
    measured.write()
