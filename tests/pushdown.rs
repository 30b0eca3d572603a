//! A filter means the same whether SQLite helps to find the documents or not.
//!
//! What is asked here is the store itself: the filter of a component stands still, and this is about all of them.

use std::time::Duration;

use host::store::sqlite::SqliteStore;
use host::store::{Budget, Range, Reach, Reader, Store as _, Table};
use migration_document::{Condition, Filter, Test};
use proptest::prelude::*;

use crate::common::Lab;

/// Values that SQLite and JSON are likely to see differently.
const SCALARS: [&str; 20] = [
    "null",
    "true",
    "false",
    "0",
    "-0.0",
    "1",
    "1.0",
    "1e0",
    "2",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "1e400",
    "0.1",
    "\"\"",
    "\"1\"",
    "\"a\"",
    "\"A\"",
    "\"ä\"",
    "\"a\\u0000b\"",
];

fn scalar() -> impl Strategy<Value = String> {
    proptest::sample::select(&SCALARS[..]).prop_map(str::to_owned)
}

fn test() -> impl Strategy<Value = Test> {
    prop_oneof![
        Just(Test::Present),
        Just(Test::Missing),
        scalar().prop_map(Test::Equals),
        scalar().prop_map(Test::NotEquals),
        proptest::sample::select(&SCALARS[3..]).prop_map(|value| Test::LessThan(value.to_owned())),
        proptest::sample::select(&SCALARS[3..]).prop_map(|value| Test::AtLeast(value.to_owned())),
        proptest::collection::vec(scalar(), 0..4).prop_map(Test::OneOf),
    ]
}

/// The conditions of many filters: making a database costs more than asking it.
fn queries(fields: &'static [&'static str]) -> impl Strategy<Value = Vec<Vec<Condition>>> {
    let field = proptest::sample::select(fields).prop_map(str::to_owned);
    let condition = (field, test()).prop_map(|(at, test)| Condition { at, test });
    proptest::collection::vec(proptest::collection::vec(condition, 1..3), 30)
}

/// All documents that meet a filter, page by page, by id.
fn pages(reader: &mut dyn Reader, table: &Table, filter: &Filter) -> Vec<(String, String)> {
    let budget = Budget {
        documents: 3,
        bytes: 1 << 20,
        looked_at: 5,
    };
    let mut found = Vec::new();
    let mut after = None;
    reader.begin().unwrap();
    loop {
        let page = reader
            .page(
                table,
                filter,
                Range {
                    after: after.as_ref(),
                    until: None,
                },
                budget,
            )
            .unwrap();
        assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
        found.extend(
            page.documents
                .into_iter()
                .map(|document| (document.id.into(), document.body.into())),
        );
        match page.last {
            Some(last) if !page.end => after = Some(last.place),
            _ => break,
        }
    }
    reader.end().unwrap();
    found.sort();
    found
}

fn found(reader: &mut dyn Reader, table: &Table, filter: &Filter) -> Vec<(String, String)> {
    reader.begin().unwrap();
    let documents = reader.find(table, filter, 1_000, Reach::ANY).unwrap();
    reader.end().unwrap();
    let mut found: Vec<_> = documents
        .into_iter()
        .map(|document| (document.id.into(), document.body.into()))
        .collect();
    found.sort();
    found
}

/// Takes it that going over the table and looking documents up find what each filter itself says of each body.
fn agrees(lab: &Lab, queries: &[Vec<Condition>], indexes: &[&str]) -> Result<(), TestCaseError> {
    for index in indexes {
        lab.sql(index);
        let timeout = Duration::from_secs(10);
        let store = SqliteStore::open(&lab.path("app.db"), timeout, Default::default()).unwrap();
        let table = store.table("things").unwrap();
        let mut reader = store.reader().unwrap();
        let all = pages(reader.as_mut(), &table, &Filter::default());
        for conditions in queries {
            let filter = Filter::new(conditions).unwrap();
            let mut expected = all.clone();
            expected.retain(|(_, body)| filter.matches(body).unwrap());
            let gone_over = pages(reader.as_mut(), &table, &filter);
            prop_assert_eq!(
                &gone_over,
                &expected,
                "{:?} over, with `{}`",
                conditions,
                index
            );
            let looked_up = found(reader.as_mut(), &table, &filter);
            prop_assert_eq!(
                &looked_up,
                &expected,
                "{:?} looked up, with `{}`",
                conditions,
                index
            );
        }
    }
    Ok(())
}

