"""Tests of the SDK, natively: `python3 -m unittest discover plugin-sdk/python/tests`."""

import json
import random
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
# The host carries the SDK's folder, and its sources are all text.
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "plugin-sdk/python"), str(ROOT / "tests/conformance/python")]

from migration import transform as conformance  # noqa: E402

from plugin_sdk import (  # noqa: E402
    REMOVE,
    Changes,
    Context,
    Document,
    Edits,
    Failure,
    Migration,
    Result,
    at,
    delete,
    fail,
    migration,
    replace,
    skip,
)
from plugin_sdk import batch, pointer  # noqa: E402
from plugin_sdk.json_text import decode, encode  # noqa: E402
from plugin_sdk.memory import Memory, meets  # noqa: E402
from plugin_sdk.migration import Transform  # noqa: E402
from plugin_sdk.testing import check_cases  # noqa: E402

# What ends the process natively.
SANDBOX_ONLY = {"trap", "loop", "leak"}


def made(transform: Transform, **more: Any) -> Migration:
    return migration(name="test", table="things", **more)(transform)


def returning(result: Any) -> Transform:
    return lambda document, ctx: result


def run(transform: Transform, *bodies: str, tables: dict[str, dict[str, str]] | None = None, **more: Any) -> list[Any]:
    """The outcomes of these bodies, and the number of calls for lookups as the last."""
    one = made(transform, **more)
    host = Memory(one.manifest, tables or {}, 7, {}, {})
    calls: list[str] = []

    class Counting(Memory):
        def _open(self, table: str) -> dict[str, str]:
            calls.append(table)
            return super()._open(table)

    host.__class__ = Counting
    documents = [Document(str(place), body) for place, body in enumerate(bodies)]
    outcomes: list[Any] = list(batch.run(documents, transform, one.lookups, host))
    return [*outcomes, len(calls)]


class Conformance(unittest.TestCase):
    def test_cases(self) -> None:
        lines = (ROOT / "tests/conformance/cases.jsonl").read_text(encoding="utf-8").splitlines()
        path = Path(self.enterContext(__import__("tempfile").TemporaryDirectory())) / "cases.jsonl"
        path.write_text("\n".join(line for line in lines if json.loads(line)["name"] not in SANDBOX_ONLY))
        check_cases(self, conformance, path)


class Numbers(unittest.TestCase):
    BODY = '{"price":6.10,"big":9007199254740993,"one":1.0,"huge":1e400,"long":0.1234567890123456789012345}'

    def test_what_is_copied_keeps_its_spelling(self) -> None:
        document = Document("1", self.BODY)
        self.assertEqual(encode(dict(document)), self.BODY)

    def test_what_is_computed_is_pythons(self) -> None:
        document = Document("1", self.BODY)
        self.assertEqual(encode(document["price"] * 2), "12.2")
        self.assertEqual(encode(document["big"] + 1), "9007199254740994")
        self.assertEqual(encode(document["one"] + 0), "1.0")
        self.assertEqual(document["one"], 1)

    def test_what_json_has_not_is_a_failure_at_its_field(self) -> None:
        for value in (float("nan"), float("inf"), {1}, {1: 2}, object()):
            with self.assertRaises(Failure) as caught:
                Edits().set("/a", value)
            self.assertEqual((caught.exception.code, caught.exception.at), ("invalid-value", "/a"))

    def test_half_a_surrogate_pair_stays_an_escape(self) -> None:
        self.assertEqual(encode(["\ud800", "é", '"']), r'["\ud800","é","\""]')


