use std::path::PathBuf;

use plugin_sdk::testing::{Run, Store, json};
use serde_json::value::RawValue;

use super::*;

/// 2026-11-21.
const NOW: u64 = 1_795_219_200_000;

/// What becomes of one film.
fn migrated(body: &str) -> Result<String, String> {
    let mut store = Store::new().with_raw("movies", 1, body);
    let report = Run::new().now(NOW).migrate::<MovieDates>(&mut store);
    match report.errors.into_iter().next() {
        Some(error) => Err(format!("{}: {}", error.code, error.message)),
        None => Ok(store.raw("movies", "1").unwrap().to_owned()),
    }
}

#[test]
fn dates_become_iso_and_nothing_else_changes() {
    assert_eq!(
        migrated(r#"{"Title": "The Land Girls", "Release Date": "Jun 12 1998", "Rating": 6.10}"#),
        Ok(r#"{"Title": "The Land Girls", "Release Date": "1998-06-12", "Rating": 6.10}"#.into())
    );
}

#[test]
fn a_title_that_is_a_number_keeps_its_spelling() {
    for (number, text) in [
        ("2046", "2046"),
        ("8.50", "8.50"),
        ("1e3", "1e3"),
        ("-0", "-0"),
    ] {
        assert_eq!(
            migrated(&format!(r#"{{"Title":{number}}}"#)),
            Ok(format!(r#"{{"Title":"{text}"}}"#))
        );
    }
}

#[test]
fn what_is_in_order_is_skipped() {
    let mut store = Store::new().with(
        "movies",
        [
            (1, json!({"Title": "A", "Release Date": "1998-06-12"})),
            (2, json!({"Title": "B", "Release Date": null})),
            (3, json!({"Title": "C"})),
        ],
    );
    let report = Run::new().now(NOW).migrate::<MovieDates>(&mut store);
    assert_eq!(report.skip_reasons["already in order"], 3);
}

#[test]
fn dates_that_cannot_be_are_failures_that_tell_why() {
    let date = |text: &str| migrated(&json!({"Title": "A", "Release Date": text}).to_string());
    for (text, why) in [
        ("Feb 30 1998", "the calendar has no such day"),
        ("1998-02-30", "the calendar has no such day"),
        ("Jun 12 98", "two digits of a year do not tell the century"),
        (
            "TBD",
            "it is spelled neither `Jun 12 1998` nor `1998-06-12`",
        ),
        ("Jun 12 1798", "there were no films before 1888"),
    ] {
        let expected = format!("invalid-date: Release Date `{text}` cannot be: {why}");
        assert_eq!(date(text), Err(expected));
    }
    assert_eq!(
        date("Dec 15 2039"),
        Err(
            "future-date: Release Date `Dec 15 2039` cannot be: it is after 2026-11-21; \
             is it 1939 with a wrong century?"
                .into()
        )
    );
    assert!(
        migrated(r#"{"Title":"A","Release Date":1998}"#)
            .unwrap_err()
            .starts_with("invalid-field")
    );
}

#[test]
fn titles_that_cannot_be_text_are_failures() {
    assert!(migrated("{}").unwrap_err().starts_with("no-title"));
    assert!(
        migrated(r#"{"Title":null}"#)
            .unwrap_err()
            .starts_with("no-title")
    );
    assert!(
        migrated(r#"{"Title":["A"]}"#)
            .unwrap_err()
            .starts_with("invalid-title")
    );
}

#[test]
fn the_user_may_know_the_latest_day() {
    let mut store = Store::new().with(
        "movies",
        [(1, json!({"Title": "A", "Release Date": "Feb 08 2015"}))],
    );
    let latest = |day| Run::new().now(NOW).param("latest", day);
    let report = latest("2011-12-31").migrate::<MovieDates>(&mut store);
    assert_eq!(report.errors[0].code, "future-date");
    let report = latest("soon").migrate::<MovieDates>(&mut store);
    assert_eq!(report.errors[0].code, "invalid-parameter");
}

/// The real films, where the data is at hand: in `HOST_SHARED`, or in `shared` beside the checkout.
#[test]
fn the_real_films() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("HOST_SHARED").map_or_else(beside, PathBuf::from);
    let path = shared.join("data/movies.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: there is no {}", path.display());
        return;
    };
    let films: Vec<&RawValue> = serde_json::from_str(&text).unwrap();
    let mut store = Store::new();
    for (number, film) in films.iter().enumerate() {
        store = store.with_raw("movies", format!("{number:04}"), film.get());
    }
    let run = Run::new().now(NOW).param("latest", "2011-12-31");
    let report = run.migrate::<MovieDates>(&mut store);
    assert_eq!((report.total, report.failed), (3201, 23));
    assert_eq!(report.updated, 3201 - 23);
    let title_is_null = |code: &str| code == "no-title";
    assert_eq!(
        report
            .errors
            .iter()
            .filter(|error| title_is_null(&error.code))
            .count(),
        1
    );
    assert_eq!(
        store.get("movies", "0000").unwrap()["Release Date"],
        "1998-06-12"
    );

    let again = run.migrate::<MovieDates>(&mut store);
    assert_eq!(
        (again.updated, again.skipped, again.failed),
        (0, 3201 - 23, 23)
    );
}
