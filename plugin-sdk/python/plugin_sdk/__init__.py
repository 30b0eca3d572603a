"""Write a data migration: say what becomes of **one** document. Batches, transactions, resuming, concurrent writers,
limits, undo and the report are the host's.

    from plugin_sdk import Context, Document, Result, at, fail, migration

    @migration(
        name="backfill-display-names",
        description="Fills displayName from the part of email before the @",
        version=1,
        table="users",
        filter=[at("/displayName").missing()],
    )
    def transform(user: Document, ctx: Context) -> Result:
        name, found, _ = user.require("/email", str).partition("@")
        if not found:
            return fail("no-name", "email has no @", at="/email")
        return {"displayName": name, "updatedAt": ctx.now}
"""

from .condition import At, Condition, Scalar, at
from .context import Context
from .document import Document
from .failure import Failure, MissingField, fail
from .migration import Manifest, Migration, Transform, migration
from .numbers import Number
from .outcome import (
    REMOVE,
    Changes,
    Delete,
    Edits,
    Outcome,
    Replace,
    Result,
    Skip,
    delete,
    replace,
    skip,
)

__all__ = [
    "REMOVE",
    "At",
    "Changes",
    "Condition",
    "Context",
    "Delete",
    "Document",
    "Edits",
    "Failure",
    "Manifest",
    "Migration",
    "MissingField",
    "Number",
    "Outcome",
    "Replace",
    "Result",
    "Scalar",
    "Skip",
    "Transform",
    "at",
    "delete",
    "fail",
    "migration",
    "replace",
    "skip",
]
