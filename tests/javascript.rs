//! JavaScript in the sandbox: one document's trouble is no other's, and what the platform lacks is told.

use std::process::Command;

use crate::common::{Lab, checkout};

/// Does what its document says.
const MIGRATION: &str = r#"import { migration } from "plugin-sdk";

const kept = [];
const deeper = (depth) => deeper(depth + 1) + 1;

export default migration({
  name: "do",
  table: "things",

  transform(document) {
    switch (document.do) {
      case "throw":
        return { x: document.missing.x };
      case "loop":
        for (;;);
      case "recurse":
        return { depth: deeper(0) };
      case "leak":
        for (;;) kept.push(new Uint8Array(1 << 20));
      case "chance":
        return { x: Math.random() };
      case "date":
        return { same: Date.now() === new Date().getTime(), year: new Date(0).getUTCFullYear() };
      case "log":
        console.log("said", { by: "log" });
        return {};
      case "async":
        return Promise.resolve({});
      case "text":
        return { text: new TextDecoder().decode(new TextEncoder().encode("é🎉\u0000")) };
    }
    return { n: document.n + 1 };
  },
});
"#;

#[test]
fn one_documents_trouble_is_no_others() {
    let lab = Lab::with_things([]);
    lab.host(&["new", "do", "--lang", "js"]).success();
    lab.write("do/src/migration.js", MIGRATION);
    lab.build("do").success();
    let doings = [
        "throw", "loop", "recurse", "leak", "chance", "date", "log", "async", "text",
    ];
    for (place, doing) in doings.into_iter().enumerate() {
        let body = format!(r#"{{"do":"{doing}"}}"#);
        lab.put(
            "things",
            [(format!("{place}-{doing}").as_str(), body.as_str())],
        );
        lab.put(
            "things",
            [(format!("{place}-sound").as_str(), r#"{"n":1,"kept":1.0}"#)],
        );
    }

    let ran = lab.run(
        "do/build/do.wasm",
        &[
            "--format",
            "json",
            "--batch-time",
            "1s",
            "--log-format",
            "json",
        ],
    );
    let report = ran.report();
    assert_eq!(report.adds_up().counts(), [18, 11, 1, 6, 0]);
    let mut errors = report.errors();
    errors.sort();
    let expected = [
        "0-throw error: TypeError: cannot read property 'x' of undefined (src/migration.js:13)",
        "1-loop limit: ",
        "2-recurse limit: ",
        "3-leak ",
        "4-chance error: Error: there is no chance in a migration: make ids with ctx.newId(table, seed) (src/migration.js:21)",
        "7-async no-outcome: it returned a promise",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error}");
    }
    for place in 0..doings.len() {
        assert_eq!(
            lab.body("things", &format!("{place}-sound")),
            r#"{"n":2,"kept":1.0}"#
        );
    }
    assert_eq!(
        lab.body("things", "5-date"),
        r#"{"do":"date","same":true,"year":1970}"#
    );
    assert_eq!(lab.thing("8-text")["text"], serde_json::json!("é🎉\u{0}"));
    assert!(ran.stderr().contains(r#"said {\"by\":\"log\"}"#), "{ran}");
}

#[test]
fn the_sdks_own_tests_pass() {
    let output = Command::new("node")
        .arg("--test")
        .arg(checkout().join("plugin-sdk/js/test"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("# pass 17"), "{said}");
}
