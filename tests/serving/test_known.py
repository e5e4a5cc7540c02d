"""Which of the user's arguments an engine would take."""

import pytest
from wharfage_serving.arguments import Engine, arguments
from wharfage_serving.known import VERSIONS, known, objections, version_of

VERSION = VERSIONS[-1]
GPU = Engine(
    model="org/m",
    served_name="chat",
    max_model_tokens=8192,
    max_num_seqs=256,
    max_num_batched_tokens=2048,
    revision="0e9e39f",
    quantization="fp8",
    dtype="float16",
    load_format="runai_streamer",
)
CPU = Engine(
    model="/models/tiny",
    served_name="tiny",
    max_model_tokens=2048,
    max_num_seqs=16,
    max_num_batched_tokens=2048,
    kv_cache_bytes=4 * 2**20,
    cores=2,
)


def said(*written: str, engine: Engine = GPU) -> list[tuple[str, str]]:
    return list(objections(written, arguments(engine), VERSION))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("engine", [GPU, CPU], ids=["on an accelerator", "on cores"])
def test_every_argument_that_the_operator_sets_is_one_that_the_engine_knows(version: str, engine: Engine) -> None:
    ours = [word for word in arguments(engine) if word.startswith("--")]
    assert [word for word in ours if word not in known(version)] == []


@pytest.mark.parametrize("engine", [GPU, CPU], ids=["on an accelerator", "on cores"])
def test_whatever_the_operator_sets_is_refused_when_a_user_sets_it_to_something_else(engine: Engine) -> None:
    for word in arguments(engine):
        argument = known(VERSION).get(word)
        if argument is None:
            continue
        other = (word, "other") if argument.values else (f"--no-{word.removeprefix('--')}",)
        ((name, words),) = said(*other, engine=engine)
        assert name == argument.name
        assert words.endswith("is what the operator sets itself here: leave it out")


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(("--enable-prefix-caching",), id="a flag"),
        pytest.param(("--no-enable-prefix-caching",), id="its opposite"),
        pytest.param(("--seed", "-1"), id="a negative number"),
        pytest.param(("--seed=3", "--enable_prefix_caching"), id="a value after =, and underscores"),
        pytest.param(("--kv-transfer-config.kv_role", "kv_both"), id="one field of an object"),
        pytest.param(("--lora-modules", "a=/x", "b=/y", "--enable-lora"), id="several values"),
        pytest.param(("-O3", "-sc", '{"method": "ngram"}'), id="short names"),
        pytest.param(("--kv-cache-memory-bytes", "4M"), id="one that only an engine on cores is given by us"),
    ],
)
def test_what_the_engine_knows_is_the_users(written: tuple[str, ...]) -> None:
    assert said(*written) == []


@pytest.mark.parametrize(
    ("written", "name", "words"),
    [
        pytest.param(
            ("--enable-prefix-cashing",),
            "--enable-prefix-cashing",
            "vLLM 0.32.0 knows no argument --enable-prefix-cashing; did you mean --enable-prefix-caching?",
            id="a misspelt one is named with its neighbour",
        ),
        pytest.param(
            ("--zzz", "1"), "--zzz", "vLLM 0.32.0 knows no argument --zzz", id="one that is like no other is named"
        ),
        pytest.param(
            ("--max_model_le=4",),
            "--max-model-len",
            "--max-model-le is short for --max-model-len: write it in full",
            id="the beginning of one of ours would win over it",
        ),
        pytest.param(
            ("--seed 3",),
            "--seed 3",
            "vLLM 0.32.0 knows no argument --seed 3; did you mean --seed?",
            id="a blank in it",
        ),
        pytest.param(
            ("--enable-lora", "true"),
            "true",
            "'true' follows no argument that takes a value",
            id="a flag takes no value",
        ),
        pytest.param(
            ("org/other",), "org/other", "'org/other' follows no argument that takes a value", id="a second model"
        ),
        pytest.param(
            ("-tp", "4"),
            "--tensor-parallel-size",
            "-tp is what the operator sets itself here: leave it out",
            id="a short name of ours",
        ),
    ],
)
def test_what_it_would_die_of_is_said(written: tuple[str, ...], name: str, words: str) -> None:
    assert said(*written) == [(name, words)]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("vllm/vllm-openai:v0.32.0", "0.32.0"),
        ("registry.example:5000/vllm:0.32.0-cu130", "0.32.0"),
        (f"vllm/vllm-openai:v0.32.0@sha256:{'0' * 64}", "0.32.0"),
        ("vllm/vllm-openai:v0.99.0", None),
        ("vllm/vllm-openai:latest", None),
        ("registry.example:5000/vllm", None),
        (f"vllm/vllm-openai@sha256:{'0' * 64}", None),
    ],
)
def test_an_images_version_is_its_tags_where_that_is_supported(image: str, version: str | None) -> None:
    assert version_of(image) == version