/// SQLite would make a number of the text that such a column is compared with.
#[test]
fn a_text_in_a_column_of_numbers_is_compared_as_a_text() {
    let lab = Lab::with(
        "CREATE TABLE things (k INTEGER PRIMARY KEY, i INTEGER, n NUMERIC, r REAL);
         INSERT INTO things VALUES (1, '', '', ''), (2, 5, 5, 5), (3, 'x', 'x', 'x');",
    );
    let queries: Vec<_> = ["/i", "/n", "/r"]
        .into_iter()
        .flat_map(|at| {
            let text = || "\"1\"".to_owned();
            [
                Test::LessThan(text()),
                Test::AtLeast(text()),
                Test::Equals(text()),
                Test::OneOf(vec![text()]),
            ]
            .map(|test| {
                vec![Condition {
                    at: at.into(),
                    test,
                }]
            })
        })
        .collect();
    agrees(
        &lab,
        &queries,
        &[
            "",
            "CREATE INDEX by_i ON things (i); CREATE INDEX by_n ON things (n); CREATE INDEX by_r ON things (r);",
        ],
    )
    .unwrap();
}

/// A document's value: a scalar, or something that is none.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![8 => scalar(), 1 => Just("[1]".to_owned()), 1 => Just("{\"b\":1}".to_owned())]
}

fn body() -> impl Strategy<Value = String> {
    let field = |name: &'static str| {
        proptest::option::weighted(0.8, value())
            .prop_map(move |value| value.map(|value| format!("\"{name}\": {value}")))
    };
    (field("a"), field("b c"), field("0")).prop_map(|(a, b, c)| {
        let members: Vec<_> = [a, b, c].into_iter().flatten().collect();
        format!("{{{}}}", members.join(", "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn indexes_do_not_change_which_documents_meet_a_filter(
        bodies in proptest::collection::vec(body(), 1..14),
        queries in queries(&["/a", "/b c", "/0", "/a/b", "/a/0"]),
        ending in proptest::sample::select(&["", " WITHOUT ROWID"][..]),
    ) {
        let lab = Lab::with(&format!("CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON NOT NULL){ending}"));
        let bodies: Vec<_> = bodies.iter().enumerate().map(|(number, body)| (format!("k{number}"), body)).collect();
        lab.put("things", bodies.iter().map(|(id, body)| (id.as_str(), body.as_str())));
        agrees(&lab, &queries, &[
            "",
            "CREATE INDEX one ON things (json_extract(doc, '$.a'))",
            "DROP INDEX one; CREATE INDEX two ON things (doc ->> '$.a')",
            "DROP INDEX two; CREATE INDEX three ON things (json_extract(doc, '$.a'), json_extract(doc, '$.\"b c\"'))",
            "CREATE INDEX four ON things (json_extract(doc, '$.a.b'))",
        ])?;
    }

    #[test]
    fn indexes_do_not_change_which_rows_meet_a_filter(
        rows in proptest::collection::vec(
            proptest::collection::vec(proptest::sample::select(&[
                "NULL", "0", "1", "1.0", "2", "0.1", "-0.0", "9007199254740993", "9223372036854775807", "1e300", "9e999", "''", "'1'", "'1.0'", "'a'", "'A'", "'ä'", "x'31'",
            ][..]), 5),
            1..14,
        ),
        queries in queries(&["/i", "/t", "/n", "/r", "/b", "/none", "/t/x"]),
        ending in proptest::sample::select(&["", " WITHOUT ROWID"][..]),
    ) {
        let lab = Lab::with(&format!(
            "CREATE TABLE things (k INTEGER PRIMARY KEY, i INTEGER, t TEXT COLLATE NOCASE, n NUMERIC, r REAL, b){ending}"
        ));
        for (number, row) in rows.iter().enumerate() {
            lab.sql(&format!("INSERT INTO things VALUES ({number}, {})", row.join(", ")));
        }
        agrees(&lab, &queries, &[
            "",
            "CREATE INDEX by_i ON things (i); CREATE INDEX by_t ON things (t); CREATE INDEX by_n ON things (n); CREATE INDEX by_r ON things (r); CREATE INDEX by_b ON things (b);",
            "CREATE INDEX by_tb ON things (t COLLATE BINARY); CREATE INDEX by_it ON things (i, t);",
        ])?;
    }
}
