// What the SDK makes of what a migration returns.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Original } from "../src/document.js";
import { REMOVE, at, changes, deletion, edits, fail, migration, raw, replace, skip } from "../src/index.js";
import { run } from "../src/testing.js";

const nobody = {
  isLazy: true,
  now: () => 5,
  param: () => null,
  secret: () => null,
  newId: (table, seed) => `${table}:${seed}`,
  log: () => {},
  place: () => "src/migration.js:7",
  getMany: () => [null],
  find: () => [],
};

/** The outcome of a document, in the interface's form. */
function outcome(body, transform, host = {}) {
  const made = migration({ name: "m", table: "t", transform });
  return made.outcome("transform", { id: "1", body }, { ...nobody, ...host });
}

/** The edits of a document, one a text. */
function edited(body, transform) {
  const { tag, val } = outcome(body, transform);
  assert.equal(tag, "edit", JSON.stringify(val));
  return val.map(({ tag, val }) => `${tag} ${[val].flat().join(" ")}`);
}

/** Code and message of a document's failure. */
function failure(body, transform) {
  const { tag, val } = outcome(body, transform);
  assert.equal(tag, "fail");
  return `${val.code}: ${val.message}`;
}

test("the fields that are returned are set", () => {
  assert.deepEqual(
    edited("{}", () => ({ a: 1, "b/c~": "x", d: null, e: [1.5, { f: true }] })),
    ["set /a 1", 'set /b~1c~0 "x"', "set /d null", 'set /e [1.5,{"f":true}]'],
  );
});

test("undefined and REMOVE take a field away that is there", () => {
  assert.deepEqual(
    edited('{"a":1,"b":2}', () => ({ a: undefined, b: REMOVE, c: undefined, d: REMOVE })),
    ["remove /a", "remove /b"],
  );
});

test("what is only passed through is no edit", () => {
  const body = '{"n":1.0,"big":9007199254740993,"deep":{"n":1.0},"list":[1e3],"text":"é"}';
  assert.deepEqual(
    edited(body, ({ n }) => ({ n, x: 1 })),
    ["set /x 1"],
  );
  assert.deepEqual(
    edited(body, (document) => ({ ...document, x: 1 })),
    ["set /x 1"],
  );
  assert.deepEqual(
    edited(body, (document) => document),
    [],
  );
});

test("a document may be changed and returned", () => {
  assert.deepEqual(
    edited('{"a":1,"n":1.0,"deep":{"n":1.0},"other":{"n":1.0}}', (document) => {
      document.deep.x = 2;
      document.y = 3;
      delete document.a;
      return document;
    }),
    ['set /deep {"n":1,"x":2}', "set /y 3", "remove /a"],
  );
  assert.deepEqual(
    edited('{"a":1}', (document) => {
      document.a = 2;
      return { a: document.a };
    }),
    ["set /a 2"],
  );
});

test("a number that is touched is one of JavaScript's, and ctx.raw and BigInt keep all digits", () => {
  const body = '{"big":9007199254740993,"n":1.0}';
  assert.deepEqual(
    edited(body, ({ big, n }) => ({ copy: big, m: n })),
    ["set /copy 9007199254740992", "set /m 1"],
  );
  assert.deepEqual(
    edited(body, (_, ctx) => ({ copy: ctx.raw("/big"), m: ctx.raw("/n"), none: ctx.raw("/none") })),
    ["set /copy 9007199254740993", "set /m 1.0"],
  );
  assert.deepEqual(
    edited(body, (_, ctx) => ({ list: [BigInt(ctx.raw("/big").text) + 1n, raw("1.50")] })),
    ["set /list [9007199254740994,1.50]"],
  );
});

test("raw texts are found wherever they are", () => {
  const body = ' { "a" : { "x\\"y" : [ 1.0 , "}]" , { "b" : -0 } ] } , "a/b" : 1e3, "a":{"z":[2.50]} } ';
  const found = (pointer) => {
    let text;
    outcome(body, (_, ctx) => ((text = ctx.raw(pointer)?.text), {}));
    return text;
  };
  assert.equal(found("/a/z/0"), "2.50");
  assert.equal(found("/a~1b"), "1e3");
  assert.equal(found("/a/z"), "[2.50]");
  assert.equal(found("/a/x"), undefined);
  assert.equal(found("/a/z/1"), undefined);
  assert.equal(found("/a~1b/c"), undefined);
  assert.equal(found(""), body.trim());
});

/** Bodies of every kind: nested and not, with names and values that look like JSON, doubled keys, escapes, white space. */
function* bodies() {
  const values = ["1", "-0.50", "true", "null", '""', '"a"', '"a\\"b"', '":"', '":1"', '"{"', "{}", "[]", '{"a":2}', '["a"]'];
  let seed = 7;
  const pick = (from) => from[(seed = (seed * 48271) % 2147483647) % from.length];
  for (let body = 0; body < 4000; body += 1) {
    const gap = pick(["", "", " ", "\n\t"]);
    const members = Array.from({ length: pick([0, 1, 2, 3]) }, () => {
      const name = JSON.stringify(pick(NAMES));
      return `${gap}${pick([name, name, name.replace("a", "\\u0061")])}${gap}:${gap}${pick(values)}${gap}`;
    });
    yield `${pick(["", "", " "])}{${members.join(",")}}`;
  }
}

const NAMES = ["a", "b", "", ":", ",", "]", "}", " ", '"', "\\", "é", "{", "ab", "toString", "__proto__"];

test("a field is what it is in the parsed document", () => {
  for (const body of bodies()) {
    const whole = JSON.parse(body);
    for (const name of NAMES) {
      const original = new Original(body);
      assert.deepEqual(original.lazily()[name], whole[name], `${name} of ${body}`);
      assert.ok(!original.lacks(name) || !Object.hasOwn(whole, name), `${name} of ${body}`);
    }
  }
  // A name that could be found from within one key to within another.
  assert.equal(new Original('{"x":1,"y":2}').lazily()['x":1,"y'], undefined);
});

