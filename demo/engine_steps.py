"""What `make demo-engine` shows: a request that wakes, tokens of two tenants, a replica that goes, a budget's stage."""

import json
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from demo.screen import Screen
from tests.engine.front import Front, front_of
from tests.engine.lab import KEYS, NAME, NAMESPACE, READY_WITHIN_S, ROOT, Lab, Late, example
from tests.engine.tenants import REFUSED, WHOLE, Seen

QUESTION = "How much does a berth cost?"
APPLIED = ("examples/engine/offers.yaml", "examples/engine/gateway.yaml")
BUDGET = "examples/engine/budget.yaml"
ASKED = 40
STREAMED = ("--per-s", "3", "--tokens", "100")
BUSY_S = 4.0
GATEWAY_LOG = f"kubectl -n {NAMESPACE} logs deploy/wharfage-gateway --all-containers"


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of it: seconds until the request that woke the model was answered, tokens, streams during the drain."""

    woken_s: float
    tokens: int
    drained: int


def show(screen: Screen, lab: Lab) -> Shown:
    """All steps; raises `Late` where one does not come out as it says."""
    front = front_of(lab)
    sleep(screen, front)
    woken_s = wake(screen, front)
    tokens, drained = count(screen, front), drain(screen, front)
    throttle(screen, front)
    return Shown(woken_s, tokens, drained)


def sleep(screen: Screen, front: Front) -> None:
    """A model of which nothing runs, and who may ask for it."""
    screen.step("A model behind the gateway that nobody asks for: its first replica starts, is idle, and is taken away")
    screen.command(["kubectl", "apply", *(word for path in APPLIED for word in ("-f", path))])
    front.lab.apply(example("gateway.yaml"))

    def at_zero() -> tuple[bool | None, str]:
        reason = front.reason()
        return reason == "AtZero" or None, reason

    screen.wait("nothing of it runs", at_zero, timeout_s=READY_WITHIN_S)
    table(screen, front, "get", "llm")
    screen.say(f"\nOf two tenants each has a key, in a Secret ({', '.join(KEYS)}). Who has none is turned away:")
    said, _ = asked(screen, front, key="sk-wrong")
    if said != 401:
        raise Late(f"a wrong key was answered {said} instead of 401: {GATEWAY_LOG}")


def wake(screen: Screen, front: Front) -> float:
    """A request for it is held until the replica that it orders has started."""
    screen.step("Ask it something: the request is held, a replica is ordered, a real vLLM starts, and answers it")
    said, took_s = asked(screen, front, key=KEYS["red"])
    if said != 200:
        raise Late(f"the request was answered {said}: {GATEWAY_LOG}")
    screen.good(f"answered after {took_s:.1f} s, by a replica that was not there when it was asked")
    table(screen, front, "get", "llm,pods")
    _, took_s_awake = asked(screen, front, key=KEYS["red"])
    screen.good(f"the next one after {took_s_awake:.2f} s")
    bounds(screen, front, 1)
    return took_s


def count(screen: Screen, front: Front) -> int:
    """Both tenants stream; the gateway's tokens against the engine's own."""
    screen.step(f"Both tenants stream {ASKED} answers; the gateway counts their tokens as they pass")
    (pod,) = front.lab.ready_pods()
    before, made_before = front.tokens(), made_by(front, pod)
    seen = front.streams("--requests", str(ASKED), "--per-s", "6")
    whole(seen, "while nothing was wrong")
    screen.wait("all are over", lambda: at_rest(front), timeout_s=60)
    after, made = front.tokens(), made_by(front, pod) - made_before
    counted = {tenant: sum(after[tenant]) - sum(before[tenant]) for tenant in KEYS}
    firsts = [each.first_at - each.asked_at for each in seen if each.first_at]
    for tenant, tokens in counted.items():
        screen.say(f"  {tenant:<6}{tokens:>8} tokens of prompts and answers, by the gateway")
    screen.say(f"  {'':<6}{made:>8} by vLLM's own counters")
    if sum(counted.values()) != made:
        raise Late(f"the gateway counted {sum(counted.values())} tokens and the engine {made}: {GATEWAY_LOG}")
    screen.good(f"equal; a first token came after {statistics.median(firsts):.3f} s (median)")
    return made


def drain(screen: Screen, front: Front) -> int:
    """One of two replicas goes while streams run."""
    screen.step("Two replicas, one of which is taken away under load")
    bounds(screen, front, 2)
    screen.wait("two replicas serve", lambda: serving(front, 2), timeout_s=READY_WITHIN_S)
    table(screen, front, "get", "pods")
    with front.streaming(*STREAMED) as streams:
        time.sleep(BUSY_S)
        leaving, in_hand = front.lab.busiest()
        screen.say(f"  three streams a second; {leaving} has {in_hand:g} in hand")
        screen.command(["kubectl", "-n", NAMESPACE, "delete", "pod", leaving, "--wait=false"])
        front.lab.take_away(leaving)
        screen.wait(f"{leaving} is gone", lambda: (front.lab.gone(leaving) or None, "it drains"), timeout_s=180)
        time.sleep(BUSY_S)
    whole(streams.seen, "while a replica was taken away")
    screen.good(f"{len(streams.seen)} streams, none failed")
    return len(streams.seen)


def throttle(screen: Screen, front: Front) -> None:
    """A budget's stage leaves each tenant a few tokens: who asks for more is refused, the other is not."""
    screen.step("A budget that is spent: the tenant that floods is refused, the other one is answered")
    budget = yaml.safe_load((ROOT / BUDGET).read_text(encoding="utf-8"))
    name, spec = budget["metadata"]["name"], budget["spec"]
    (stage,) = spec["stages"]
    screen.say(f"  ${spec['usd']} an hour; then each tenant keeps {stage['tokensPerSecondPerTenant']} tokens a second")
    screen.command(["kubectl", "apply", "-f", BUDGET])
    front.lab.apply([budget])

    def reached() -> tuple[str | None, str]:
        told = front.lab.deployment()["status"].get("budget") or {}
        return (json.dumps(told) if told.get("stage") == stage["action"] else None), f"status.budget {json.dumps(told)}"

    screen.say(f"  status.budget of the model: {screen.wait('its stage has come', reached, timeout_s=120)}")
    table(screen, front, "get", "llmbudget", name)
    seen = front.streams("--requests", "12", "--per-s", "4", tenants=("red",))
    refused = [each for each in seen if each.ended == REFUSED]
    screen.say(
        f"  red streams {len(seen)} answers of 64 tokens: {len(seen) - len(refused)} come, {len(refused)} do not"
    )
    if not refused or any(each.status != 429 for each in refused):
        raise Late(f"nobody was refused for tokens, but: {[each.trouble for each in seen][:3]}. See {GATEWAY_LOG}")
    for tenant, wanted in (("red", 429), ("blue", 200)):
        said, _ = asked(screen, front, key=KEYS[tenant])
        if said != wanted:
            raise Late(f"{tenant} was answered {said} instead of {wanted}: {GATEWAY_LOG}")
    front.lab.kubectl("delete", "llmbudget", name)
    screen.good("red was told when to come again; blue did not notice")


