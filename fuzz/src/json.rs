//! Whether a text is JSON, and where things stand in it.

use migration_document::json::{self, Fields};
use serde::de::IgnoredAny;

/// The bytes are the text.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let is_json = json::check(text).is_ok();
    let parsed = serde_json::from_str::<IgnoredAny>(text).is_ok();
    assert_eq!(is_json, parsed, "{text}");
    // A tree of values is nested less deep, and refuses numbers and surrogates that it cannot hold; whatever it
    // takes is JSON.
    let tree = serde_json::from_str::<serde_json::Value>(text);
    assert!(is_json || tree.is_err(), "{text}");
    // On what is no JSON these may say anything, but must come back.
    let members = json::members(text);
    let inside = json::get(text, "/a/0/b");
    if let Some(mut fields) = Fields::of(text) {
        // Nothing is promised.
        let _ = (fields.other(&["a"]), fields.named("a"));
    }
    if !is_json {
        return;
    }
    assert!(inside.is_ok(), "{text}");
    assert_eq!(
        members.is_ok(),
        text.trim_start().starts_with('{'),
        "{text}"
    );
    if let (Ok(members), Some(mut fields)) = (&members, Fields::of(text)) {
        for (key, value) in members {
            // Otherwise it is left to a parser.
            if let Ok(field) = fields.named(key) {
                let several = members.iter().filter(|(other, _)| other == key).count() > 1;
                assert!(!several, "{key} in {text}");
                assert_eq!(field.map(|field| field.value()), Some(*value), "{text}");
            }
        }
    }
    for (key, value) in members.iter().flatten() {
        assert!(json::check(value).is_ok(), "{value} in {text}");
        // The last of those with the same key counts.
        let found = json::get(text, &format!("/{}", json::escape(key))).unwrap();
        let last = members.iter().flatten().rfind(|(other, _)| other == key);
        assert_eq!(found, last.map(|(_, value)| *value), "{key} in {text}");
    }
}
