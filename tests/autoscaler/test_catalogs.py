"""The example catalogs: sound rows, and what well-known models would run on."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from wharfage_autoscaler.accelerators import ACCELERATORS
from wharfage_autoscaler.decide import decide
from wharfage_autoscaler.offers import Market, Offer
from wharfage_autoscaler.shapes import KNOWN
from wharfage_autoscaler.snapshot import Memory

from tests.builders import snapshot, variant, wanted

CATALOGS = sorted((Path(__file__).parents[2] / "examples" / "catalogs").glob("*.yaml"))
every_catalog = pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.stem)


@cache
def _offers(path: Path) -> tuple[Offer, ...]:
    catalog: dict[str, Any] = yaml.safe_load(path.read_text())
    return tuple(
        Offer(
            catalog=catalog["metadata"]["name"],
            name=row["name"],
            market=Market(price["market"]),
            zone=price.get("zone", ""),
            machine=row["machine"],
            accelerator=row["accelerator"]["name"],
            accelerators=row["accelerator"]["count"],
            accelerator_memory_gib=row["accelerator"].get("memoryGiB", row["memoryGiB"] / row["vcpus"]),
            vcpus=row["vcpus"],
            memory_gib=row["memoryGiB"],
            usd_per_hour=float(price["usdPerHour"]),
            obtainable="declared",
        )
        for row in catalog["spec"]["offers"]
        for price in row["prices"]
    )


@every_catalog
def test_every_offer_names_a_known_accelerator_of_the_right_size(path: Path) -> None:
    for offer in _offers(path):
        facts = ACCELERATORS[offer.accelerator]
        expected = facts.memory_gib or offer.memory_gib / offer.vcpus
        assert offer.accelerator_memory_gib == expected, offer.name


@every_catalog
def test_no_two_offers_are_the_same(path: Path) -> None:
    keys = [offer.key for offer in _offers(path)]
    assert len(keys) == len(set(keys))


@every_catalog
def test_spot_is_cheaper_than_on_demand(path: Path) -> None:
    on_demand = {o.name: o.usd_per_hour for o in _offers(path) if o.market is Market.ON_DEMAND}
    for offer in _offers(path):
        if offer.market is Market.SPOT:
            assert 0 < offer.usd_per_hour < on_demand[offer.name]


@every_catalog
def test_a_file_is_named_after_its_catalog(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["metadata"]["name"] == path.stem


@pytest.mark.parametrize(
    ("source", "taken"),
    [
        pytest.param("Qwen/Qwen2.5-0.5B-Instruct", "g4dn.xlarge", id="half a billion weights on the smallest card"),
        pytest.param("Qwen/Qwen3-8B", "g6.xlarge", id="8 billion on an L4"),
        pytest.param("Qwen/Qwen3-14B", "g6e.xlarge", id="14 billion on an L40S"),
        pytest.param("Qwen/Qwen3-32B", "g7e.2xlarge", id="32 billion on an RTX PRO 6000"),
        pytest.param("openai/gpt-oss-120b", "g7e.2xlarge", id="gpt-oss-120b there too"),
        pytest.param("deepseek-ai/DeepSeek-R1", "p5en.48xlarge", id="DeepSeek-R1 on eight H200"),
    ],
)
def test_what_models_run_on_in_the_aws_catalog(source: str, taken: str) -> None:
    (aws,) = (path for path in CATALOGS if path.stem == "aws-us-east-1")
    served = variant(source=source, shape=KNOWN[source].shape)
    decision, _ = decide(snapshot(offers=_offers(aws), wanted=wanted(variants=(served,))), Memory())
    assert [pool.offer.name for pool in decision.target.pools] == [taken]
