//! The scenarios about API keys, C2, C4 and C5, with plugins in JavaScript and TypeScript.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::common::{Lab, Ran, STORE, plugin};

/// 32 bytes in base64.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

const MOVE: [&str; 4] = ["--allow", "read:apiKeys", "--allow", "write:apiKeys"];

fn tables(more: &str) -> Lab {
    Lab::with(&format!(
        "CREATE TABLE userSettings (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
         CREATE TABLE apiKeys (_id TEXT PRIMARY KEY, doc JSON NOT NULL {more});"
    ))
}

fn parsed(lab: &Lab, table: &str, id: &str) -> Value {
    serde_json::from_str(&lab.body(table, id)).unwrap()
}

/// The keys that a user has, but for where they came from.
fn keys_of(lab: &Lab, user: &str) -> Vec<Value> {
    let query = "SELECT json_remove(doc, '$.userId', '$.movedFrom') FROM apiKeys WHERE doc ->> 'userId' = ?1";
    lab.column(query, &[&user])
        .iter()
        .map(|keys| serde_json::from_str(keys).unwrap())
        .collect()
}

#[test]
fn c4_keys_move_to_a_table_of_their_own() {
    let lab = tables("");
    lab.put(
        "userSettings",
        [
            (
                "s1",
                r#"{"userId":"u1","size":1.0,"encryptedApiKeys":"{\"openai\":\"sk-1\",\"groq\":\"\"}"}"#,
            ),
            (
                "s2",
                r#"{"userId":"u2","encryptedApiKeys":"{\"openai\":\"old\"}"}"#,
            ),
            (
                "s3",
                r#"{"userId":"u3","encryptedApiKeys":"{openai: sk-secret"}"#,
            ),
            ("s4", r#"{"userId":"u4","encryptedApiKeys":""}"#),
            ("s5", r#"{"userId":"u5"}"#),
        ],
    );
    lab.put("apiKeys", [("k2", r#"{"userId":"u2","openai":"new"}"#)]);
    let before = lab.documents();

    let report = lab.report(plugin("move-api-keys"), &MOVE);
    assert_eq!(report.adds_up().counts(), [3, 2, 0, 1, 0]);
    assert_eq!(report.number("inserted"), 1);
    assert_eq!(report.errors(), ["s3 bad-keys: this is no JSON"]);
    assert_eq!(
        lab.body("userSettings", "s1"),
        r#"{"userId":"u1","size":1.0,"encryptedApiKeys":""}"#
    );
    assert_eq!(keys_of(&lab, "u1"), [json!({"openai": "sk-1", "groq": ""})]);
    assert_eq!(keys_of(&lab, "u2"), [json!({"openai": "new"})]);

    // Only what failed is left.
    let again = lab.report(plugin("move-api-keys"), &MOVE);
    assert_eq!(again.adds_up().counts(), [1, 0, 0, 1, 0]);

    // The way back without the plugin.
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_eq!(lab.documents(), before);
}

#[test]
fn c4_both_changes_or_neither() {
    let lab = tables("CHECK (doc ->> 'openai' <> 'sk-bad')");
    let settings = [
        (
            "s1",
            r#"{"userId":"u1","encryptedApiKeys":"{\"openai\":\"sk-bad\"}"}"#,
        ),
        (
            "s2",
            r#"{"userId":"u2","encryptedApiKeys":"{\"openai\":\"sk-2\"}"}"#,
        ),
    ];
    lab.put("userSettings", settings);
    let report = lab.report(plugin("move-api-keys"), &MOVE);
    assert_eq!(report.adds_up().counts(), [2, 1, 0, 1, 0]);
    assert_eq!(lab.body("userSettings", "s1"), settings[0].1);
    assert_eq!(keys_of(&lab, "u1"), Vec::<Value>::new());
    assert_eq!(keys_of(&lab, "u2"), [json!({"openai": "sk-2"})]);
}

#[test]
fn c5_its_own_way_back_keeps_keys_that_were_changed_since() {
    let lab = tables("");
    lab.put(
        "userSettings",
        [(
            "s1",
            r#"{"userId":"u1","encryptedApiKeys":"{\"openai\":\"sk-1\"}"}"#,
        )],
    );
    lab.report(plugin("move-api-keys"), &MOVE);
    lab.sql("UPDATE apiKeys SET doc = json_set(doc, '$.openai', 'rotated')");

    let undo = ["undo", "1", "--store", STORE, "--revert"];
    lab.host(&[&undo[..], &MOVE].concat()).success();
    assert_eq!(
        parsed(&lab, "userSettings", "s1"),
        json!({"userId": "u1", "encryptedApiKeys": "{\"openai\":\"rotated\"}"})
    );
    assert_eq!(keys_of(&lab, "u1"), Vec::<Value>::new());
}

fn encrypt(lab: &Lab, secret: &str) -> Ran {
    let run = [
        "run",
        plugin("encrypt-api-keys"),
        "--store",
        STORE,
        "--allow",
        "secret:API_KEYS_KEY",
        "-vv",
    ];
    lab.host_with(&[("HOST_SECRET_API_KEYS_KEY", secret)], &run)
}

#[test]
fn c2_keys_are_encrypted_once() {
    let lab = tables("");
    lab.put(
        "apiKeys",
        [
            (
                "k1",
                r#"{"userId":"u1","openai":"sk-1","google":"","credit":1.0}"#,
            ),
            ("k2", r#"{"userId":"u2","openai":""}"#),
            ("k3", r#"{"userId":"u3","groq":7}"#),
        ],
    );
    let ran = encrypt(&lab, KEY);
    assert_eq!(ran.status(), 3);
    // OpenSSL opens this with the key: 12 bytes of nonce, `sk-1`, 16 bytes of tag.
    let sealed = "oR+dlQz/cGoZQLPwjv4XCxHaHwUGIkl73cITCGmNL8I=";
    let body = lab.body("apiKeys", "k1");
    assert!(
        body.starts_with(&format!(
            r#"{{"userId":"u1","openai":"{sealed}","google":"","credit":1.0,"encryptedAt":"#
        )),
        "{body}"
    );
    assert_eq!(lab.body("apiKeys", "k2"), r#"{"userId":"u2","openai":""}"#);
    for (name, text) in [("stdout", ran.stdout()), ("stderr", ran.stderr())] {
        assert!(
            !text.contains(KEY) && !text.contains("sk-1"),
            "{name}: {text}"
        );
    }

    // What is encrypted stays, with or without the stamp.
    lab.sql("UPDATE apiKeys SET doc = json_remove(doc, '$.encryptedAt') WHERE _id = 'k1'");
    let before = lab.body("apiKeys", "k1");
    encrypt(&lab, KEY);
    assert_eq!(lab.body("apiKeys", "k1"), before);
}

#[test]
fn c2_a_bad_key_changes_nothing_and_is_not_shown() {
    let lab = tables("");
    lab.put("apiKeys", [("k1", r#"{"openai":"sk-1"}"#)]);
    let ran = encrypt(&lab, "hunter2");
    assert_eq!(lab.body("apiKeys", "k1"), r#"{"openai":"sk-1"}"#);
    assert!(!ran.stderr().contains("hunter2"), "{ran}");
    let reasons = lab.host(&["quarantine", "1", "--store", STORE]);
    assert_snapshot!(reasons, @"
    ID  CODE    AT  MESSAGE
    k1  no-key  -   the secret API_KEYS_KEY is not 32 bytes in base64
    [exit status: 0]
    ");
}
