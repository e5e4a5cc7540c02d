"""Where the weights come from, and what the pod needs to read them: arguments, variables, volumes, mounts."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from wharfage_autoscaler.reasons import Reason

from wharfage_operator.errors import Rejected

MODELS = "/models"
CACHE = "/cache"
CREDENTIALS = "/etc/wharfage/credentials"

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Weights:
    """How the engine gets a model: what to call it, how to load it, and what must be mounted."""

    model: str  # the engine's positional argument
    load_format: str = ""
    env: tuple[tuple[str, str], ...] = ()
    volumes: tuple[Manifest, ...] = ()
    mounts: tuple[Manifest, ...] = ()


def weights(source: str, *, credentials: tuple[str, str] | None = None) -> Weights:
    """The pod's part for a source such as hf://org/name or pvc://claim/path.

    `credentials` are the name and the key of a Secret: mounted as a file, and named to the client library
    by a variable that holds the path, never the value.

    Raises:
        Rejected: for a scheme or form that is not known.

    """
    scheme, _, rest = source.partition("://")
    if not rest:
        raise Rejected(
            Reason.INVALID_SPEC, f"model source {source!r} has no scheme: write hf://, pvc://, oci://, s3:// or gs://"
        )
    match scheme:
        case "hf":
            return _with_secret(Weights(rest.strip("/")), credentials, variable="HF_TOKEN_PATH")
        case "pvc":
            return _claim(source, rest)
        case "oci":
            return _image(rest)
        case "s3":
            found = Weights(source, load_format="runai_streamer")
            return _with_secret(found, credentials, variable="AWS_SHARED_CREDENTIALS_FILE")
        case "gs":
            found = Weights(source, load_format="runai_streamer")
            return _with_secret(found, credentials, variable="GOOGLE_APPLICATION_CREDENTIALS")
    raise Rejected(Reason.INVALID_SPEC, f"model source {source!r}: write hf://, pvc://, oci://, s3:// or gs://")


def _claim(source: str, rest: str) -> Weights:
    claim, _, path = rest.partition("/")
    if not claim or ".." in PurePosixPath(path).parts:
        raise Rejected(Reason.INVALID_SPEC, f"model source {source!r}: write pvc://claim/path, without '..'")
    volume = {"name": "models", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
    mount = {"name": "models", "mountPath": MODELS, "readOnly": True}
    where = str(PurePosixPath(MODELS, path.strip("/")))
    return Weights(where, env=(("HF_HUB_OFFLINE", "1"),), volumes=(volume,), mounts=(mount,))


def _image(reference: str) -> Weights:
    volume = {"name": "models", "image": {"reference": reference, "pullPolicy": "IfNotPresent"}}
    mount = {"name": "models", "mountPath": MODELS, "readOnly": True}
    return Weights(MODELS, env=(("HF_HUB_OFFLINE", "1"),), volumes=(volume,), mounts=(mount,))


def _with_secret(found: Weights, credentials: tuple[str, str] | None, *, variable: str) -> Weights:
    if credentials is None:
        return found
    name, key = credentials
    volume = {
        "name": "credentials",
        # 0440 and the pod's group: readable by the engine, by nobody else
        "secret": {"secretName": name, "items": [{"key": key, "path": key}], "defaultMode": 0o440},
    }
    mount = {"name": "credentials", "mountPath": CREDENTIALS, "readOnly": True}
    return Weights(
        found.model,
        load_format=found.load_format,
        env=(*found.env, (variable, f"{CREDENTIALS}/{key}")),
        volumes=(*found.volumes, volume),
        mounts=(*found.mounts, mount),
    )
