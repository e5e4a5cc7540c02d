"""What every command shares: where to connect, and how to print."""

from dataclasses import dataclass

from wharfage_cli.connection import Connection, connect


@dataclass(frozen=True, slots=True)
class Options:
    """The options before the command's name."""

    context: str | None
    namespace: str | None
    form: str

    def connection(self) -> Connection:
        """Connect as the options say."""
        return connect(context=self.context, namespace=self.namespace)