class Fields(unittest.TestCase):
    """A field is found in the text, or in what was parsed of it: nobody can tell which."""

    NAMES = ("a", "b", "", ":", ",", "]", "}", " ", '"', "\\", "é", "{", "ab", "__proto__")
    VALUES = ("1", "-0.50", "1e400", "true", "null", '""', '"a"', '"a\\"b"', '":"', '":1"', '"{"', "{}", "[]", '{"a":2}', '["a"]')

    def bodies(self) -> Iterator[str]:
        chance = random.Random(7)
        for _ in range(4000):
            gap = chance.choice(("", "", " ", "\n\t"))
            members = []
            for _ in range(chance.randrange(4)):
                name = json.dumps(chance.choice(self.NAMES), ensure_ascii=chance.random() < 0.3)
                members.append(f"{gap}{name}{gap}:{gap}{chance.choice(self.VALUES)}{gap}")
            yield f"{chance.choice(('', '', ' '))}{{{','.join(members)}}}"

    def test_they_are_those_of_the_parsed_body(self) -> None:
        for body in self.bodies():
            whole = decode(body)
            for name in self.NAMES:
                # A fresh one: what was parsed is not looked for in the text.
                document = Document("1", body)
                self.assertEqual(repr(document.get(name, "none")), repr(whole.get(name, "none")), (body, name))
                self.assertEqual(name in Document("1", body), name in whole, (body, name))
                found = Document("1", body).at(pointer.of_key(name), "none")
                self.assertEqual(repr(found), repr(whole.get(name, "none")), (body, name))

    def test_they_stay_what_they_are_however_many_are_read(self) -> None:
        body = '{"a":1,"b":[2],"c":"3","d":4.0,"e":null}'
        document = Document("1", body)
        for _ in range(2):
            self.assertEqual([document[name] for name in "abcde"], [1, [2], "3", 4.0, None])
        self.assertEqual(encode(dict(document)), body)
        self.assertIs(document["b"], document["b"])


class Results(unittest.TestCase):
    def test_fields_are_set_in_order_and_removed_where_they_are(self) -> None:
        def transform(document: Document, ctx: Context) -> Result:
            return {"b/~": 1, "a": [None], "old": REMOVE, "none": REMOVE}

        edits = run(transform, '{"old":1}')[0]
        self.assertEqual(
            edits.edits,
            [("set", "/b~1~0", "1"), ("set", "/a", "[null]"), ("remove", "/old", "")],
        )

    def test_what_is_no_outcome_is_a_failure(self) -> None:
        for value in (None, 5, "text", [1]):
            failure = run(returning(value), "{}")[0]
            self.assertEqual(failure.code, "invalid-outcome", failure.message)
        failure = run(lambda document, ctx: document, "{}")[0]
        self.assertIn("returned a document", failure.message)

    def test_exceptions_tell_their_line(self) -> None:
        def transform(document: Document, ctx: Context) -> Result:
            raise ValueError("no good")

        failure = run(transform, "{}")[0]
        line = transform.__code__.co_firstlineno + 1
        self.assertEqual(failure.message, f"ValueError: no good (test_sdk.py:{line})")

    def test_even_those_that_cannot_be_told(self) -> None:
        class Unspeakable(BaseException):
            def __str__(self) -> str:
                raise KeyboardInterrupt

        def transform(document: Document, ctx: Context) -> Result:
            raise Unspeakable

        failure = run(transform, "{}")[0]
        self.assertTrue(failure.message.startswith("Unspeakable (test_sdk.py:"), failure.message)

    def test_a_field_that_is_missing_is_named(self) -> None:
        failure = run(lambda document, ctx: {"a": document["b/c"]}, "{}")[0]
        self.assertEqual((failure.code, failure.at), ("missing-field", "/b~1c"))

    def test_a_document_that_is_no_object(self) -> None:
        failure = run(lambda document, ctx: {"a": document["b"]}, "[1]")[0]
        self.assertEqual(failure.message, "the document is an array, not an object")

    def test_fields_of_another_kind(self) -> None:
        document = Document("1", '{"flag":true,"n":1,"f":1.5,"text":"t","none":null}')
        self.assertEqual(document.require("/n", float), 1)
        self.assertEqual(document.require("/flag", bool), True)
        for pointer, kind in (("/flag", int), ("/f", int), ("/text", int), ("/n", str)):
            with self.assertRaises(Failure) as caught:
                document.require(pointer, kind)
            self.assertEqual((caught.exception.code, caught.exception.at), ("invalid-field", pointer))
        with self.assertRaises(KeyError):
            document.require("/none", str)

    def test_outcomes(self) -> None:
        for outcome in (skip("r"), delete(), replace([1]), fail("c", "m"), Changes().delete("t", "i"), Edits()):
            self.assertIs(run(returning(outcome), "{}")[0], outcome)


