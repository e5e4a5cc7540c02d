"""One engine as vLLM runs it: continuous batching, a step at a time, first come first served.

A step gives every running sequence one token and spends the rest of its token budget on prompts from the queue, which
are cut into chunks as the budget asks. A prompt is admitted when the cache has room for all of it beside what runs;
when the cache runs full, the sequence admitted last goes back to the head of the queue and is computed anew later.

Nothing is simulated token by token: as long as nobody joins or leaves, steps differ only in their context, which grows
by one token per sequence, so k of them take k x first + more x k (k - 1) / 2. Such a stretch lasts until a sequence
finishes, the cache is full, or a request arrives that could join. Cost is per request, not per token.

State at an instant t holds all that ended before t; what arrives at t meets the step that begins at t.
"""

import math
from typing import Any

from wharfage_simulator.compiled import compiled
from wharfage_simulator.heap import pop, push, remove
from wharfage_simulator.records import ID_BITS, NOBODY, Outcome, State

_ID = (1 << ID_BITS) - 1
_FINISHED, _REFUSED, _ABANDONED = int(Outcome.FINISHED), int(Outcome.REFUSED), int(Outcome.ABANDONED)


@compiled
def advance(slot: int, state: State, t: float) -> None:
    """Bring one replica to instant `t`: complete all that ends before it, and begin what follows."""
    replica = state.replicas[slot]
    if replica["end_s"] >= t:
        return
    profile = state.profiles[replica["profile"]]
    linear = state.linear[replica["profile"]]
    heap = state.heaps[slot]
    while replica["end_s"] < t:
        _complete(replica, profile, heap, state.requests, state.world, state.started, state.finished)
        _begin(replica, profile, linear, heap, state.requests, state.world)


@compiled
def step(slot: int, state: State) -> None:
    """Complete what is in progress on one replica, and begin what follows."""
    replica = state.replicas[slot]
    profile = state.profiles[replica["profile"]]
    heap = state.heaps[slot]
    _complete(replica, profile, heap, state.requests, state.world, state.started, state.finished)
    _begin(replica, profile, state.linear[replica["profile"]], heap, state.requests, state.world)


@compiled
def enqueue(slot: int, state: State, i: int, t: float) -> None:
    """Hand request `i` to a replica that was advanced to `t`; one that can never fit is refused."""
    requests, replica = state.requests, state.replicas[slot]
    profile = state.profiles[replica["profile"]]
    request = requests[i]
    request["replica"] = slot
    if request["prompt"] + request["output"] + _kept(profile, request) > profile["kv_tokens"]:
        request["outcome"] = _REFUSED
        state.world["refused"] += 1
        return
    request["next"] = NOBODY
    if replica["head"] == NOBODY:
        replica["head"] = i
        if replica["steps"] == 0:
            replica["begin_s"] = t
            replica["end_s"] = t
        elif replica["computing"] == 0 and replica["running"] < profile["sequences"]:
            _cut(replica, t)
    else:
        requests[replica["tail"]]["next"] = i
    replica["tail"] = i
    replica["queued"] += 1
    replica["arrived"] += 1


@compiled
def load_of(replica: Any) -> int:
    """Requests that a replica has, running or waiting."""
    return int(replica["running"] + replica["queued"])


@compiled
def steps_by(replica: Any, t: float) -> int:
    """Steps of the stretch in progress that have ended before `t`."""
    if replica["steps"] <= 1:
        return 0
    return _steps_to(replica, t) - 1


@compiled
def lasting(replica: Any, steps: int) -> float:
    """Seconds that `steps` steps of the stretch in progress take."""
    return float(steps * replica["first_step_s"] + replica["step_more_s"] * (0.5 * steps * (steps - 1)))


@compiled
def _steps_to(replica: Any, t: float) -> int:
    """The first step of the stretch that ends at `t` or after it."""
    most = replica["steps"]
    begin = replica["begin_s"]
    half = 0.5 * replica["step_more_s"]
    linear = replica["first_step_s"] - half
    if half > 0.0:
        root = (math.sqrt(linear * linear + 4.0 * half * (t - begin)) - linear) / (2.0 * half)
    else:
        root = (t - begin) / linear
    steps = min(max(math.ceil(min(root, float(most))), 1), most)
    # The root is rounded: what counts is the sum itself.
    while steps > 1 and begin + lasting(replica, steps - 1) >= t:
        steps -= 1
    while steps < most and begin + lasting(replica, steps) < t:
        steps += 1
    return int(steps)


