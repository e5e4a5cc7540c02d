"""What a deployment says for its engine, checked before any machine is asked for: its image, its arguments.

The API server has refused most of it already. Here is what takes the operator's settings or the engine's own list of
arguments to see; and an object from before a rule existed.
"""

from collections.abc import Sequence

from wharfage_api.llmdeployment import LLMDeployment
from wharfage_api.owned_arguments import instead
from wharfage_autoscaler.reasons import Reason
from wharfage_serving.known import objections, version_of

from wharfage_operator.children import ChildSettings
from wharfage_operator.errors import Rejected


def check_image(deployment: LLMDeployment, settings: ChildSettings) -> None:
    """The operator's own default image is always allowed. Raises `Rejected` for one outside the allow-list."""
    image = deployment.spec.engine.image
    if not image or not settings.allowed_image_prefixes or image.startswith(settings.allowed_image_prefixes):
        return
    allowed = ", ".join(settings.allowed_image_prefixes)
    message = f"spec.engine.image {image} is not allowed here: write one that starts with {allowed}, or leave it out"
    raise Rejected(Reason.IMAGE_NOT_ALLOWED, message)


def check_arguments(written: Sequence[str], ours: Sequence[str], image: str) -> None:
    """Whether the engine would take the user's arguments, after those that the operator sets itself.

    Raises `Rejected` for all that are wrong at once. An image whose tag names no version that is supported is not
    judged: its engine says itself what it does not know.
    """
    version = version_of(image)
    if version is None:
        return
    said = dict.fromkeys(_sentence(*each) for each in objections(written, ours, version))
    if said:
        raise Rejected(Reason.INVALID_SPEC, f"spec.engine.args: {'; '.join(said)}")


def _sentence(name: str, objection: str) -> str:
    """With the field to write instead, where there is one."""
    use = instead(name)
    return f"{objection} ({use})" if use else objection
