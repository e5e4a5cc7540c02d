"""The state of a replay as rows of memory: one per request, per replica, per kind of engine, and one for the world.

Rows instead of objects, because machine code and plain Python both work on them in place; a request fills one line of
the processor's cache, and ten million of them 640 MB.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

NOBODY = -1
"""No request, no replica."""

ID_BITS = 31
"""A key of a replica's heap is the step at which a request finishes, shifted by this, and the request's number."""


class Outcome(IntEnum):
    """What became of a request."""

    PENDING = 0
    FINISHED = 1
    REFUSED = 2  # it can never fit into the cache, or nothing served and nobody held it
    ABANDONED = 3  # nobody began to serve it for longer than its client waits
    LOST = 4  # its replica ended, and its client did not ask again


class Status(IntEnum):
    """What a slot for a replica is in."""

    OFF = 0
    SERVING = 1
    DRAINING = 2


REQUEST = np.dtype(
    [
        ("arrival_s", "f8"),
        ("first_s", "f8"),  # first token at the client; NaN before
        ("finish_s", "f8"),  # last token at the client; NaN before
        ("start_step", "i8"),  # of its replica: step - start_step tokens are generated
        ("prompt", "i4"),
        ("output", "i4"),
        ("cached", "i4"),  # tokens of the prompt found in the prefix cache
        ("generated", "i4"),  # before it was preempted
        ("prefilled", "i4"),  # tokens of prompt (and of what was generated) in the KV cache
        ("admitted", "i4"),  # its place in the order of admission on its replica; 0: not admitted
        ("next", "i4"),  # behind it in the queue
        ("replica", "i2"),
        ("outcome", "i2"),
    ],
    align=True,
)

PROFILE = np.dtype(
    [
        ("per_sequence_s", "f8"),
        ("context_s_per_token", "f8"),
        ("window_s_per_token", "f8"),
        ("attention_s", "f8"),
        ("window_attention_s", "f8"),
        ("half_tokens", "f8"),
        ("window_kv_ratio", "f8"),
        ("response_s", "f8"),
        ("window_tokens", "i8"),
        ("kv_tokens", "i8"),
        ("sequences", "i8"),
        ("batched_tokens", "i8"),
    ],
    align=True,
)

REPLICA = np.dtype(
    [
        ("end_s", "f8"),  # of the step or stretch of steps in progress; infinite when there is nothing to do
        ("begin_s", "f8"),  # of the same
        ("steps", "i8"),  # in the stretch; 0 when only waking up
        ("first_step_s", "f8"),
        ("step_more_s", "f8"),  # each step of a stretch takes this much longer than the one before
        ("step", "i8"),  # steps completed since the slot was first used
        ("running", "i8"),  # sequences that decode
        ("context", "i8"),  # tokens of all of them, prompt and generated
        ("window_read", "i8"),  # tokens that their sliding layers read
        ("window_kept", "i8"),  # cache that their windows take
        ("reserved", "i8"),  # cache of prompts that are being computed
        ("starting", "i8"),  # requests at the head of the queue whose prompt is complete after this step
        ("partial", "i8"),  # 1 when the request behind those has part of its prompt computed
        ("computing", "i8"),  # tokens of prompts in this step; above 0 it is one step, and not interrupted
        ("head", "i8"),
        ("tail", "i8"),
        ("queued", "i8"),  # behind head, those included that are being computed
        ("admissions", "i8"),
        ("profile", "i8"),
        ("status", "i8"),
        ("weight", "f8"),
        ("credit", "f8"),  # of the weighted round robin
        ("busy_s", "f8"),
        ("arrived", "i8"),
        ("completed", "i8"),
        ("preempted", "i8"),
        ("prompt_tokens", "i8"),  # computed
        ("output_tokens", "i8"),  # up to begin_s
    ],
    align=True,
)

WORLD = np.dtype(
    [
        ("now_s", "f8"),
        ("arrived", "i8"),  # number of the next request to arrive
        ("parked_head", "i8"),
        ("parked_tail", "i8"),
        ("parked", "i8"),  # requests that wait for any replica to serve
        ("started", "i8"),  # first tokens in this run, listed in `started`
        ("finished", "i8"),  # last tokens in this run, listed in `finished`
        ("refused", "i8"),
        ("abandoned", "i8"),
        ("random", "i8"),
        ("routing", "i8"),
        ("hold", "i8"),
        ("patience_s", "f8"),
    ],
    align=True,
)


class State(NamedTuple):
    """All there is to a replay. The arrays are typed by their numpy dtypes, which type checkers cannot see."""

    requests: Any  # REQUEST, in order of arrival
    replicas: Any  # REPLICA, by slot
    profiles: Any  # PROFILE
    linear: Any  # seconds, by profile and tokens in the step
    heaps: Any  # whole numbers, by slot
    world: Any  # the one WORLD
    started: Any  # requests that got their first token in the latest run
    finished: Any  # requests that got their last
