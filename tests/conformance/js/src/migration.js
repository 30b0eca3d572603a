import { at, changes, deletion, edits, fail, migration, REMOVE, replace, skip } from "plugin-sdk";

const work = {
  skip: ({ reason }) => skip(reason),
  set: () => ({ flag: true, list: [1, "two", null], nothing: null, number: 42, object: { a: { b: 1.5 } }, text: "text" }),
  nested: () => edits().set("/address/city", "Paris"),
  append: () => edits().set("/list/-", "x"),
  touch: () => ({ touched: true }),
  copy: (document) => ({ copy: string(document, "text") }),
  count: ({ n }) => ({ n: n + 1 }),
  remove: (document) => ("old" in document ? { old: REMOVE } : skip("nothing to remove")),
  rename: (document) => ("old" in document ? edits().rename("/old", "/new") : skip("nothing to rename")),
  replace: ({ text }) => replace({ do: "replaced", text }),
  replaced: () => skip("replaced"),
  delete: () => deletion(),
  changes: ({ done }, { id }) =>
    done !== undefined
      ? skip("done")
      : changes()
          .edit("things", id, { done: true })
          .insert("others", { from: id })
          .insertAs("others", "given", { given: true })
          .edit("others", "edited", { seen: true })
          .replace("others", "replaced", { new: true })
          .delete("others", "deleted"),
  fail: () => fail("refused", "not this one", "/do"),
  get({ fact }, ctx) {
    const found = ctx.get("facts", fact);
    if (found === undefined) throw fail("no-fact", "no such fact", "/fact");
    return { value: found.doc.value };
  },
  find: ({ kind }, ctx) => ({ found: ctx.find("facts", at("/kind").equals(kind), 2).map(({ id }) => id) }),
  ungranted: (_, ctx) => ({ found: ctx.get("elsewhere", "1") !== undefined }),
  param(_, ctx) {
    const phase = ctx.param("phase");
    return phase === undefined ? skip("no phase") : { phase };
  },
  secret(_, ctx) {
    const secret = ctx.secret("KEY");
    return secret === undefined ? skip("no secret") : { secret };
  },
  now: (_, ctx) => ({ at: ctx.now }),
  "new-id": ({ seed }, ctx) => ({ ref: ctx.newId("others", seed) }),
  log(_, { log }) {
    log.debug("one");
    log.info("two");
    log.warn("three");
    log.error("four");
    return skip("logged");
  },
  throw() {
    throw new Error("thrown");
  },
  trap() {
    // There is nothing harder in JavaScript.
    throw null;
  },
  loop() {
    for (;;);
  },
  recurse: () => ({ depth: deeper(0) }),
  leak() {
    const kept = [];
    for (;;) kept.push(new Uint8Array(1 << 24));
  },
};

function string(document, field) {
  const value = document[field];
  if (value === undefined) throw fail("missing-field", "there is no text", `/${field}`);
  if (typeof value !== "string") throw fail("invalid-field", "this is no text", `/${field}`);
  return value;
}

function deeper(depth) {
  return deeper(depth + 1) + 1;
}

export default migration({
  name: "conformance",
  description: "Does what its document says",
  version: 1,
  table: "things",
  filter: [at("/do").present()],
  reads: ["facts"],
  writes: ["others"],
  secrets: ["KEY"],

  transform(document, ctx) {
    const how = Object.hasOwn(work, document.do) ? work[document.do] : undefined;
    return how === undefined ? fail("unknown", "cannot do that", "/do") : how(document, ctx);
  },

  revert: (document) => ("done" in document ? { done: REMOVE } : skip("not done")),
});