class Lookups(unittest.TestCase):
    FACTS = {"facts": {"a": '{"next":"b"}', "b": '{"next":"c"}', "c": "{}"}}

    def test_a_batch_asks_once_for_each_link_of_its_chain(self) -> None:
        def transform(document: Document, ctx: Context) -> Result:
            first = ctx.get("facts", document["fact"])
            second = ctx.get("facts", first["next"]) if first else None
            ctx.info("seen")
            return skip(second.id if second else "none")

        *outcomes, calls = run(
            transform, '{"fact":"a"}', '{"fact":"b"}', '{"fact":"x"}', tables=self.FACTS, reads=["facts"]
        )
        self.assertEqual([outcome.reason for outcome in outcomes], ["b", "c", "none"])
        self.assertEqual(calls, 2)

    def test_what_is_done_to_a_body_is_seen_by_nobody_else(self) -> None:
        def transform(document: Document, ctx: Context) -> Result:
            document["seen"].append(1)
            fact = ctx.get("facts", "a")
            assert fact is not None
            fact.body["seen"] = True
            return skip(f"{document['seen']} {ctx.get('facts', 'a')}")

        *outcomes, _ = run(transform, '{"seen":[]}', '{"seen":[]}', tables=self.FACTS, reads=["facts"])
        reasons = {outcome.reason for outcome in outcomes}
        self.assertEqual(reasons, {"[1] Document('a', '{\"next\":\"b\"}')"})

    def test_many_are_asked_for_at_once(self) -> None:
        def transform(document: Document, ctx: Context) -> Result:
            found = ctx.get_many("facts", ["a", "x", "b"])
            return skip(str([fact and fact.id for fact in found]))

        outcome, calls = run(transform, "{}", tables=self.FACTS, reads=["facts"])
        self.assertEqual((outcome.reason, calls), ("['a', None, 'b']", 1))

    def test_a_plugin_that_catches_everything_waits_all_the_same(self) -> None:
        def transform(document: Document, ctx: Context) -> Result:
            try:
                return skip("found" if ctx.get("facts", "a") else "not found")
            except BaseException:
                return skip("swallowed")

        self.assertEqual(run(transform, "{}", tables=self.FACTS, reads=["facts"])[0].reason, "found")

    def test_too_many_lookups(self) -> None:
        def transform(document: Document, ctx: Context) -> Result:
            while True:
                ctx.get("facts", "a")

        outcome = run(transform, "{}", tables=self.FACTS, reads=["facts"], lookups=3)[0]
        self.assertEqual(outcome.code, "too-many-lookups")

    def test_an_impure_transform_is_found_out(self) -> None:
        seen: list[int] = []

        def transform(document: Document, ctx: Context) -> Result:
            seen.append(1)
            ctx.get("facts", str(len(seen)))
            return skip("r")

        outcome = run(transform, "{}", tables=self.FACTS, reads=["facts"], lookups=3)[0]
        self.assertEqual(outcome.code, "impure")

    def test_what_is_not_granted_fails(self) -> None:
        outcome = run(lambda document, ctx: {"a": ctx.get("facts", "a")}, "{}")[0]
        self.assertEqual(outcome.code, "lookup-not-granted")


class Conditions(unittest.TestCase):
    def test_they_compare_by_value(self) -> None:
        body = '{"n":1.0,"big":9007199254740993,"text":"b","none":null,"a":{"b":[5]}}'
        for condition, holds in (
            (at("/n").equals(1), True),
            (at("/n").equals("1"), False),
            (at("/n").equals(True), False),
            (at("/big").equals(9007199254740992), False),
            (at("/big").at_least(9007199254740993), True),
            (at("/text").less_than("c"), True),
            (at("/text").less_than(5), False),
            (at("/text").one_of(["a", "b"]), True),
            (at("/none").is_null(), True),
            (at("/none").missing(), False),
            (at("/x").missing(), True),
            (at("/x").not_equals(1), True),
            (at("/x").equals(None), False),
            (at("/a/b/0").equals(5), True),
            (at("/a/b/00").present(), False),
        ):
            self.assertEqual(meets(body, [condition]), holds, condition)


if __name__ == "__main__":
    unittest.main()
