"""The headers between Envoy and the brain: what Envoy tells of a request, and what the brain answers.

None of them but the class is ever believed when a client sends it: the listener takes them all away before anything
else looks.
"""

MODEL = "x-model"
"""What the body says as `model`; absent where it says nothing."""
CLIENT = "x-client"
"""Whose key it was, as `client()` writes it; absent where no key is asked for."""
MOST_TOKENS = "x-most-tokens"
"""`max_tokens` of the body, a number."""
MOST_COMPLETION_TOKENS = "x-most-completion-tokens"
"""`max_completion_tokens` of the body, by which chat clients say the same."""
MOST_OUTPUT_TOKENS = "x-most-output-tokens"
"""`max_output_tokens` of the body, by which clients of the Responses API say it."""
BACKGROUND = "x-background"
"""`background` of the body: 1 or 0."""
BODY_BYTES = "x-body-bytes"
"""How long the body is, of which the brain sees the beginning only."""
CLASS = "x-class"
"""The class that the client asks for: it can only lower that of its key."""
REQUEST_ID = "x-request-id"
"""Envoy's own, also in its log: finds what was admitted by an answer that its client did not wait for."""

POOL = "x-pool"
"""The cluster that shall answer: a model's served name."""
ENDPOINT = "x-endpoint"
"""The replica in it, HOST:PORT; several with commas, in the order in which they are tried."""
SLOT = "x-slot"
"""What the brain calls this admission; comes back in the access log."""
WAITED = "x-wharfage-waited-s"
"""How many seconds the request waited; for the client, the only one of all these that it sees."""
CUT = "x-cut"
"""The most tokens that the answer may have, where the client asked for more or set no limit."""
STAND_IN = "x-stand-in"
"""Served name of the other deployment that answers instead: what its engine wants as `model` in the body."""
REFUSE = "x-refuse"
"""Why it is refused with 503; a 4xx the brain answers itself, and a 5xx would count as a broken brain."""
REFUSE_MESSAGE = "x-refuse-message"
"""That reason in a sentence."""
REFUSE_AFTER = "x-refuse-after"
"""When to come again: seconds for Retry-After."""

CHANGED = "x-changed"
"""Envoy's own: the body was changed as `CUT` and `STAND_IN` say."""

TOLD = (MODEL, CLIENT, MOST_TOKENS, MOST_COMPLETION_TOKENS, MOST_OUTPUT_TOKENS, BACKGROUND, BODY_BYTES)
ASKED = (*TOLD, CLASS, REQUEST_ID)
"""What ext_authz sends to the brain."""
ANSWERED = (POOL, ENDPOINT, SLOT, CUT, STAND_IN, REFUSE, REFUSE_MESSAGE, REFUSE_AFTER)
INTERNAL = (*TOLD, REQUEST_ID, *ANSWERED, CHANGED)
"""What the listener takes away from what a client sends."""


def client(tenant: str, cls: str) -> str:
    """A tenant and the class of its key in one word, since Envoy forwards one."""
    return f"{cls}@{tenant}"


def tenant_and_class(written: str) -> tuple[str, str]:
    """The two again. A class is a short name and has no @."""
    cls, _, tenant = written.partition("@")
    return tenant, cls
