"""Whether a request goes, waits or is refused: a function of the request, its model, and how things stand there.

No time passes in it and nothing is kept by it: whoever drives it (the brain, a test, a simulation) keeps the state.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from wharfage_gateway.answer import UNAVAILABLE, Admit, Refuse, Wait
from wharfage_gateway.asked import Asked
from wharfage_gateway.view import Model, Replica, Throttle

LISTED = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand where a request comes in.

    `free` is the replica that would take it now and the model that it is of; `spare` one that answers only what would
    be refused; `waiting` how many wait for its model.
    `tokens_after_s` is how long until its tenant may use so many tokens, 0 for now. `full_after_s` is how long the
    whole queue takes by the pace of late. `heavy` says that its body is too much beside those of all who wait.
    `may_push` says that where it finds no place someone else has to make room for it.
    """

    free: tuple[Model, Replica] | None = None
    spare: tuple[Model, Replica] | None = None
    waiting: int = 0
    tokens_after_s: float = 0.0
    full_after_s: float = 10.0
    heavy: bool = False
    may_push: bool = False


def admit(asked: Asked, model: Model, standing: Standing) -> Admit | Wait | Refuse:
    """The answer to one request of a model that there is."""
    if asked.background:
        return _unseen()
    if model.most_prompt_tokens is not None and asked.prompt_tokens > model.most_prompt_tokens:
        return _too_long(asked, model.most_prompt_tokens)
    if standing.tokens_after_s > 0.0:
        return _exhausted(asked, model, standing.tokens_after_s)
    if standing.free is not None and not standing.waiting:
        return admitted(asked, model, standing.free)
    if standing.waiting < model.most_waiting and not standing.heavy:
        return Wait()
    if standing.spare is not None:
        return admitted(asked, model, standing.spare)
    if standing.may_push:
        return Wait()
    if standing.waiting < model.most_waiting:
        return _too_heavy(model, standing.full_after_s)
    return crowded(model, standing.full_after_s)


def admitted(asked: Asked, model: Model, free: tuple[Model, Replica]) -> Admit:
    """Go there; with what the model cuts from the answer, and the name that another deployment answers by.

    While a deployment changes its name, replicas of before and after answer to either.
    """
    carrier, replica = free
    wanted = replica.served or carrier.served
    most = model.most_output_tokens
    return Admit(
        key=carrier.key,
        pool=carrier.served,
        replica=replica.name,
        endpoint=replica.endpoint,
        variant=replica.variant,
        cut=most if most is not None and _may_exceed(asked, most) else None,
        stand_in=wanted if wanted != asked.model else "",
    )


def unknown(asked: Asked, served: Iterable[str]) -> Refuse:
    """No such model, or none named."""
    names = sorted(served)
    listed = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
    there_are = f"there are: {listed}" if names else "none is served by this gateway"
    if not asked.model:
        message = f"the request names no model: write one as `model` into its JSON body; {there_are}"
        return Refuse(400, "model_required", message, param="model")
    return Refuse(404, "model_not_found", f"there is no model {asked.model!r}; {there_are}", param="model")


def crowded(model: Model, after_s: float) -> Refuse:
    """No place in the queue."""
    message = (
        f"{model.served}: as many requests wait as may ({model.most_waiting}), and of them most are of your tenant and "
        "class: send fewer at once, or come again later"
    )
    return Refuse(429, "queue_full", message, after_s)


def _too_heavy(model: Model, after_s: float) -> Refuse:
    message = (
        f"{model.served}: the bodies of those who wait take up the memory that this gateway has for them: come again "
        "later, or send less at once"
    )
    return Refuse(429, "memory_full", message, after_s)


def overdue(model: Model, waited_s: float, after_s: float) -> Refuse:
    """Waited for as long as one may: 503 while nothing could have answered, 429 where others were served."""
    if model.at_zero:
        message = (
            f"{model.served} has no replica yet after {waited_s:.0f} s of waiting: it is started; come again later"
        )
        return Refuse(UNAVAILABLE, "cold_start_timeout", message, after_s)
    message = (
        f"{model.served}: no replica was free in {waited_s:.0f} s: send fewer requests at once, or come again later"
    )
    return Refuse(429, "queue_timeout", message, after_s)


def _may_exceed(asked: Asked, most: int) -> bool:
    """Whether its answer may have more tokens than so many, by what the engine is told."""
    return bool(asked.dialect.limits) and (asked.most_output_tokens or most + 1) > most


def _unseen() -> Refuse:
    message = "`background` is not open here, since its answer would come from a replica alone: ask without it"
    return Refuse(400, "background_unsupported", message, param="background")


def _too_long(asked: Asked, most: int) -> Refuse:
    message = f"the prompt has about {asked.prompt_tokens} tokens, this model takes {most}: shorten it"
    return Refuse(400, "context_length_exceeded", message, param="messages")


def _exhausted(asked: Asked, model: Model, after_s: float) -> Refuse:
    throttle = model.throttle or Throttle(0.0, 0.0)
    budget = f"LLMBudget {throttle.budget}" if throttle.budget else "its budget"
    message = (
        f"tenant {asked.tenant or 'anonymous'} has used its tokens of {model.served}: {budget} is at stage "
        f"{throttle.stage}, {throttle.tokens_per_s:g} tokens per second for each tenant; come again after Retry-After, "
        "or ask for fewer by max_tokens"
    )
    return Refuse(429, "tokens_exhausted", message, min(after_s, 3600.0))