@compiled
def _cut(replica: Any, t: float) -> None:
    """End the stretch in progress with the step that `t` falls into."""
    steps = _steps_to(replica, t)
    if steps < replica["steps"]:
        replica["steps"] = steps
        replica["end_s"] = replica["begin_s"] + lasting(replica, steps)


@compiled
def _complete(replica: Any, profile: Any, heap: Any, requests: Any, world: Any, started: Any, finished: Any) -> None:
    """What the end of the step or stretch brings: tokens, sequences that finish, prompts that become sequences."""
    now = replica["end_s"]
    steps = replica["steps"]
    running = replica["running"]
    step = replica["step"] + steps
    replica["step"] = step
    replica["busy_s"] += now - replica["begin_s"]
    replica["begin_s"] = now
    replica["context"] += running * steps
    replica["output_tokens"] += running * steps
    seen_s = now + profile["response_s"]
    while running > 0 and heap[0] >> ID_BITS <= step:
        i = heap[0] & _ID
        pop(heap, running)
        running -= 1
        request = requests[i]
        replica["context"] -= request["prompt"] + request["output"]
        _leave(replica, profile, request)
        _finish(replica, request, world, finished, i, seen_s)
    for _ in range(replica["starting"]):
        i = replica["head"]
        request = requests[i]
        replica["head"] = request["next"]
        generated = request["generated"] + 1
        replica["output_tokens"] += 1
        replica["reserved"] -= request["prompt"] + generated + _kept(profile, request)
        if generated == 1:
            request["first_s"] = seen_s
            started[world["started"]] = i
            world["started"] += 1
        if generated >= request["output"]:
            _finish(replica, request, world, finished, i, seen_s)
            continue
        request["start_step"] = step - generated
        push(heap, running, ((step - generated + request["output"]) << ID_BITS) | i)
        running += 1
        replica["context"] += request["prompt"] + generated
        replica["window_read"] += _read(profile, request)
        replica["window_kept"] += _kept(profile, request)
    replica["queued"] -= replica["starting"]
    if replica["head"] == NOBODY:
        replica["tail"] = NOBODY
    replica["prompt_tokens"] += replica["computing"]
    replica["starting"] = 0
    replica["computing"] = 0
    replica["running"] = running


