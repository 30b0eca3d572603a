"""The host, as the SDK sees it: the real one in a component, one in memory in tests."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from .condition import Condition
from .document import Document
from .failure import Failure


class Level(Enum):
    """How much a log line matters."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class LookupFailed(Exception):
    """The host did not answer a lookup."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        """`not-granted`, `unknown-table`, `limit-exceeded` or `store`."""

    def failure(self) -> Failure:
        """As the failure of the document that asked."""
        return Failure(f"lookup-{self.kind}", str(self))


class Host(Protocol):
    """What a migration imports. A lookup raises `LookupFailed`."""

    def get_many(self, table: str, ids: list[str]) -> list[Document | None]: ...

    def find_many(self, table: str, queries: list[tuple[Condition, ...]], limit: int) -> list[list[Document]]: ...

    def now(self) -> int: ...

    def param(self, name: str) -> str | None: ...

    def secret(self, name: str) -> str | None: ...

    def new_id(self, table: str, seed: str) -> str: ...

    def log(self, level: Level, message: str, document: int | None) -> None: ...
