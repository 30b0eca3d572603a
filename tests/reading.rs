//! Rust's plugins read the fields that they name with vector instructions, which they have in the sandbox alone: there
//! they must read what a parser reads.

use std::sync::OnceLock;

use host::plugin::{Compiler, Limits, Plugin, World};
use host::store::{Document, Format, Place};
use migration_document::Outcome;
use proptest::prelude::*;

use crate::common::guest;

/// The names that the guest looks for, others, and spellings of them.
const KEYS: [&str; 10] = [
    "a",
    "bc",
    "name",
    "names",
    "displayName",
    "a name that is longer than what is looked at together, which is 64 bytes",
    "",
    r#"q\""#,
    r"\u0061",
    "other",
];

fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        Plugin::load(
            guest("reading").as_ref(),
            &Limits::default(),
            &Compiler::unbounded(),
        )
        .unwrap()
    })
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(&KEYS[..]).prop_map(|key| format!("\"{key}\""))
}

fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("-1.50e+3".to_owned()),
        key(),
        r#""[a-z]{0,20}(\\\\){0,2}""#,
        r#""([a-z,{}\[\]: é]|\\\\|\\"){0,90}""#,
        key().prop_map(|key| serde_json::to_string(&format!("{key}:")).unwrap()),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            object(inner, 0..4),
        ]
    })
}

fn object(
    inner: impl Strategy<Value = String>,
    members: std::ops::Range<usize>,
) -> impl Strategy<Value = String> {
    let space = prop::sample::select(&["", "", " ", "\n   "][..]);
    proptest::collection::vec((key(), inner, space), members).prop_map(|members| {
        let members: Vec<_> = members
            .iter()
            .map(|(key, value, space)| format!("{key}{space}:{space}{value}{space}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
    #[test]
    fn in_the_sandbox_a_plugin_reads_what_a_parser_reads(
        bodies in proptest::collection::vec(object(value(), 0..7), 50),
    ) {
        let documents: Vec<_> = bodies
            .iter()
            .map(|body| Document {
                id: "x".into(),
                body: body.as_str().into(),
                place: Place::Row(1),
                format: Format::Plain,
            })
            .collect();
        let mut told = Vec::new();
        plugin()
            .forth()
            .call(&World::default(), &documents, |outcomes| {
                told.extend(outcomes.into_iter().map(Outcome::into_owned));
            })
            .unwrap();
        for (outcome, body) in told.iter().zip(&bodies) {
            prop_assert!(matches!(outcome, Outcome::Skip(_)), "{outcome:?}: {body}");
        }
        // Objects with few of the names are read, not refused.
        prop_assert!(told.contains(&Outcome::Skip("read".into())));
    }
}
