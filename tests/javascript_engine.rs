//! What QuickJS's shell does natively is what the SDK does in JavaScript, and what goes wrong while a bundle is loaded
//! is told.

use std::collections::BTreeMap;

use crate::common::Lab;

/// Holds the document at hand, which is looked into as text, against what `JSON.parse` makes of it.
const READER: &str = r#"import { migration } from "plugin-sdk";

const NAMES = [
  "a", "b", "c", "d", "é", "🎉", "", ":", ",x", "}", "]", " ", "a\":\"x", "x\":1,\"y", "a\\", "\ud800",
  "__proto__", "constructor", "toString", "length", "0", "1", "then",
];

const shown = (value) => JSON.stringify(value, (_, part) => (part === undefined ? "undefined" : Object.is(part, -0) ? "-0" : part)) ?? String(value);

const WAYS = {
  reads: (document) => NAMES.map((name) => shown(Object.hasOwn(document, name) ? document[name] : `no ${typeof document[name]}`)),
  readsTwice: (document) => [...NAMES, ...NAMES].map((name) => (typeof document[name] === "function" ? "function" : shown(document[name]))),
  names: (document) => NAMES.map((name) => [name in document, Object.hasOwn(document, name)]),
  keys: (document) => [Object.keys(document), Reflect.ownKeys(document), Object.entries(document).length],
  loops: (document) => {
    const found = [];
    for (const name in document) found.push(name, shown(document[name]));
    return found;
  },
  spreads: (document) => [shown({ ...document }), shown(Object.assign({}, document)), shown(document)],
  symbols: (document) => [Object.prototype.toString.call(document), document[Symbol.iterator], document[Symbol.toPrimitive]],
  kind: (document) => [
    Object.getPrototypeOf(document) === Object.prototype,
    document.constructor === Object || Object.hasOwn(document, "constructor"),
    Array.isArray(document),
    document instanceof Object,
    Object.isFrozen(document),
  ],
  sets: (document) => {
    document.a = 7;
    document.fresh = { deep: true };
    document.fresh.deep = [1];
    document["0"] = "zero";
    return shown(document);
  },
  deletes: (document) => [delete document.a, delete document.nothing, "a" in document, document.a, shown(document)],
  defines: (document) => {
    Object.defineProperty(document, "b", { value: 1, enumerable: false, configurable: true });
    Object.defineProperty(document, "got", { get: () => 3, enumerable: true });
    return [shown(document), document.b, shown(Object.getOwnPropertyDescriptor(document, "b"))];
  },
  freezes: (document) => {
    Object.freeze(document);
    const thrown = (work) => {
      try {
        work();
        return "done";
      } catch (error) {
        return error.name;
      }
    };
    return [
      Object.isFrozen(document),
      thrown(() => (document.a = 1)),
      thrown(() => (document.fresh = 1)),
      thrown(() => Object.defineProperty(document, "other", { value: 1 })),
      shown(document),
    ];
  },
  inherits: (document) => Object.create(document).a,
};

export default migration({
  name: "read",
  table: "things",
  transform(document, ctx) {
    const { text } = ctx.raw("");
    // Each way needs a document that nobody has read.
    const way = Object.keys(WAYS)[Number(ctx.id.split("-")[1])];
    const expected = shown(WAYS[way](JSON.parse(text)));
    const found = shown(WAYS[way](document));
    return found === expected ? { checked: way } : { checked: `${way}: ${found} instead of ${expected}` };
  },
});
"#;

const WAYS: usize = 13;

