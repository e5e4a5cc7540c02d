"""JSON, packed as a value of a ConfigMap's `binaryData`."""

import base64
import binascii
import zlib
from typing import Any

import orjson


def packed(told: Any) -> str:
    """A value as text."""
    return base64.b64encode(zlib.compress(orjson.dumps(told), 6)).decode()


def unpacked(text: str) -> Any:
    """What `packed` packed; ValueError for what is none."""
    try:
        return orjson.loads(zlib.decompress(base64.b64decode(text)))
    except (zlib.error, binascii.Error) as error:
        raise ValueError(str(error)) from error
