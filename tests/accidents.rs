//! What goes wrong in a plugin at one document, in whichever language it is written, loses that document only.

use crate::common::{Lab, STORE, conformance_plugin};

/// What the conformance plugins do at a document, by what it says, and as what the host must take it.
const ACCIDENTS: [(&str, &str); 5] = [
    ("trap", "trap"),
    ("throw", "trap"),
    ("recurse", "limit"),
    ("leak", "limit"),
    ("loop", "limit"),
];

/// Has all accidents happen within one batch of documents that are fine, and looks at all of them.
#[track_caller]
fn only_that_document_is_lost(language: &str, thrown: &str) {
    let lab = Lab::with(
        "CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
         CREATE TABLE facts (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
         CREATE TABLE others (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
         INSERT INTO facts VALUES ('f', '{\"value\": \"known\"}');",
    );
    lab.put("things", [("0", r#"{"do":"get","fact":"f"}"#)]);
    for (accident, _) in ACCIDENTS {
        let body = format!(r#"{{"do":"{accident}"}}"#);
        lab.put("things", [(accident, body.as_str())]);
        let good = format!("{accident}, then");
        lab.put("things", [(good.as_str(), r#"{"do":"touch"}"#)]);
    }
    let run = [
        "run",
        conformance_plugin(language),
        "--store",
        STORE,
        "--allow",
        "read:facts,write:others,secret:KEY",
        "--batch-time",
        "2s",
        "--format",
        "json",
    ];
    let report = lab.host_with(&[("HOST_SECRET_KEY", "x")], &run).report();
    let count = ACCIDENTS.len() as u64;
    assert_eq!(
        report.adds_up().counts(),
        [2 * count + 1, count + 1, 0, count, 0]
    );
    assert_eq!(
        lab.body("things", "0"),
        r#"{"do":"get","fact":"f","value":"known"}"#
    );
    for (accident, code) in ACCIDENTS {
        let code = if accident == "throw" { thrown } else { code };
        let line = format!("{accident} {code}: ");
        let errors = report.errors();
        assert!(
            errors.iter().any(|error| error.starts_with(&line)),
            "no {line} in {errors:?}"
        );
        assert_eq!(
            lab.body("things", accident),
            format!(r#"{{"do":"{accident}"}}"#)
        );
        assert_eq!(
            lab.body("things", &format!("{accident}, then")),
            r#"{"do":"touch","touched":true}"#
        );
    }
}

#[test]
fn in_c_only_that_document_is_lost() {
    only_that_document_is_lost("c", "trap");
}

#[test]
fn in_cpp_only_that_document_is_lost() {
    only_that_document_is_lost("cpp", "trap");
}

#[test]
fn in_zig_only_that_document_is_lost() {
    only_that_document_is_lost("zig", "thrown");
}