const BODIES: [&str; 22] = [
    r#"{}"#,
    r#"{"a":"x","b":{"a":1},"c":1.0}"#,
    r#"{"a":1,"a":2}"#,
    r#"{"b":{"a":1},"a":2}"#,
    r#"{"b":[{"a":1},"a"],"c":"a"}"#,
    r#"{"c":"a","a":"c"}"#,
    r#"{"c":"a"}"#,
    r#"{"b":"{[","a":"}","c":"]"}"#,
    r#"{"\u0061":1,"b":"\n","c":"\"a\":1"}"#,
    r#"{"a":"\ud83c\udf89","c":"\\"}"#,
    r#"{"é":"ü","🎉":"🎉","a":"é"}"#,
    "{ \"a\" : 1 ,\r\n\t\"b\"\n:\t\"x\" , \"c\" : true }",
    r#"{"__proto__":1,"a":2}"#,
    r#"{"__proto__":{"a":1},"b":2}"#,
    r#"{"a":null,"b":true,"c":false,"d":""}"#,
    r#"{"a":-0,"b":1E5,"c":9007199254740993,"d":1.50}"#,
    r#"{"a":12345678901234567890123456789012345678901234567890,"b":0.1e-7}"#,
    r#"{":":1,",x":2,"}":3,"]":4," ":5,"":6}"#,
    r#"{"constructor":1,"toString":2,"length":3,"then":4}"#,
    r#"{"1":"one","0":"zero","a":[]}"#,
    r#"{"x":1,"y":2,"a":{}}"#,
    r#"{"a":[1,{"b":2}],"b":[],"c":{"d":{"a":"x"}},"d":[[[]]]}"#,
];

/// Names and values that look like JSON, doubled keys, escapes and white space, in every combination that chance makes.
fn bodies_at_random() -> Vec<String> {
    const NAMES: [&str; 12] = [
        "a",
        "b",
        "",
        ":",
        "}",
        " ",
        "\\\"",
        "é",
        "{",
        "ab",
        "toString",
        "__proto__",
    ];
    const VALUES: [&str; 14] = [
        "1",
        "-0.50",
        "true",
        "null",
        r#""""#,
        r#""a""#,
        r#""a\"b""#,
        r#"":""#,
        r#"":1""#,
        r#""{""#,
        "{}",
        "[]",
        r#"{"a":2}"#,
        r#"["a"]"#,
    ];
    let mut seed = 7_u64;
    let mut below = |count: usize| {
        seed = seed * 48_271 % 2_147_483_647;
        usize::try_from(seed).unwrap() % count
    };
    let mut body = || {
        let gap = ["", "", " ", "\n\t"][below(4)];
        let members: Vec<_> = (0..below(4))
            .map(|_| {
                let mut name = NAMES[below(NAMES.len())].to_owned();
                if below(3) == 0 {
                    name = name.replace('a', "\\u0061");
                }
                let value = VALUES[below(VALUES.len())];
                format!("{gap}\"{name}\"{gap}:{gap}{value}{gap}")
            })
            .collect();
        format!("{}{{{}}}", ["", "", " "][below(3)], members.join(","))
    };
    (0..3000).map(|_| body()).collect()
}

/// The way of [`READER`] that reads every name.
const READS: usize = 0;

#[test]
fn a_document_read_as_text_is_what_parsing_makes_of_it() {
    let lab = Lab::with_things([]);
    lab.host(&["new", "read", "--lang", "js"]).success();
    lab.write("read/src/migration.js", READER);
    lab.build("read").success();
    let mut bodies = BTreeMap::new();
    for (number, body) in BODIES.into_iter().enumerate() {
        for way in 0..WAYS {
            bodies.insert(format!("{number}-{way}"), body.to_owned());
        }
    }
    for (number, body) in bodies_at_random().into_iter().enumerate() {
        bodies.insert(format!("random{number}-{READS}"), body);
    }
    lab.put(
        "things",
        bodies.iter().map(|(id, body)| (id.as_str(), body.as_str())),
    );
    let report = lab.report("read/build/read.wasm", &[]);
    let all = bodies.len() as u64;
    assert_eq!(
        report.adds_up().counts(),
        [all, all, 0, 0, 0],
        "{:#?}",
        report.errors()
    );
    for (id, body) in bodies {
        let found = &lab.thing(&id)["checked"];
        let checked = found.as_str().unwrap();
        assert!(!checked.contains(':'), "{body}\n{checked}");
    }
}

/// Answers in every form that a scalar can have, and in some that only the SDK understands.
const ANSWERER: &str = r#"import { REMOVE, migration, skip } from "plugin-sdk";

