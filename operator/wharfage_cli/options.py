"""What every command shares: where to connect, and how to print, said before its name or after it, as with kubectl."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import click

from wharfage_cli.connection import Connection, connect


@dataclass(frozen=True, slots=True)
class Options:
    """Where to look and how to print; None: what the kubeconfig says."""

    context: str | None = None
    namespace: str | None = None
    form: str = "table"

    @property
    def is_table(self) -> bool:
        """Whether it is printed for people."""
        return self.form in ("table", "wide")

    def connection(self) -> Connection:
        """Connect as the options say."""
        return connect(context=self.context, namespace=self.namespace)


def _shared(field: str, *names: str, **details: Any) -> Callable[[Any], Any]:
    """An option that is kept in the context's `Options`; where it stands twice, the later one holds."""

    def kept(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.obj = replace(ctx.obj or Options(), **{field: value})

    return click.option(*names, expose_value=False, callback=kept, **details)


_CONTEXT = _shared("context", "--context", help="The kubeconfig context to use.")
_NAMESPACE = _shared(
    "namespace", "-n", "--namespace", help="The namespace to look at; default: the context's (report: all)."
)
_FORM = _shared(
    "form", "-o", "--output", type=click.Choice(["table", "wide", "json", "yaml"]), help="How to print; default: table."
)


def shared(command: Any) -> Any:
    """Have a command, or all of them, take `--context`, `-n` and `-o`."""
    return _CONTEXT(_NAMESPACE(_FORM(command)))