test("a document that was not parsed is an object like any other", () => {
  const body = '{"a":1,"b":[2],"__proto__":{"x":1},"c":null}';
  const effects = [
    (document) => Object.entries(document),
    (document) => JSON.stringify(document),
    (document) => ({ ...document }),
    (document) => "b" in document && !("d" in document) && "toString" in document,
    (document) => delete document.a && JSON.stringify(document),
    (document) => ((document.d = document.a), (document.a = 2), JSON.stringify(document)),
    (document) => Object.hasOwn(document, "__proto__") && Object.getPrototypeOf(document) === Object.prototype,
    (document) => Object.isFrozen(Object.freeze(document)) && JSON.stringify(document),
    (document) => (Object.defineProperty(document, "e", { value: 1 }), Object.getOwnPropertyNames(document)),
    (document) => document.b === document.b && `${document}`,
    (document) => [document.a, document.c, document.d, document.a, document.b, document.c, Object.keys(document)],
  ];
  for (const effect of effects) {
    assert.deepEqual(effect(new Original(body).lazily()), effect(JSON.parse(body)), String(effect));
  }
});

test("what is no JSON value is refused", () => {
  for (const value of [NaN, Infinity, () => 1, Symbol("s"), { deep: NaN }, [Infinity]]) {
    assert.match(
      failure("{}", () => ({ a: value })),
      /^invalid-value: /,
    );
  }
});

test("other outcomes", () => {
  assert.deepEqual(
    outcome("{}", () => skip("why")),
    { tag: "skip", val: "why" },
  );
  assert.deepEqual(
    outcome("{}", () => replace({ a: 1n })),
    { tag: "replace", val: '{"a":1}' },
  );
  assert.deepEqual(
    outcome("{}", () => deletion()),
    { tag: "delete" },
  );
  assert.deepEqual(
    edited("{}", () => edits().set("/a/b", 1).remove("/c").rename("/d", "/e")),
    ["set /a/b 1", "remove /c", "rename /d /e"],
  );
  const { val } = outcome("{}", () =>
    changes().insert("x", {}).insertAs("x", "1", {}).edit("y", "2", { a: 1 }).replace("y", "3", {}).delete("y", "4"),
  );
  assert.deepEqual(
    val.map(({ tag }) => tag),
    ["insert", "insert", "edit", "replace", "delete"],
  );
});

test("failures are returned or thrown, from however deep", () => {
  const refuse = () => fail("code", "message", "/a");
  const expected = { tag: "fail", val: { code: "code", message: "message", at: "/a" } };
  assert.deepEqual(outcome("{}", refuse), expected);
  assert.deepEqual(
    outcome("{}", () => {
      throw refuse();
    }),
    expected,
  );
});

test("every exception is a failure, with its place", () => {
  assert.match(
    failure("{}", (document) => document.email.length),
    /^error: TypeError: .* \(src\/migration\.js:7\)$/,
  );
  for (const thrown of [null, undefined, "text", { a: 1 }, 1n, Symbol("s")]) {
    assert.match(
      failure("{}", () => {
        throw thrown;
      }),
      /^error: threw /,
    );
  }
});

test("an answer that is none is a failure", () => {
  for (const answer of [undefined, null, 7, "text", [], Promise.resolve({}), true]) {
    assert.match(
      failure("{}", () => answer),
      /^no-outcome: it returned /,
    );
  }
});

test("half a character is no text, and is replaced", () => {
  assert.deepEqual(
    outcome("{}", () => skip("a\ud800b 🎉")),
    { tag: "skip", val: "a\ufffdb 🎉" },
  );
});

test("a definition is checked", () => {
  const transform = () => ({});
  assert.throws(() => migration({ name: "m", table: "t", transform, colour: "red" }), /no `colour`/);
  assert.throws(() => migration({ name: "m", transform }), /a `table`/);
  assert.throws(() => migration({ name: "m", table: "t" }), /a function `transform`/);
  assert.throws(() => at("email"), /no JSON Pointer/);
});

test("memory that ran out is not caught: the host gives the other documents a fresh instance", () => {
  const exhausted = Object.assign(new Error("out of memory"), { name: "InternalError" });
  for (const thrown of [exhausted, "out of memory"]) {
    const caught = [];
    try {
      outcome("{}", () => {
        throw thrown;
      });
    } catch (error) {
      caught.push(error);
    }
    assert.deepEqual(caught, [thrown]);
  }
});

test("cases are run as the host runs them", () => {
  const made = migration({
    name: "m",
    table: "t",
    filter: [at("/n").atLeast(2)],
    reads: ["facts"],
    writes: ["facts"],
    secrets: ["KEY"],
    transform: (document, ctx) =>
      changes()
        .edit("t", ctx.id, { secret: ctx.secret("KEY"), other: ctx.secret("OTHER") ?? null })
        .insert("facts", { of: ctx.id })
        .delete("facts", ctx.findOne("facts", at("/kind").oneOf(["a", "b"])).id),
  });
  const given = { secrets: { KEY: "k", OTHER: "o" }, tables: { facts: { x: { kind: "c" }, y: { kind: "b" } } } };
  assert.deepEqual(run(made, { ...given, document: { n: 1 } }), { 1: { passed_over: true } });
  assert.deepEqual(run(made, { ...given, document: { n: 2 } }), {
    1: {
      document: { n: 2, secret: "k", other: null },
      tables: { facts: { y: null, "8f9906e1-9e44-5154-923f-3b81cd5532e7": { of: "1" } } },
      logs: [],
    },
  });
});
