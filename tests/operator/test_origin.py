"""What a reader told, from its words to the status and back, without a digit changing on the way."""

import json
from typing import Any

import pytest
from wharfage_api.llmdeployment_status import ModelStatus
from wharfage_autoscaler.fit import Fit, fit
from wharfage_autoscaler.shapes import KNOWN
from wharfage_operator.origin import Learned, Origin, learned, remembered, rows
from wharfage_operator.spec import untold, wanted

from tests.builders import offer
from tests.operator.objects import deployment

CONFIG = dict(KNOWN["Qwen/Qwen3-8B"].config)
NEW = Origin("hf://org/new", "")


def said(weight_bytes: object = None, **more: Any) -> str:
    return json.dumps({"config": {**CONFIG, **more}, "weightBytes": weight_bytes})


@pytest.mark.parametrize("name", KNOWN)
def test_what_was_read_is_the_same_after_a_restart(name: str) -> None:
    found = {NEW: learned(json.dumps({"config": dict(KNOWN[name].config)}))}
    kept = json.loads(json.dumps(rows(found)))
    assert remembered({"models": kept}) == found
    assert [ModelStatus.model_validate(row).model_dump(mode="json", by_alias=True) for row in kept] == kept


def test_a_learned_shape_fits_like_the_built_in_one() -> None:
    found = {NEW: learned(said(16_381_470_720, torch_dtype="bfloat16"))}
    seats = [
        fit(wanted(of, learned=found).variants[0], offer(), max_model_tokens=8192)
        for of in (deployment(), deployment(model={"source": "hf://org/new"}))
    ]
    assert all(isinstance(seat, Fit) for seat in seats)
    assert seats[0].weights_gib == pytest.approx(seats[1].weights_gib, rel=1e-4)  # type: ignore[union-attr]


def test_how_weights_are_stored_counts_in_the_fit() -> None:
    stored = {"quant_method": "awq"}
    found = {NEW: learned(said(quantization_config=stored))}
    (variant,) = wanted(deployment(model={"source": "hf://org/new"}), learned=found).variants
    seat = fit(variant, offer(), max_model_tokens=8192)
    assert isinstance(seat, Fit)
    assert variant.quantization == "", "published weights say so themselves"
    assert seat.weights_gib < 7


def test_a_mixture_without_a_dense_layer_can_be_written_down() -> None:
    found = learned(json.dumps({"config": dict(KNOWN["openai/gpt-oss-20b"].config)}))
    assert (found.shape.ffn_size, found.shape.experts.total) == (0, 32)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("", "not what this operator expects"),
        ("[]", "not what this operator expects"),
        ('{"config": []}', "not what this operator expects"),
        ('{"config": "text"}', "not what this operator expects"),
        (said()[:500] + "...", "not what this operator expects"),
        (said(hidden_size=None), "hidden_size must be a positive whole number, found None"),
        (said(hidden_size=10**30), "config.json tells a parameters_billions that cannot be"),
        (said(hidden_size=10**400), "config.json tells numbers that cannot be"),
        (said(num_hidden_layers=100_000), "config.json tells a layers that cannot be"),
        (said(num_key_value_heads=33), r"more key-value heads \(33\) than attention heads \(32\)"),
        (said(num_experts=8, num_experts_per_tok=9), r"more experts per token \(9\) than experts \(8\)"),
        ('{"config": {"model_type": "mamba", "hidden_size": 768}}', "num_hidden_layers must be"),
    ],
    ids=[
        "no word", "a list", "a list for a config", "text for a config", "an answer cut off",
        "a number that is missing", "a width beyond all bounds", "a number beyond all numbers",
        "layers beyond all bounds", "too many key-value heads", "too many active experts", "an unknown architecture",
    ],
)  # fmt: skip
def test_no_shape_comes_from(message: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        learned(message)


def test_a_size_that_is_no_number_is_ignored() -> None:
    assert learned(said("many")) == learned(said())


@pytest.mark.parametrize(
    "row",
    [{"source": "hf://org/new", "shape": {"layers": 1}}, {"shape": {}}, {"source": "hf://org/new", "shape": None}, "x"],
    ids=["half a shape", "no source", "no shape", "no row"],
)
def test_a_row_that_cannot_be_read_is_as_good_as_none(row: object) -> None:
    assert remembered({"models": [row]}) == {}


VARIANTS = [
    {"name": "best", "quality": "1.0"},
    {"name": "fp8", "quality": "0.99", "quantization": "fp8"},
    {"name": "awq", "quality": "0.98", "quantization": "awq", "source": "hf://org/new-awq"},
    {"name": "small", "quality": "0.9", "source": "hf://org/small", "revision": "v1"},
    {"name": "known", "quality": "0.8", "source": "hf://Qwen/Qwen3-8B"},
    {"name": "low", "quality": "0.1", "source": "hf://org/low"},
]


@pytest.mark.parametrize(
    ("spec", "origins"),
    [
        ({}, []),
        ({"model": {"source": "hf://org/new", "revision": "abc"}}, [Origin("hf://org/new", "abc")]),
        (
            {
                "model": {"source": "hf://org/new", "revision": "abc"},
                "variants": VARIANTS,
                "objectives": {"qualityFloor": "0.5"},
            },
            [Origin("hf://org/new", "abc"), Origin("hf://org/small", "v1")],
        ),
        ({"variants": [{"name": "a", "quality": "1.0", "revision": "v2"}]}, []),
        (
            {"model": {"source": "hf://org/new"}, "variants": [{"name": "a", "quality": "1.0", "revision": "v2"}]},
            [Origin("hf://org/new", "v2")],
        ),
    ],
    ids=[
        "none for a model of the table",
        "the model's own",
        "one per model that may be served, quantised copies being the same model",
        "none for another revision of a model of the table",
        "the revision that a variant pins",
    ],
)
def test_what_has_to_be_read(spec: dict[str, Any], origins: list[Origin]) -> None:
    assert list(untold(deployment(**spec))) == origins


def test_every_variant_of_a_model_has_the_shape_that_was_read() -> None:
    found: dict[Origin, Learned] = {NEW: learned(said())}
    spec: dict[str, Any] = {
        "model": {"source": "hf://org/new"},
        "variants": VARIANTS,
        "objectives": {"qualityFloor": "0.5"},
    }
    known = [variant.name for variant in wanted(deployment(**spec), learned=found).variants if variant.shape]
    assert known == ["best", "fp8", "awq", "known"]


def test_a_shape_in_the_spec_wins() -> None:
    shape = {"parametersBillions": "1", "layers": 2, "hiddenSize": 8, "ffnSize": 8, "vocabularySize": 8}
    shape |= {"attentionHeads": 2, "kvHeads": 2, "headDimension": 4}
    of = deployment(model={"source": "hf://org/new", "shape": shape})
    (variant,) = wanted(of, learned={NEW: learned(said())}).variants
    assert variant.shape is not None
    assert variant.shape.layers == 2
    assert untold(of) == ()
