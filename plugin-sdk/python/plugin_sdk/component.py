"""The component side: what componentize-py makes a plugin of.

It imports the project's module `migration`, which has the decorated function.
"""

from __future__ import annotations

from typing import Literal

from . import sandbox

sandbox.prepare()

import migration as plugin  # noqa: E402
from wit_world import exports  # noqa: E402
from wit_world.imports import context, log, lookup, types as wire  # noqa: E402

from . import batch  # noqa: E402
from .condition import Condition  # noqa: E402
from .document import Document  # noqa: E402
from .failure import Failure  # noqa: E402
from .host import Level, LookupFailed  # noqa: E402
from .migration import Migration, Transform as Function  # noqa: E402
from .outcome import (  # noqa: E402
    Change,
    Changes,
    Delete,
    EditOf,
    Edits,
    Insert,
    Outcome,
    Replace,
    ReplaceOf,
    Skip,
)
from .text import shown  # noqa: E402
from componentize_py_types import Err  # noqa: E402


def _the_migration() -> Migration:
    found = [value for value in vars(plugin).values() if isinstance(value, Migration)]
    if len(found) != 1:
        raise TypeError(f"migration.py has {len(found)} functions decorated with @migration, and must have one")
    return found[0]


class Imports:
    """The host, as the component imports it."""

    def __init__(self) -> None:
        # The run's time stays the same, and asking for it costs more than making a small edit.
        self._now: int | None = None

    def now(self) -> int:
        if self._now is None:
            self._now = context.now()
        return self._now

    def get_many(self, table: str, ids: list[str]) -> list[Document | None]:
        try:
            found = lookup.get_many(table, ids)
        except Err as error:
            raise _failed(error.value) from None
        return [None if document is None else Document(document.id, document.body) for document in found]

    def find_many(self, table: str, queries: list[tuple[Condition, ...]], limit: int) -> list[list[Document]]:
        try:
            found = lookup.find_many(table, [[_condition(one) for one in query] for query in queries], limit)
        except Err as error:
            raise _failed(error.value) from None
        return [[Document(document.id, document.body) for document in documents] for documents in found]

    def param(self, name: str) -> str | None:
        return context.param(name)

    def secret(self, name: str) -> str | None:
        return context.secret(name)

    def new_id(self, table: str, seed: str) -> str:
        return context.new_id(table, seed)

    def log(self, level: Level, message: str, document: int | None) -> None:
        log.emit(_LEVELS[level], message, document)


_LEVELS = {
    Level.DEBUG: log.Level.DEBUG,
    Level.INFO: log.Level.INFO,
    Level.WARN: log.Level.WARN,
    Level.ERROR: log.Level.ERROR,
}

_FAILURES = {
    lookup.Error_NotGranted: "not-granted",
    lookup.Error_UnknownTable: "unknown-table",
    lookup.Error_LimitExceeded: "limit-exceeded",
    lookup.Error_Store: "store",
}


def _failed(error: lookup.Error) -> LookupFailed:
    return LookupFailed(_FAILURES[type(error)], error.value)


def _condition(condition: Condition) -> wire.Condition:
    values = list(condition.values)
    test: wire.Test
    match condition.test:
        case "present":
            test = wire.Test_Present()
        case "missing":
            test = wire.Test_Missing()
        case "equals":
            test = wire.Test_Equals(values[0])
        case "not-equals":
            test = wire.Test_NotEquals(values[0])
        case "less-than":
            test = wire.Test_LessThan(values[0])
        case "at-least":
            test = wire.Test_AtLeast(values[0])
        case "one-of":
            test = wire.Test_OneOf(values)
    return wire.Condition(condition.at, test)


def _edits(edits: Edits) -> list[wire.Edit]:
    # Most edits set a field, and a call for each would take as long as making it.
    return [
        wire.Edit_Set((at, value)) if kind == "set" else _other_edit(kind, at, value) for kind, at, value in edits.edits
    ]


def _other_edit(kind: Literal["remove", "rename"], at: str, to: str) -> wire.Edit:
    return wire.Edit_Remove(at) if kind == "remove" else wire.Edit_Rename((at, to))


def _change(change: Change) -> wire.Change:
    if isinstance(change, Insert):
        return wire.Change_Insert(wire.Insertion(change.table, change.id, change.body))
    reference = wire.Reference(change.table, change.id)
    if isinstance(change, EditOf):
        return wire.Change_Edit((reference, _edits(change.edits)))
    if isinstance(change, ReplaceOf):
        return wire.Change_Replace((reference, change.body))
    return wire.Change_Delete(reference)


def _outcome(outcome: Outcome) -> wire.Outcome:
    if isinstance(outcome, Edits):
        return wire.Outcome_Edit(_edits(outcome))
    if isinstance(outcome, Skip):
        return wire.Outcome_Skip(shown(outcome.reason))
    if isinstance(outcome, Replace):
        return wire.Outcome_Replace(outcome.body)
    if isinstance(outcome, Delete):
        return wire.Outcome_Delete()
    if isinstance(outcome, Changes):
        return wire.Outcome_Changes([_change(change) for change in outcome.changes])
    return _failure(outcome)


def _failure(failure: Failure) -> wire.Outcome:
    at = None if failure.at is None else shown(failure.at)
    return wire.Outcome_Fail(wire.Failure(shown(failure.code), shown(failure.message), at))


_migration = _the_migration()


def _run(documents: list[wire.Document], function: Function) -> list[wire.Outcome]:
    host = Imports()
    sandbox.enter(context.now)
    given = [Document(document.id, document.body) for document in documents]
    return [_outcome(outcome) for outcome in batch.run(given, function, _migration.lookups, host)]


class Transform(exports.Transform):
    """The export `transform`."""

    def describe(self) -> wire.Manifest:
        manifest = _migration.manifest
        return wire.Manifest(
            name=manifest.name,
            description=manifest.description,
            version=manifest.version,
            run_after=list(manifest.run_after),
            table=manifest.table,
            filter=[_condition(condition) for condition in manifest.filter],
            reads=list(manifest.reads),
            writes=list(manifest.writes),
            secrets=list(manifest.secrets),
        )

    def transform(self, documents: list[wire.Document]) -> list[wire.Outcome]:
        return _run(documents, _migration.transform)


class Revert:
    """The export `revert`, of a migration that has one."""

    def revert(self, documents: list[wire.Document]) -> list[wire.Outcome]:
        if _migration.reverts is None:
            raise AssertionError("only a migration that reverts is built for the world that has this export")
        return _run(documents, _migration.reverts)


sandbox.close()
