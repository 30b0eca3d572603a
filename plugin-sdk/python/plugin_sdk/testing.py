"""Runs the cases of a migration natively: those that `host test` runs in the sandbox.

    import unittest

    from migration import transform
    from plugin_sdk.testing import check_cases

    class Cases(unittest.TestCase):
        def test_cases(self) -> None:
            check_cases(self, transform, "cases.jsonl")
"""

from __future__ import annotations

import unittest
from datetime import datetime
from pathlib import Path
from typing import Any

from . import batch
from .document import Document
from .failure import Failure
from .json_text import decode, encode
from .memory import Memory, Tables, meets
from .migration import Migration
from .outcome import Skip

_NOW = 1_700_000_000_000
_MEMBERS = {"name", "document", "id", "documents", "tables", "params", "secrets", "now", "revert", "expect", "again"}


def check_cases(test: unittest.TestCase, migration: Migration, path: str | Path) -> None:
    """Checks all cases in a file of JSON lines, each in a sub-test."""
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            case: dict[str, Any] = decode(line)
            with test.subTest(case.get("name", f"{path}, line {number}")):
                _check(test, migration, case)


def _check(test: unittest.TestCase, migration: Migration, case: dict[str, Any]) -> None:
    test.assertEqual(set(case) - _MEMBERS, set(), "unknown members of the case")
    is_batch = "documents" in case
    bodies = case["documents"] if is_batch else {case.get("id", "1"): case["document"]}
    documents = {id: encode(body) for id, body in bodies.items()}
    expected = case["expect"] if is_batch else dict.fromkeys(documents, case["expect"])
    came_out, tables = _run(migration, case, documents)
    test.assertEqual(came_out.keys(), expected.keys())
    for id, what in came_out.items():
        _compare(test, expected[id], what)
    again, _ = _run(migration, case, documents)
    test.assertEqual(came_out, again, "the second time something else came out")
    if case.get("again") != "changes" and not case.get("revert", False):
        for id, after in tables.items():
            body = after[migration.manifest.table].get(id)
            if body is not None:
                what, _ = _run(migration, case, {id: body}, after)
                test.assertTrue({"skip", "passed_over"} & what[id].keys(), f"applied to its own result: {what[id]}")


def _run(
    migration: Migration, case: dict[str, Any], documents: dict[str, str], others: Tables | None = None
) -> tuple[dict[str, dict[str, Any]], dict[str, Tables]]:
    """What becomes of each document; and the tables after each that changed something."""
    manifest = migration.manifest
    if others is None:
        others = {
            table: {id: encode(body) for id, body in bodies.items()} for table, bodies in case.get("tables", {}).items()
        }
    tables = {**others, manifest.table: {**others.get(manifest.table, {}), **documents}}
    params = {name: encode(value) for name, value in case.get("params", {}).items()}
    host = Memory(manifest, tables, _now(case.get("now", _NOW)), params, case.get("secrets", {}))
    is_revert = case.get("revert", False)
    function = migration.reverts if is_revert else migration.transform
    if function is None:
        raise AssertionError("the migration has no function that reverts")
    came_out: dict[str, dict[str, Any]] = {}
    given = []
    for id, body in documents.items():
        if is_revert or meets(body, manifest.filter):
            given.append(Document(id, body))
        else:
            came_out[id] = {"passed_over": True}
    after: dict[str, Tables] = {}
    for place, outcome in enumerate(batch.run(given, function, migration.lookups, host)):
        id = given[place].id
        what: dict[str, Any]
        if isinstance(outcome, Skip):
            what = {"skip": outcome.reason}
        else:
            try:
                after[id] = host.after(id, outcome)
                what = _differences(tables, after[id], manifest.table, id) or {"skip": "unchanged"}
            except Failure as failure:
                what = {"fail": {"code": failure.code, "message": failure.message, "at": failure.at}}
        what["logs"] = [{level.value: text} for document, level, text in host.logs if document == place]
        came_out[id] = what
    return came_out, after


def _differences(before: Tables, after: Tables, own: str, own_id: str) -> dict[str, Any]:
    what: dict[str, Any] = {}
    for table in sorted(before.keys() | after.keys()):
        old, new = before.get(table, {}), after.get(table, {})
        for id in sorted(old.keys() | new.keys()):
            if old.get(id) == new.get(id):
                continue
            body = decode(new[id]) if id in new else None
            if (table, id) == (own, own_id):
                what["document"] = body
            else:
                what.setdefault("tables", {}).setdefault(table, {})[id] = body
    return what


def _compare(test: unittest.TestCase, expected: dict[str, Any], what: dict[str, Any]) -> None:
    actual = {name: value for name, value in what.items() if name != "logs" or "logs" in expected}
    expected = dict(expected)
    if expected.get("skip") is True and "skip" in actual:
        expected["skip"] = actual["skip"]
    if "fail" in expected and "fail" in actual:
        actual["fail"] = {name: actual["fail"].get(name) for name in expected["fail"]}
    # As JSON text, in which the order of members and the spelling of numbers count.
    test.assertEqual(_text(expected), _text(actual))


def _text(what: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {encode(what[name])}" for name in sorted(what))


def _now(now: int | str) -> int:
    if isinstance(now, int):
        return now
    return round(datetime.fromisoformat(now.replace("Z", "+00:00")).timestamp() * 1000)
