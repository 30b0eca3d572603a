//! Python in the sandbox: one document's trouble is no other's, and what the platform lacks is told.

use std::env;
use std::path::Path;
use std::process::Command;

use host::build::{Language, Tool, Workshop};

use crate::common::{Lab, checkout, tools, trouble};

/// Does what its document says.
const MIGRATION: &str = r#"import datetime
import logging
import os
import random
import time
import uuid

from plugin_sdk import Context, Document, Edits, Result, migration


def deeper(depth: int) -> int:
    return deeper(depth + 1) + 1


def deeper_natively(depth: int) -> list[int]:
    return sorted([1, 2], key=lambda _: len(deeper_natively(depth)))


@migration(name="do", table="things")
def transform(thing: Document, ctx: Context) -> Result:
    match thing.get("do"):
        case "throw":
            raise ValueError("thrown")
        case "exit":
            raise SystemExit(3)
        case "loop":
            while True:
                pass
        case "recurse":
            return {"depth": deeper(0)}
        case "recurse-natively":
            return {"depth": deeper_natively(0)}
        case "leak":
            kept = []
            while True:
                kept.append(bytearray(1 << 20))
        case "abort":
            os.abort()
        case "open":
            open("/etc/passwd")
        case "chance":
            return {"x": uuid.uuid4().hex}
        case "sleep":
            time.sleep(1)
        case "import":
            import fractions
        case "surrogate":
            return Edits().set("/\ud800", 1)
        case "none":
            return None  # type: ignore[return-value]
        case "random":
            return {"x": random.random()}
        case "clock":
            texts = [datetime.datetime.now(datetime.timezone.utc), datetime.datetime.fromtimestamp(time.time())]
            return {"same": time.time_ns() == ctx.now * 1_000_000, "year": max(texts[0].year, texts[1].year) >= 2024}
        case "print":
            print("printed", end="")
            logging.warning("logged")
            return {}
        case "date":
            return {"on": str(datetime.datetime.strptime("Jun 12 1998", "%b %d %Y").date())}
        case "numbers":
            return {"copy": [thing["price"], thing["big"], thing["one"]], "sum": thing["big"] + 1}
        case "text":
            return {"text": "é🎉\0\ud800"}
    return {"n": thing["n"] + 1}
"#;

#[test]
fn one_documents_trouble_is_no_others() {
    let lab = Lab::with_things([]);
    lab.host(&["new", "do", "--lang", "python"]).success();
    lab.write("do/migration.py", MIGRATION);
    lab.build("do").success();
    let doings = [
        "throw",
        "exit",
        "loop",
        "recurse",
        "recurse-natively",
        "leak",
        "abort",
        "open",
        "chance",
        "sleep",
        "import",
        "surrogate",
        "none",
        "random",
        "clock",
        "print",
        "date",
        "text",
    ];
    trouble::put(&lab, &doings);
    lab.put(
        "things",
        [(
            "numbers",
            r#"{"do":"numbers","price":6.10,"big":9007199254740993,"one":1e3}"#,
        )],
    );

    let ran = lab.run(
        "do/build/do.wasm",
        &["--format", "json", "--batch-time", "1s"],
    );
    let report = ran.report();
    assert_eq!(report.adds_up().counts(), [37, 23, 1, 13, 0]);
    let failures = [
        "abort trap: ",
        "chance error: NotInSandbox: there are no random bytes in the sandbox; ctx.new_id makes ids (migration.py:",
        "exit error: SystemExit: 3 (migration.py:25)",
        "import error: NotInSandbox: fractions cannot be imported any more, for there are no files in the sandbox; import it at the top of the file (migration.py:46)",
        "leak error: MemoryError (migration.py:36)",
        "loop limit: ",
        "none invalid-outcome: the transform returned None; ",
        "open error: NotInSandbox: there are no files, network, environment or processes in the sandbox (open) (migration.py:40)",
        "recurse error: RecursionError: maximum recursion depth exceeded (migration.py:12)",
        "recurse-natively limit: the plugin used more than it may: the limit `stack` is 512 KiB; --stack raises it",
        "sleep error: NotInSandbox: nobody can wait in the sandbox (migration.py:44)",
        "surrogate error: UnicodeEncodeError: ",
        "throw error: ValueError: thrown (migration.py:23)",
    ];
    trouble::is_no_others(&lab, &doings, &report, &failures);
    assert_eq!(
        lab.body("things", "clock"),
        r#"{"do":"clock","same":true,"year":true}"#
    );
    assert_eq!(lab.thing("date")["on"], "1998-06-12");
    assert_eq!(
        lab.body("things", "numbers"),
        r#"{"do":"numbers","price":6.10,"big":9007199254740993,"one":1e3,"copy":[6.10,9007199254740993,1e3],"sum":9007199254740994}"#
    );
    // Half a surrogate pair is kept as the escape that JSON has for it.
    assert!(lab.body("things", "text").contains(r"\ud800"));
    let said = ran.stderr();
    assert!(said.contains("plugin info: printed"), "{said}");
    assert!(
        said.contains("plugin warning: WARNING:root:logged"),
        "{said}"
    );
}

