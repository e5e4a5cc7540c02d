"""Equal parts of many objects, held once: the children of a thousand deployments differ in little but their names."""

import sys
from collections.abc import Hashable
from typing import Any

_MOST = 4096
_UNIQUE, _LONG = 64, 1024
"""Words repeat and so do files; what is between them in length seldom does."""
_HEARTBEATS = ("lastHeartbeatTime", "lastProbeTime")


class Shares:
    """What was seen lately. Nobody may change what comes out of it: others hold it, too."""

    def __init__(self) -> None:
        self._held: dict[Hashable, Any] = {}

    def of(self, value: Any) -> Any:
        """A value of JSON without heartbeats, its parts the same objects as equal parts seen before."""
        if isinstance(value, dict):
            made = {sys.intern(name): self.of(item) for name, item in value.items() if name not in _HEARTBEATS}
            return self._once((dict, *made, *map(_mark, made.values())), made)
        if isinstance(value, list):
            items = [self.of(item) for item in value]
            return self._once((list, *map(_mark, items)), items)
        if isinstance(value, str) and not _UNIQUE <= len(value) < _LONG:
            return sys.intern(value)
        return value

    def _once(self, key: Hashable, made: Any) -> Any:
        if len(self._held) >= _MOST:  # most of it is of one object only; what is common is soon back
            self._held.clear()
        return self._held.setdefault(key, made)


def _mark(part: Any) -> Hashable:
    """What tells a part from others: identity does for what is held, since equal parts are one object by now."""
    if isinstance(part, (dict, list)):
        return id(part)
    return part if isinstance(part, str) else (part.__class__, part)  # 1 and True are equal
