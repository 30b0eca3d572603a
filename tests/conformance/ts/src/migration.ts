import { type Answer, at, changes, type Context, deletion, edits, fail, migration, REMOVE, replace, skip } from "plugin-sdk";

interface Thing {
  do: string;
  done?: boolean;
  fact: string;
  kind: string;
  n: number;
  old?: unknown;
  reason: string;
  seed: string;
  text?: unknown;
}

interface Fact {
  value: string;
}

function transform(thing: Thing, ctx: Context): Answer {
  switch (thing.do) {
    case "skip":
      return skip(thing.reason);
    case "set":
      return { flag: true, list: [1, "two", null], nothing: null, number: 42, object: { a: { b: 1.5 } }, text: "text" };
    case "nested":
      return edits().set("/address/city", "Paris");
    case "append":
      return edits().set("/list/-", "x");
    case "touch":
      return { ...thing, touched: true };
    case "copy":
      return { copy: text(thing) };
    case "count":
      return { n: thing.n + 1 };
    case "remove":
      return "old" in thing ? { old: undefined } : skip("nothing to remove");
    case "rename":
      return "old" in thing ? edits().rename("/old", "/new") : skip("nothing to rename");
    case "replace":
      return replace({ do: "replaced", text: text(thing) });
    case "replaced":
      return skip("replaced");
    case "delete":
      return deletion();
    case "changes":
      if (thing.done !== undefined) return skip("done");
      return changes()
        .edit("things", ctx.id, edits().set("/done", true))
        .insert("others", { from: ctx.id })
        .insertAs("others", "given", { given: true })
        .edit("others", "edited", { seen: true })
        .replace("others", "replaced", { new: true })
        .delete("others", "deleted");
    case "fail":
      return fail("refused", "not this one", "/do");
    case "get": {
      const fact = ctx.get<Fact>("facts", thing.fact);
      return fact === undefined ? fail("no-fact", "no such fact", "/fact") : { value: fact.doc.value };
    }
    case "find":
      return { found: ctx.find("facts", at("/kind").equals(thing.kind), 2).map(({ id }) => id) };
    case "ungranted":
      return { found: ctx.get("elsewhere", "1") !== undefined };
    case "param": {
      const phase = ctx.param<string>("phase");
      return phase === undefined ? skip("no phase") : { phase };
    }
    case "secret": {
      const secret = ctx.secret("KEY");
      return secret === undefined ? skip("no secret") : { secret };
    }
    case "now":
      return { at: Date.now() };
    case "new-id":
      return { ref: ctx.newId("others", thing.seed) };
    case "log":
      console.debug("one");
      console.log("two");
      console.warn("three");
      console.error("four");
      return skip("logged");
    case "throw":
      throw new Error("thrown");
    case "trap":
      throw null;
    case "loop":
      for (;;);
    case "recurse":
      return { depth: deeper(0) };
    case "leak":
      return leak();
    default:
      return fail("unknown", "cannot do that", "/do");
  }
}

function text(thing: Thing): string {
  if (thing.text === undefined) throw fail("missing-field", "there is no text", "/text");
  if (typeof thing.text !== "string") throw fail("invalid-field", "this is no text", "/text");
  return thing.text;
}

function deeper(depth: number): number {
  return deeper(depth + 1) + 1;
}

function leak(): never {
  const kept: Uint8Array[] = [];
  for (;;) kept.push(new Uint8Array(1 << 24));
}

export default migration<Thing>({
  name: "conformance",
  description: "Does what its document says",
  version: 1,
  table: "things",
  filter: [at("/do").present()],
  reads: ["facts"],
  writes: ["others"],
  secrets: ["KEY"],
  transform,
  revert: (thing) => ("done" in thing ? { done: REMOVE } : skip("not done")),
});