/// What chance gives depends on the document, and not on which others were before it.
#[test]
fn chance_does_not_depend_on_batches() {
    let lab = Lab::with_things([]);
    lab.host(&["new", "do", "--lang", "python"]).success();
    lab.write("do/migration.py", MIGRATION);
    lab.build("do").success();
    let draw = |more: &[&str]| {
        lab.sql("DELETE FROM things");
        lab.put(
            "things",
            ["a", "b", "c"].map(|id| (id, r#"{"do":"random"}"#)),
        );
        let report = lab.report("do/build/do.wasm", more);
        assert_eq!(report.adds_up().counts(), [3, 3, 0, 0, 0]);
        ["a", "b", "c"].map(|id| lab.body("things", id))
    };
    let together = draw(&[]);
    assert_eq!(together, draw(&["--batch-size", "1"]));
    assert_ne!(together[0], together[1]);
}

#[test]
fn code_that_cannot_be_imported_shows_why() {
    let lab = Lab::new();
    lab.host(&["new", "broken", "--lang", "python"]).success();
    lab.write("broken/migration.py", "def transform(:\n    pass\n");
    let ran = lab.build("broken");
    assert_eq!(ran.status(), 1);
    assert!(ran.stderr().contains("SyntaxError"), "{ran}");
    assert!(!lab.path("broken/build/broken.wasm").exists());

    lab.write("broken/migration.py", "x = 1\n");
    let ran = lab.build("broken");
    assert_eq!(ran.status(), 1);
    assert!(
        ran.stderr()
            .contains("migration.py has 0 functions decorated with @migration, and must have one"),
        "{ran}"
    );
}

#[track_caller]
fn python(arguments: &[&str], folder: &Path) {
    let output = Command::new("python3")
        .args(arguments)
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("\nOK\n"), "{said}");
}

const MYPY: Tool = Tool {
    name: "mypy",
    version: "2.4.1",
    hashes: include_str!("mypy.txt"),
};

/// Checks the types of files in a folder, each a program of its own. Some import what others provide.
#[track_caller]
fn types_are_right(folder: &str, files: &[&str], imports: &[&Path]) {
    let lab = Lab::new();
    let tools = tools();
    let workshop = Workshop::new(&lab.path(""), Some(&tools), &|_| {});
    let mypy = workshop.pip(&MYPY, MYPY.version).unwrap().program("mypy");
    for file in files {
        let sdk = checkout().join("plugin-sdk/python");
        let path = env::join_paths(imports.iter().copied().chain([&*sdk])).unwrap();
        let output = Command::new(&mypy)
            .args(["--strict", "--python-version", "3.11", "--cache-dir"])
            .arg(tools.join("mypy-cache"))
            .arg(file)
            .current_dir(checkout().join(folder))
            .env("MYPYPATH", path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{folder}/{file}:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn the_types_of_the_sdk_are_right() {
    // The component's own side imports a migration, and what componentize-py makes of the interface.
    let lab = Lab::new();
    let tools = tools();
    let [componentize] = Language::Python.recipe().tools() else {
        panic!("Python has one tool");
    };
    let componentize = Workshop::new(&lab.path(""), Some(&tools), &|_| {})
        .pip(componentize, componentize.version)
        .unwrap()
        .program(componentize.name);
    let made = Command::new(componentize)
        .arg("--wit-path")
        .arg(checkout().join("wit"))
        .args(["--world", "reversible-migration", "bindings"])
        .arg(lab.path("bindings"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let template = checkout().join("plugin-sdk/templates/python");
    types_are_right(
        "plugin-sdk/python",
        &["plugin_sdk", "tests/test_sdk.py"],
        &[&lab.path("bindings"), &template],
    );
}

#[test]
fn the_types_of_plugins_are_right() {
    types_are_right(
        "plugin-sdk/templates/python",
        &["migration.py", "test_migration.py"],
        &[],
    );
    types_are_right(
        "plugins/split-name-python",
        &["migration.py", "test_migration.py"],
        &[],
    );
    types_are_right("tests/conformance/python", &["migration.py"], &[]);
}

#[test]
fn a_tool_of_other_bytes_than_were_pinned_is_not_installed() {
    let lab = Lab::new();
    let forged = Tool {
        name: "mypy-extensions",
        version: "1.1.0",
        hashes: "mypy-extensions==1.1.0 --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000",
    };
    let workshop = Workshop::new(&lab.path(""), None, &|_| {});
    let refused = workshop.pip(&forged, forged.version).err().unwrap();
    assert!(
        refused.to_string().contains("DO NOT MATCH THE HASHES"),
        "{refused}"
    );
    // It is no more there the next time.
    assert!(workshop.pip(&forged, forged.version).is_err());
}

#[test]
fn the_sdks_own_tests_pass() {
    let tests = checkout().join("plugin-sdk/python/tests");
    python(&["-m", "unittest", "--quiet"], &tests);
}

#[test]
fn the_examples_own_tests_pass() {
    let example = checkout().join("plugins/split-name-python");
    python(&["-m", "unittest", "--quiet"], &example);
}