def asked(screen: Screen, front: Front, *, key: str) -> tuple[int, float]:
    """Ask by curl, and show what it says; status and seconds. What the model is at is told while it waits."""
    body = {"model": NAME, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 64}
    headers = ["-H", "Content-Type: application/json", "-H", f"Authorization: Bearer {key}"]
    command = ["curl", "-s", f"{front.url}/v1/chat/completions", *headers, "-d", json.dumps(body)]
    screen.command(command)
    told = ["--write-out", "\n%{http_code} %{time_total}", "--max-time", str(READY_WITHIN_S)]
    with subprocess.Popen(front.lab.cluster.enter([*command, *told]), stdout=subprocess.PIPE, text=True) as curl:

        def over() -> tuple[int | None, str]:
            return curl.poll(), front.doing()

        screen.wait("an answer came", over, timeout_s=READY_WITHIN_S + 30.0)
        assert curl.stdout is not None
        answer, _, figures = curl.stdout.read().rpartition("\n")
    status, took_s = figures.split()
    screen.say(f"  {status} {answer}")
    return int(status), float(took_s)


def bounds(screen: Screen, front: Front, replicas: int) -> None:
    """Exactly so many replicas, as a user would write it."""
    patch = json.dumps({"spec": {"scaling": {"minReplicas": replicas, "maxReplicas": replicas}}})
    screen.command(["kubectl", "-n", NAMESPACE, "patch", "llm", NAME, "--type=merge", "-p", patch])
    front.replicas(least=replicas, most=replicas)


def serving(front: Front, replicas: int) -> tuple[bool | None, str]:
    """As `Screen.wait` asks for it: None while it is not so."""
    so, words = front.serving(replicas)
    return so or None, words


def at_rest(front: Front) -> tuple[bool | None, str]:
    """Whether nothing runs at the gateway, and in no engine."""
    so, words = front.at_rest()
    return so or None, words


def made_by(front: Front, pod: str) -> int:
    """Tokens of prompts and answers that an engine has counted."""
    figures = front.lab.figures(pod)
    return int(figures["vllm:prompt_tokens_total"] + figures["vllm:generation_tokens_total"])


def whole(seen: Sequence[Seen], when: str) -> None:
    """Raises `Late` unless all came to their end."""
    if broken := [f"{each.ended}: {each.trouble}" for each in seen if each.ended != WHOLE]:
        raise Late(f"{len(broken)} of {len(seen)} streams failed {when}: {'; '.join(broken[:3])}. See {GATEWAY_LOG}")


def table(screen: Screen, front: Front, *arguments: str) -> None:
    """Run a command that the reader could type."""
    screen.command(["kubectl", "-n", NAMESPACE, *arguments])
    screen.say(front.lab.kubectl(*arguments).rstrip())