@compiled
def _begin(replica: Any, profile: Any, linear: Any, heap: Any, requests: Any, world: Any) -> None:
    """Decide the next step: who is preempted, which prompts join, how many equal steps follow."""
    running = replica["running"]
    room = profile["kv_tokens"] - replica["context"] - replica["window_kept"] - replica["reserved"] - running
    while room < 0:
        room = _preempt(replica, profile, heap, requests, room)
    running = replica["running"]
    attention_s = 0.0
    budget = profile["batched_tokens"] - running
    given_up_s = math.inf
    starting = 0
    partial = 0
    before = NOBODY
    i = replica["head"]
    while i != NOBODY and budget > 0 and running + starting < profile["sequences"]:
        request = requests[i]
        tokens = request["prompt"] + request["generated"]
        if request["admitted"] == 0:
            if replica["begin_s"] - request["arrival_s"] > world["patience_s"] and request["generated"] == 0:
                i = _abandon(replica, requests, world, i, before)
                continue
            needed = tokens + 1 + _kept(profile, request)
            if needed > room:
                given_up_s = request["arrival_s"] + world["patience_s"]
                break
            room -= needed
            replica["reserved"] += needed
            replica["admissions"] += 1
            request["admitted"] = replica["admissions"]
            request["prefilled"] = min(request["cached"], tokens - 1)
        chunk = min(tokens - request["prefilled"], budget)
        attention_s += _attention_s(profile, chunk, request["prefilled"])
        request["prefilled"] += chunk
        budget -= chunk
        if request["prefilled"] < tokens:
            partial = 1
            break
        starting += 1
        before = i
        i = request["next"]
    computing = profile["batched_tokens"] - running - budget
    replica["starting"] = starting
    replica["partial"] = partial
    replica["computing"] = computing
    if running + computing == 0:
        replica["steps"] = 0
        replica["end_s"] = math.inf
        return
    first_s = (
        linear[running + computing]
        + profile["per_sequence_s"] * (running + starting)
        + profile["context_s_per_token"] * replica["context"]
        + profile["window_s_per_token"] * replica["window_read"]
        + attention_s
    )
    replica["first_step_s"] = first_s
    replica["step_more_s"] = profile["context_s_per_token"] * running
    steps = 1
    if computing == 0:
        steps = (heap[0] >> ID_BITS) - replica["step"]
        steps = min(steps, room // running + 1)
    replica["steps"] = steps
    replica["end_s"] = replica["begin_s"] + lasting(replica, steps)
    if given_up_s < replica["end_s"]:
        _cut(replica, given_up_s)  # who is behind the one that gives up may fit


@compiled
def _preempt(replica: Any, profile: Any, heap: Any, requests: Any, room: int) -> int:
    """Send back who was admitted last; the room in the cache after that, for one more token of each that runs."""
    replica["preempted"] += 1
    head = replica["head"]
    if replica["partial"] > 0:
        replica["partial"] = 0
        request = requests[head]
        request["admitted"] = 0
        request["prefilled"] = 0
        room += replica["reserved"]
        replica["reserved"] = 0
        return int(room)
    running = replica["running"]
    place = 0
    for other in range(1, running):
        if requests[heap[other] & _ID]["admitted"] > requests[heap[place] & _ID]["admitted"]:
            place = other
    i = heap[place] & _ID
    remove(heap, running, place)
    request = requests[i]
    generated = replica["step"] - request["start_step"]
    freed = request["prompt"] + generated
    replica["running"] = running - 1
    replica["context"] -= freed
    _leave(replica, profile, request)
    request["generated"] = generated
    request["prefilled"] = 0
    request["admitted"] = 0
    request["next"] = head
    replica["head"] = i
    if head == NOBODY:
        replica["tail"] = i
    replica["queued"] += 1
    return int(room + freed + _kept(profile, request) + 1)


@compiled
def _abandon(replica: Any, requests: Any, world: Any, i: int, before: int) -> int:
    """Take a request whose client has hung up out of the queue; the one behind it."""
    after = requests[i]["next"]
    requests[i]["outcome"] = _ABANDONED
    world["abandoned"] += 1
    replica["queued"] -= 1
    if before == NOBODY:
        replica["head"] = after
    else:
        requests[before]["next"] = after
    if after == NOBODY:
        replica["tail"] = before
    return int(after)


@compiled
def _finish(replica: Any, request: Any, world: Any, finished: Any, i: int, seen_s: float) -> None:
    request["finish_s"] = seen_s
    request["outcome"] = _FINISHED
    replica["completed"] += 1
    finished[world["finished"]] = i
    world["finished"] += 1


@compiled
def _leave(replica: Any, profile: Any, request: Any) -> None:
    """Take a sequence's windows out of the sums."""
    replica["window_read"] -= _read(profile, request)
    replica["window_kept"] -= _kept(profile, request)


@compiled
def _read(profile: Any, request: Any) -> int:
    """Tokens that a sequence's sliding layers read: those of half its output, taken for its whole life."""
    return int(min(request["prompt"] + request["output"] // 2, profile["window_tokens"]))


@compiled
def _kept(profile: Any, request: Any) -> int:
    """Cache that a sequence's windows take at their longest, in tokens kept by all layers."""
    return int(profile["window_kv_ratio"] * min(request["prompt"] + request["output"], profile["window_tokens"]))


@compiled
def _attention_s(profile: Any, tokens: int, history: int) -> float:
    """`StepTime.prefill_attention_s`."""
    length, reached = float(history + tokens), history + 0.5 * tokens
    seconds = profile["attention_s"] * reached * (1.0 + profile["half_tokens"] / length)
    if profile["window_tokens"] > 0:
        window = float(profile["window_tokens"])
        reached, length = min(reached, window), min(length, window)
        seconds += profile["window_attention_s"] * reached * (1.0 + profile["half_tokens"] / length)
    return float(tokens * seconds)
