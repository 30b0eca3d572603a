//! A batch that crosses in one piece, and one whose documents cross one by one: what comes back is the same.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use host::plugin::{Compiler, Fixed, Limits, Plugin, Work, World};
use host::store::{Document, Format, Place};
use migration_document::Outcome;
use serde_json::Value;

use crate::common::{checkout, conformance_plugin};

#[test]
fn what_comes_back_is_the_same_either_way() {
    let path = conformance_plugin("rust");
    let limits = Limits::default();
    let plugin = Plugin::load(path.as_ref(), &limits, &Compiler::unbounded()).unwrap();
    let world = World {
        fixed: Arc::new(Fixed {
            migration: plugin.manifest.name.clone(),
            now: 7,
            parameters: BTreeMap::from([("phase".into(), "\"new\"".into())]),
            ..Fixed::default()
        }),
        reader: None,
    };
    let documents = documents();
    assert!(documents.len() > 25, "{}", documents.len());
    for size in [1, 7, documents.len()] {
        for batch in documents.chunks(size) {
            let call = |work: Work<'_>| {
                let mut told = Vec::new();
                let called = work.call(&world, batch, |outcomes| {
                    told.extend(outcomes.into_iter().map(Outcome::into_owned));
                });
                called
                    .map(|aside| (told, format!("{:?}", aside.log)))
                    .map_err(|error| error.to_string())
            };
            assert_eq!(call(plugin.forth()), call(plugin.forth().piecemeal()));
        }
    }
}

/// Those of the conformance cases that end.
fn documents() -> Vec<Document> {
    let cases = checkout().join("tests/conformance/cases.jsonl");
    let cases = fs::read_to_string(cases).unwrap();
    let bodies = cases.lines().filter_map(|line| {
        let case: Value = serde_json::from_str(line).unwrap();
        let wish = case["document"]["do"].as_str();
        let ends = !matches!(wish, Some("leak" | "loop" | "recurse" | "throw" | "trap"));
        ends.then(|| case["document"].to_string())
    });
    bodies
        .enumerate()
        .map(|(number, body)| Document {
            id: format!("document-{number}").into(),
            body: body.into(),
            place: Place::Row(number as i64),
            format: Format::Plain,
        })
        .collect()
}
