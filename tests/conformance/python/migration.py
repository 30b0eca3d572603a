"""Does what its document says."""

import os
from typing import NoReturn

from plugin_sdk import REMOVE, Changes, Context, Document, Edits, Result, at, delete, fail, migration, replace, skip

FIELDS = {"flag": True, "list": [1, "two", None], "nothing": None, "number": 42, "object": {"a": {"b": 1.5}}, "text": "text"}


@migration(
    name="conformance",
    description="Does what its document says",
    version=1,
    table="things",
    filter=[at("/do").present()],
    reads=["facts"],
    writes=["others"],
    secrets=["KEY"],
)
def transform(thing: Document, ctx: Context) -> Result:
    match thing["do"]:
        case "skip":
            return skip(thing["reason"])
        case "set":
            return FIELDS
        case "nested":
            return Edits().set("/address/city", "Paris")
        case "append":
            return Edits().set("/list/-", "x")
        case "touch":
            return {"touched": True}
        case "copy":
            return {"copy": thing.require("/text", str)}
        case "count":
            return {"n": thing["n"] + 1}
        case "remove":
            return {"old": REMOVE} if "old" in thing else skip("nothing to remove")
        case "rename":
            return Edits().rename("/old", "/new") if "old" in thing else skip("nothing to rename")
        case "replace":
            return replace({"do": "replaced", "text": thing["text"]})
        case "replaced":
            return skip("replaced")
        case "delete":
            return delete()
        case "changes":
            return changes(thing)
        case "fail":
            return fail("refused", "not this one", at="/do")
        case "get":
            fact = ctx.get("facts", thing["fact"])
            return {"value": fact["value"]} if fact else fail("no-fact", "no such fact", at="/fact")
        case "find":
            found = ctx.find("facts", at("/kind").equals(thing["kind"]), limit=2)
            return {"found": [fact.id for fact in found]}
        case "ungranted":
            return {"found": ctx.get("elsewhere", "1") is not None}
        case "param":
            phase = ctx.param("phase")
            return skip("no phase") if phase is None else {"phase": phase}
        case "secret":
            secret = ctx.secret("KEY")
            return skip("no secret") if secret is None else {"secret": secret}
        case "now":
            return {"at": ctx.now}
        case "new-id":
            return {"ref": ctx.new_id("others", thing["seed"])}
        case "log":
            ctx.debug("one")
            ctx.info("two")
            ctx.warn("three")
            ctx.error("four")
            return skip("logged")
        case "throw":
            raise ValueError("thrown")
        case "trap":
            os.abort()
        case "loop":
            while True:
                pass
        case "recurse":
            recurse()
        case "leak":
            leak()
    return fail("unknown", "cannot do that", at="/do")


@transform.revert
def revert(thing: Document, ctx: Context) -> Result:
    return {"done": REMOVE} if "done" in thing else skip("not done")


def changes(thing: Document) -> Result:
    if "done" in thing:
        return skip("done")
    return (
        Changes()
        .edit("things", thing.id, {"done": True})
        .insert("others", {"from": thing.id})
        .insert("others", {"given": True}, id="given")
        .edit("others", "edited", {"seen": True})
        .replace("others", "replaced", {"new": True})
        .delete("others", "deleted")
    )


def recurse() -> NoReturn:
    recurse()


def leak() -> NoReturn:
    kept = []
    while True:
        kept.append(bytearray(1 << 20))