const ANSWERS = {
  string: (document) => ({ x: "plain", "a/b~c": "pointed", "é": "ü🎉", "0": "zero" }),
  escapes: () => ({ x: "\"quoted\"\\ \n\u0001\u2028 \u007f", y: "half \ud800 of a pair", z: "" }),
  numbers: () => ({ x: 1, y: -0, z: 1e21, u: 0.1, v: -7.25, w: 9007199254740991, t: 5e-324 }),
  others: () => ({ x: true, y: false, z: null }),
  same: (document) => ({ a: document.a, b: document.b, c: document.c, d: document.d }),
  changed: (document) => ({ a: document.a + 1, b: document.b === "x" ? "y" : "z", c: null, d: 4 }),
  unread: () => ({ a: 1, c: false }),
  spread: (document) => ({ ...document, x: 1 }),
  mutated: (document) => {
    document.a = 5;
    delete document.b;
    document.x = { deep: 1 };
    return document;
  },
  mutatedAndNamed: (document) => {
    document.a = 5;
    return { a: document.a, b: document.b };
  },
  removed: () => ({ a: undefined, b: REMOVE, nothing: undefined }),
  nested: () => ({ x: { y: [1, "2", null] }, z: 1 }),
  big: () => ({ x: 12345678901234567890n }),
  none: () => ({}),
  inherited: () => Object.create({ x: 1 }, { y: { value: 2, enumerable: true }, z: { value: 3 } }),
  bare: () => Object.assign(Object.create(null), { x: 1 }),
  symbol: () => ({ [Symbol("x")]: 1, y: 2 }),
  getter: () => ({ get x() { return 7; } }),
  throwing: () => ({ get x() { throw new Error("no x"); } }),
  notANumber: () => ({ x: NaN }),
  function: () => ({ x() {} }),
  then: () => ({ then() {} }),
  constructed: () => ({ constructor: "x" }),
  skipped: () => skip("so"),
  raw: (document, ctx) => ({ x: ctx.raw("/a") }),
  about: (document, ctx) => ({ id: ctx.id, year: new Date(ctx.now).getUTCFullYear() > 2000, text: ctx.nowText.length }),
};

export default migration({
  name: "answer",
  table: "things",
  transform(document, ctx) {
    return ANSWERS[ctx.id.split("-")[1]](document, ctx);
  },
});
"#;

