"""What the operator sets on the engine itself, and which field says it instead.

A second `--port` or `--api-key` on the engine's command line would win over the operator's in silence: the probes,
the sizing or the secrecy of a key would be wrong. The API server refuses them with the field to use.
"""

import re
from typing import NamedTuple

from wharfage_api.part import Rule


class _Owned(NamedTuple):
    """Arguments that the operator keeps for itself: how they are written, and what to write instead."""

    pattern: str
    says: str


def _argument(says: str, *names: str, short: str = "") -> _Owned:
    """The arguments of these names, in each spelling the engine takes (`--a-b`, `--a_b`, `--a-b=x`)."""
    options = "|".join(name.replace("-", "[-_]") for name in names)
    pattern = f"^--({options})([= ].*)?$"
    if short:
        pattern = f"^(--({options})|{short})([= ].*)?$"
    return _Owned(pattern, says)


_OWNED = (
    _argument(
        "leave out --model and --tokenizer: write spec.model.source, or a variant's source", "model", "tokenizer"
    ),
    _argument("leave out --revision: write spec.model.revision", "revision", "tokenizer-revision", "code-revision"),
    _argument("leave out --served-model-name: write spec.model.servedName", "served-model-name"),
    _argument("leave out --max-model-len: write spec.engine.maxModelTokens", "max-model-len"),
    _argument(
        "leave out --quantization and --dtype: write the quantization of a variant in spec.variants",
        "quantization",
        "dtype",
        short="-q",
    ),
    _argument("leave out --api-key: write spec.engine.apiKeySecret, which keeps it out of the process list", "api-key"),
    _argument("leave out --hf-token: write spec.model.credentialsSecret", "hf-token"),
    _argument("leave out --download-dir: write spec.engine.weightCache", "download-dir"),
    _argument(
        "leave out the parallel sizes: the operator splits a replica over the accelerators of the offer it chose; "
        "narrow spec.placement.accelerators instead",
        "tensor-parallel-size",
        "pipeline-parallel-size",
        "data-parallel-.*",
        "(decode|prefill)-context-parallel-size",
        "nnodes",
        "node-rank",
        short="-(tp|pp|dp[a-z]?|dcp|pcp|n|r)",
    ),
    _argument(
        "leave out --max-num-seqs, --max-num-batched-tokens and --gpu-memory-utilization: "
        "the operator derives them from the model's shape and the accelerator",
        "max-num-seqs",
        "max-num-batched-tokens",
        "gpu-memory-utilization",
    ),
    _argument(
        "leave out arguments about the listening socket: the engine listens on port 8000, "
        "where probes and Service expect it",
        "host",
        "port",
        "uds",
        "root-path",
        "ssl-.*",
        "headless",
    ),
    _argument(
        "leave out --shutdown-timeout and --middleware: the operator drains replicas with them",
        "shutdown-timeout",
        "middleware",
    ),
    _argument(
        "leave out --config: write the arguments themselves into spec.engine.args, so that each can be checked",
        "config",
    ),
    _argument("leave out --disable-log-stats: the metrics it removes are what scaling reads", "disable-log-stats"),
)
ARGUMENT_RULES = tuple(Rule(f"self.all(a, !a.matches('{owned.pattern}'))", owned.says) for owned in _OWNED)
"""Rules on `spec.engine.args`."""


def instead(argument: str) -> str | None:
    """What to write instead of an argument that the operator owns; None where it is the user's."""
    return next((owned.says for owned in _OWNED if re.match(owned.pattern, argument)), None)


_CONFIDENTIAL = "(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|APIKEY|API_KEY|ACCESS_KEY|SECRET_KEY|CREDENTIALS)$"

VARIABLE_RULES = (
    Rule(
        "!(self.name in ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN', 'HF_TOKEN_PATH'])",
        "leave out the Hugging Face token: write spec.model.credentialsSecret, which is mounted as a file",
        field=".name",
    ),
    Rule("self.name != 'VLLM_API_KEY'", "leave out VLLM_API_KEY: write spec.engine.apiKeySecret", field=".name"),
    Rule(
        f"!self.name.matches('{_CONFIDENTIAL}') || !has(self.value)",
        "write a secret as valueFrom.secretKeyRef, not as a literal value that everyone who may read this object sees",
        field=".value",
    ),
    Rule(
        "!(self.name in ['VLLM_PORT', 'VLLM_HOST_IP', 'HF_HOME', 'HOME',"
        " 'NVIDIA_VISIBLE_DEVICES', 'CUDA_VISIBLE_DEVICES'])",
        "leave out this variable: the operator sets it (port, cache directory, visible accelerators)",
        field=".name",
    ),
    Rule(
        "self.name != 'PYTHONPATH' || has(self.value)",
        "write PYTHONPATH with a value: the operator puts a folder of its own before it",
        field=".valueFrom",
    ),
)
"""Rules on one item of `spec.engine.env`."""
