//! Go in the sandbox: one document's trouble is no other's, and what the platform lacks is told.

use crate::common::{Lab, checkout, go, trouble};

/// Does what its document says.
const MIGRATION: &str = r#"package main

import (
	"fmt"
	"os"
	"time"

	"migration/sdk"
)

type Thing struct {
	Do string `json:"do"`
	N  int    `json:"n"`
}

var kept [][]byte

func deeper(depth int) int { return deeper(depth+1) + 1 }

var migration = sdk.Migration[Thing]{
	Name:  "do",
	Table: "things",
	Transform: func(thing Thing, ctx *sdk.Context) sdk.Outcome {
		switch thing.Do {
		case "panic":
			panic("thrown")
		case "nil":
			var none *Thing
			return sdk.Set{"n": none.N}
		case "index":
			return sdk.Set{"n": kept[len(thing.Do)]}
		case "exit":
			os.Exit(3)
		case "loop":
			for {
			}
		case "recurse":
			return sdk.Set{"depth": deeper(0)}
		case "leak":
			for {
				kept = append(kept, make([]byte, 1<<20))
			}
		case "deadlock":
			<-make(chan int)
		case "open":
			_, err := os.Open("/etc/passwd")
			panic(err)
		case "clock":
			return sdk.Set{"same": time.Now().UnixMilli() == int64(ctx.Now())}
		case "sleep":
			time.Sleep(time.Hour)
			return sdk.Set{"slept": true}
		case "print":
			fmt.Println("printed")
			return sdk.Set{"goroutine": <-inOneOfItsOwn()}
		case "text":
			return sdk.Set{"text": "é🎉\x00"}
		case "no-text":
			return sdk.Set{"text": "\xff"}
		case "garbage":
			sum := 0
			for range 100 {
				sum += len(make([]byte, 4<<20))
			}
			return sdk.Set{"sum": sum}
		}
		return sdk.Set{"n": thing.N + 1}
	},
}

func inOneOfItsOwn() chan bool {
	done := make(chan bool)
	go func() { done <- true }()
	return done
}

func init() { sdk.Export(migration) }

func main() {}
"#;

#[test]
fn one_documents_trouble_is_no_others() {
    let lab = Lab::with_things([]);
    lab.host(&["new", "do", "--lang", "go"]).success();
    lab.write("do/migration.go", MIGRATION);
    lab.build("do").success();
    let doings = [
        "panic", "nil", "index", "exit", "loop", "recurse", "leak", "deadlock", "open", "clock",
        "sleep", "print", "text", "no-text", "garbage",
    ];
    trouble::put(&lab, &doings);
    lab.put("things", [("wrong", r#"{"n":"one"}"#)]);

    let ran = lab.run(
        "do/build/do.wasm",
        &["--format", "json", "--batch-time", "1s"],
    );
    let report = ran.report();
    assert_eq!(report.adds_up().counts(), [31, 20, 0, 11, 0]);
    let failures = [
        "deadlock trap: ",
        "exit trap: ",
        "index panic: runtime error: index out of range [5] with length 0 (migration.go:",
        "leak limit: ",
        "loop limit: ",
        "nil panic: runtime error: invalid memory address or nil pointer dereference (migration.go:",
        "no-text invalid-value: ",
        "open panic: open /etc/passwd: ",
        "panic panic: thrown (migration.go:26)",
        "recurse limit: ",
        "wrong invalid-document: ",
    ];
    trouble::is_no_others(&lab, &doings, &report, &failures);
    assert_eq!(lab.body("things", "clock"), r#"{"do":"clock","same":true}"#);
    assert_eq!(
        lab.body("things", "sleep"),
        r#"{"do":"sleep","slept":true}"#
    );
    assert_eq!(lab.thing("print")["goroutine"], true);
    assert_eq!(lab.thing("text")["text"], serde_json::json!("é🎉\u{0}"));
}

#[test]
fn code_that_does_not_compile_shows_why() {
    let lab = Lab::new();
    lab.host(&["new", "broken", "--lang", "go"]).success();
    lab.write(
        "broken/migration.go",
        "package main\n\nfunc main() { nothing() }\n",
    );
    let ran = lab.build("broken");
    assert_eq!(ran.status(), 1);
    assert!(
        ran.stderr()
            .contains("./migration.go:3:15: undefined: nothing"),
        "{ran}"
    );
    assert!(!lab.path("broken/build/broken.wasm").exists());
}

#[track_caller]
fn tests_pass(folder: &str) {
    let output = go()
        .arg("test")
        .current_dir(checkout().join(folder))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("ok  \t"), "{said}");
}

#[test]
fn the_sdks_own_tests_pass() {
    tests_pass("plugin-sdk/go");
}

#[test]
fn the_examples_own_tests_pass() {
    tests_pass("plugins/link-primary-sites-go");
}