/// What each makes of `{"a":1.0,"b":"x","c":true,"d":[1.0]}`; a failure where it is no object.
const ANSWERS: [(&str, &str); 26] = [
    (
        "string",
        r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"0":"zero","x":"plain","a/b~c":"pointed","é":"ü🎉"}"#,
    ),
    (
        "escapes",
        "{\"a\":1.0,\"b\":\"x\",\"c\":true,\"d\":[1.0],\"x\":\"\\\"quoted\\\"\\\\ \\n\\u0001\u{2028} \u{7f}\",\"y\":\"half \\ud800 of a pair\",\"z\":\"\"}",
    ),
    (
        "numbers",
        r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"x":1,"y":0,"z":1e+21,"u":0.1,"v":-7.25,"w":9007199254740991,"t":5e-324}"#,
    ),
    (
        "others",
        r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"x":true,"y":false,"z":null}"#,
    ),
    ("same", r#"{"a":1.0,"b":"x","c":true,"d":[1.0]}"#),
    ("changed", r#"{"a":2,"b":"y","c":null,"d":4}"#),
    ("unread", r#"{"a":1.0,"b":"x","c":false,"d":[1.0]}"#),
    ("spread", r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"x":1}"#),
    ("mutated", r#"{"a":5,"c":true,"d":[1.0],"x":{"deep":1}}"#),
    ("mutatedAndNamed", r#"{"a":5,"b":"x","c":true,"d":[1.0]}"#),
    ("removed", r#"{"c":true,"d":[1.0]}"#),
    (
        "nested",
        r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"x":{"y":[1,"2",null]},"z":1}"#,
    ),
    (
        "big",
        r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"x":12345678901234567890}"#,
    ),
    ("none", r#"{"a":1.0,"b":"x","c":true,"d":[1.0]}"#),
    ("inherited", r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"y":2}"#),
    ("bare", r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"x":1}"#),
    ("symbol", r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"y":2}"#),
    ("getter", r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"x":7}"#),
    ("throwing", "error: Error: no x"),
    ("notANumber", "invalid-value: NaN is no JSON value"),
    ("function", "invalid-value: a function is no JSON value"),
    ("then", "invalid-value: a function is no JSON value"),
    (
        "constructed",
        r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"constructor":"x"}"#,
    ),
    ("skipped", r#"{"a":1.0,"b":"x","c":true,"d":[1.0]}"#),
    ("raw", r#"{"a":1.0,"b":"x","c":true,"d":[1.0],"x":1.0}"#),
    ("about", ""),
];

#[test]
fn an_answer_means_the_same_whatever_the_document_is_made_of() {
    let lab = Lab::with_things([]);
    lab.host(&["new", "answer", "--lang", "js"]).success();
    lab.write("answer/src/migration.js", ANSWERER);
    lab.build("answer").success();
    // Found in its text; with an escape, which has it parsed first; and with what nobody searches for.
    let bodies = [
        r#"{"a":1.0,"b":"x","c":true,"d":[1.0]}"#,
        r#"{"a":1.0,"b":"\u0078","c":true,"d":[1.0]}"#,
        r#" {"a":1.0,"b":"x","c":true,"d":[1.0]}"#,
    ];
    for (number, body) in bodies.into_iter().enumerate() {
        for (answer, _) in ANSWERS {
            lab.put("things", [(format!("{number}-{answer}").as_str(), body)]);
        }
    }
    let report = lab.report("answer/build/answer.wasm", &[]);
    let errors = report.errors();
    for (number, body) in bodies.into_iter().enumerate() {
        for (answer, expected) in ANSWERS {
            let id = format!("{number}-{answer}");
            let found = lab.body("things", &id);
            if answer == "about" {
                let about = format!(r#","id":"{id}","year":true,"text":24}}"#);
                assert!(found.ends_with(&about), "{found}");
            } else if expected.starts_with('{') {
                let spelled = found.trim_start().replace(r#""\u0078""#, r#""x""#);
                assert_eq!(spelled, expected, "{id}");
            } else {
                assert_eq!(found, body, "{id}");
                let told = format!("{id} {expected}");
                assert!(
                    errors.iter().any(|error| error.starts_with(&told)),
                    "{told}\n{errors:#?}"
                );
            }
        }
    }
}

/// What `host build` says of a project whose migration is this.
fn refusal(migration: &str) -> String {
    let lab = Lab::new();
    lab.host(&["new", "broken", "--lang", "js"]).success();
    lab.write("broken/src/migration.js", migration);
    let ran = lab.build("broken");
    assert_eq!(ran.status(), 1, "{ran}");
    assert!(!lab.path("broken/build/broken.wasm").exists());
    ran.stderr()
}

#[test]
fn what_goes_wrong_while_a_bundle_is_loaded_is_told() {
    const REST: &str =
        "export default migration({ name: 'x', table: 'things', transform: () => ({}) });\n";
    let refused = |first: &str| {
        refusal(&format!(
            "import {{ migration }} from 'plugin-sdk';\n{first}\n{REST}"
        ))
    };
    for (first, told) in [
        ("throw new RangeError('at once');", "RangeError: at once"),
        ("null.x;", "TypeError: cannot read property 'x' of null"),
        (
            "globalThis.loaded = Date.now();",
            "Error: there is no clock while the plugin is loaded",
        ),
        (
            "console.log('hello');",
            "Error: there is no log while the plugin is loaded",
        ),
        ("throw { thrown: 'no error' };", "[object Object]"),
        ("await new Promise(() => {});", "wait for what never comes"),
        (
            "const deeper = () => deeper() + 1; deeper();",
            "loading it ended with a wasm trap: call stack exhausted",
        ),
    ] {
        let said = refused(first);
        assert!(said.contains(told), "{first}\n{said}");
    }
    let manifest = refusal(
        "import { migration } from 'plugin-sdk';\nexport default migration({ name: 'x', table: 'things', version: 1.5, transform: () => ({}) });\n",
    );
    assert!(manifest.contains("TypeError: a whole number"), "{manifest}");
}
