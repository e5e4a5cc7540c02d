"""What the engine is started with."""

from dataclasses import replace

from wharfage_serving.arguments import MIDDLEWARE, Engine, arguments, environment

GPU = Engine(model="org/m", served_name="chat", max_model_tokens=8192, max_num_seqs=256, max_num_batched_tokens=2048)
CPU = Engine(
    model="/models/tiny",
    served_name="tiny",
    max_model_tokens=2048,
    max_num_seqs=16,
    max_num_batched_tokens=2048,
    kv_cache_bytes=4 * 2**20,
    cores=2,
    shutdown_timeout_s=20,
)


def test_a_gpu_engine_whole() -> None:
    assert " ".join(arguments(GPU)) == (
        "org/m --served-model-name chat --port 8000 --max-model-len 8192 --max-num-seqs 256 "
        "--max-num-batched-tokens 2048 --tensor-parallel-size 1 --gpu-memory-utilization 0.90 --shutdown-timeout 30 "
        "--middleware wharfage_drain.DrainMiddleware"
    )


def test_a_cpu_engine_whole() -> None:
    assert " ".join(arguments(CPU)) == (
        "/models/tiny --served-model-name tiny --port 8000 --max-model-len 2048 --max-num-seqs 16 "
        "--max-num-batched-tokens 2048 --tensor-parallel-size 1 --kv-cache-memory-bytes 4194304 "
        "--distributed-executor-backend uni --enforce-eager --shutdown-timeout 20 "
        "--middleware wharfage_drain.DrainMiddleware"
    )


def test_the_users_arguments_come_last() -> None:
    assert arguments(GPU, extra=("--enable-prefix-caching",))[-3:] == (
        "--middleware",
        MIDDLEWARE,
        "--enable-prefix-caching",
    )


def test_only_an_engine_that_is_to_say_its_usage_says_it_in_every_portion() -> None:
    (added,) = set(arguments(replace(GPU, tells_usage=True))) - set(arguments(GPU))
    assert added == "--enable-force-include-usage"


def test_threads_are_bounded_on_a_cpu_only() -> None:
    assert environment(CPU)["OMP_NUM_THREADS"] == "2"
    assert "OMP_NUM_THREADS" not in environment(GPU)


def test_no_engine_reports_home() -> None:
    for engine in (GPU, CPU):
        assert environment(engine)["VLLM_NO_USAGE_STATS"] == "1"
        assert environment(engine)["DO_NOT_TRACK"] == "1"
