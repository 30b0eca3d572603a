"""A migration: a pure function from a document to an outcome, and what it may touch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .condition import Condition
from .context import Context
from .document import Document
from .outcome import Result

Transform = Callable[[Document, Context], Result]
"""What becomes of one document. The same document and the same answers to its lookups must give the same result."""


@dataclass(frozen=True)
class Manifest:
    """What a migration is and all that it may touch. The host enforces it."""

    name: str
    table: str
    description: str
    version: int
    run_after: tuple[str, ...]
    filter: tuple[Condition, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    secrets: tuple[str, ...]


class Migration:
    """What the decorator `migration` makes of a transform. Calling it calls the transform."""

    def __init__(self, manifest: Manifest, transform: Transform, lookups: int) -> None:
        self.manifest = manifest
        self.transform = transform
        self.lookups = lookups
        self.reverts: Transform | None = None

    def __call__(self, document: Document, context: Context) -> Result:
        return self.transform(document, context)

    def revert(self, function: Transform) -> Transform:
        """A decorator, for the function that takes the migration's work back.

        It is given the documents that the migration changed, as they are by now, or all of the table: the filter does
        not apply. It skips what is not migrated.
        """
        self.reverts = function
        return function


def migration(
    *,
    name: str,
    table: str,
    description: str = "",
    version: int = 0,
    run_after: Iterable[str] = (),
    filter: Iterable[Condition] = (),
    reads: Iterable[str] = (),
    writes: Iterable[str] = (),
    secrets: Iterable[str] = (),
    lookups: int = 100,
) -> Callable[[Transform], Migration]:
    """Makes a migration of a function.

    - `name`: its identity in the store's history: lower-case words joined by hyphens
    - `table`: the table whose documents it transforms
    - `description`: one sentence for people
    - `version`: the schema version that the store has afterwards
    - `run_after`: migrations that must have been applied before
    - `filter`: only documents that meet all of these conditions are passed to it; choose it so that a migrated document
      does not meet it
    - `reads`: tables that it looks documents up in
    - `writes`: tables that it changes besides its own
    - `secrets`: secrets that it asks for
    - `lookups`: how many lookups the transform of one document may make

    >>> from plugin_sdk import at
    >>> @migration(name="drop-nickname", table="users", filter=[at("/nickname").present()])
    ... def transform(user: Document, ctx: Context) -> Result:
    ...     return {"nickname": REMOVE}
    """
    manifest = Manifest(
        name=name,
        table=table,
        description=description,
        version=version,
        run_after=_names(run_after, "run_after"),
        filter=tuple(filter),
        reads=_names(reads, "reads"),
        writes=_names(writes, "writes"),
        secrets=_names(secrets, "secrets"),
    )
    return lambda transform: Migration(manifest, transform, lookups)


def _names(names: Iterable[str], what: str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TypeError(f"{what} is a list of names: write [{names!r}]")
    return tuple(names)
