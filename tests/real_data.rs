//! Data of real life: thousands of films as JSON, and a music shop as a database of row tables.

use std::collections::BTreeMap;
use std::fs;

use migration_document::json;

use crate::common::{Lab, STORE, Tables, plugin, shared_data};

/// The members of every document, by the documents' positions, as they are spelled.
fn members(lines: &str) -> Vec<Vec<(String, String)>> {
    let owned = |body| {
        json::members(body)
            .unwrap()
            .into_iter()
            .map(|(key, value)| (key.into_owned(), value.to_owned()))
            .collect()
    };
    lines.lines().map(owned).collect()
}

#[test]
fn films_get_iso_dates_and_every_other_field_keeps_its_bytes() {
    let Some(movies) = shared_data("movies.json") else {
        return;
    };
    let lab = Lab::new();
    let input = fs::read_to_string(movies).unwrap();
    let originals: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(&input).unwrap();
    lab.write("movies.json", &input);
    lab.host(&[
        "import",
        "--store",
        STORE,
        "--table",
        "movies",
        "movies.json",
    ])
    .success();
    let before = lab
        .host(&["export", "--store", STORE, "--table", "movies"])
        .success()
        .stdout();
    let before = members(&before);
    assert_eq!(before.len(), 3201);
    for (original, imported) in originals.iter().zip(&before) {
        assert_eq!(members(&original.get().replace('\n', " "))[0], *imported);
    }

    let report = lab.report(plugin("movie-dates"), &["--param", "latest=2012-12-31"]);
    report.adds_up();
    assert_eq!(report.number("total"), 3201);
    assert!(report.number("updated") > 3000, "{}", report.json());
    assert!(report.number("failed") > 0, "{}", report.json());
    let failed: Vec<usize> = lab
        .column("SELECT id FROM _host_quarantine", &[])
        .iter()
        .map(|id| id.parse().unwrap())
        .collect();
    assert_eq!(
        u64::try_from(failed.len()).unwrap(),
        report.number("failed")
    );

    let after = members(
        &lab.host(&["export", "--store", STORE, "--table", "movies"])
            .success()
            .stdout(),
    );
    assert_eq!(after.len(), before.len());
    let mut changed = BTreeMap::from([("Title", 0), ("Release Date", 0)]);
    for (index, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(before.len(), after.len());
        for ((name, old), (same_name, new)) in before.iter().zip(after) {
            assert_eq!(name, same_name, "the order of fields");
            if old == new {
                continue;
            }
            *changed
                .get_mut(name.as_str())
                .unwrap_or_else(|| panic!("{name} has changed: {old} to {new}")) += 1;
            assert!(
                !failed.contains(&(index + 1)),
                "a film that failed has changed: {name}"
            );
            match name.as_str() {
                "Title" => assert_eq!(*new, format!("\"{old}\"")),
                _ => {
                    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
                    let parts: Vec<_> = new.trim_matches('"').split('-').collect();
                    assert!(
                        matches!(parts[..], [year, month, day] if year.len() == 4 && month.len() == 2 && day.len() == 2 && parts.iter().all(|part| digits(part))),
                        "{old} became {new}"
                    );
                }
            }
        }
    }
    assert_eq!(changed["Title"], 9);
    assert!(changed["Release Date"] > 3000, "{changed:?}");

    // What is done stays done; what failed fails again.
    let again = lab.report(plugin("movie-dates"), &["--param", "latest=2012-12-31"]);
    assert_eq!(again.adds_up().number("updated"), 0);
    assert_eq!(again.number("failed"), report.number("failed"));
}

fn chinook() -> Option<Lab> {
    let lab = Lab::new();
    fs::copy(shared_data("chinook.sqlite")?, lab.path("app.db")).unwrap();
    // The file that is shared may be written by nobody.
    let mut permissions = fs::metadata(lab.path("app.db")).unwrap().permissions();
    #[expect(
        clippy::permissions_set_readonly_false,
        reason = "the file is the test's own"
    )]
    permissions.set_readonly(false);
    fs::set_permissions(lab.path("app.db"), permissions).unwrap();
    Some(lab)
}

/// Takes it that SQLite finds nothing to complain of.
fn sound(lab: &Lab) {
    assert_eq!(lab.value("PRAGMA integrity_check"), "ok");
    let orphans = lab.column("SELECT \"table\" FROM pragma_foreign_key_check", &[]);
    assert!(orphans.is_empty(), "{orphans:?}");
}

/// The schema as SQL; SQLite itself adds `sqlite_sequence` for the ledger.
fn schema(lab: &Lab) -> Vec<String> {
    lab.column(
        "SELECT sql FROM sqlite_schema
         WHERE tbl_name NOT LIKE '~_host~_%' ESCAPE '~' AND name <> 'sqlite_sequence' AND sql IS NOT NULL
         ORDER BY 1",
        &[],
    )
}

/// The composers, NULL included, by the track.
fn composers(lab: &Lab) -> BTreeMap<String, String> {
    let ids = lab.column("SELECT TrackId FROM Track ORDER BY TrackId", &[]);
    ids.into_iter()
        .zip(lab.column("SELECT Composer FROM Track ORDER BY TrackId", &[]))
        .collect()
}

/// Everything but the composers.
fn without_composers(lab: &Lab) -> Tables {
    lab.sql("CREATE TABLE IF NOT EXISTS tracks_but_for_composers AS SELECT * FROM Track; ALTER TABLE tracks_but_for_composers DROP COLUMN Composer;");
    let mut tables = lab.documents();
    tables.remove("Track");
    lab.sql("DROP TABLE tracks_but_for_composers");
    tables
}

#[test]
fn tracks_without_a_composer_get_one_and_nothing_else_changes() {
    for (more, known) in [
        (
            &["--allow", "read:Album", "--allow", "read:Artist"][..],
            None,
        ),
        (
            &[
                "--allow",
                "read:Album,read:Artist",
                "--param",
                "composer=Anon.",
            ][..],
            Some("Anon."),
        ),
    ] {
        let Some(lab) = chinook() else { return };
        let (before, rest, schema_before) =
            (composers(&lab), without_composers(&lab), schema(&lab));
        let missing = before
            .values()
            .filter(|composer| *composer == "NULL")
            .count();
        assert!(missing > 900);

        let report = lab.report(plugin("fill-composer"), more);
        let missing = u64::try_from(missing).unwrap();
        assert_eq!(report.adds_up().counts(), [missing, missing, 0, 0, 0]);

        for (track, composer) in composers(&lab) {
            match before[&track].as_str() {
                "NULL" => assert_ne!(composer, "NULL", "track {track}"),
                known => assert_eq!(composer, known, "track {track}"),
            }
            if let (Some(known), "NULL") = (known, before[&track].as_str()) {
                assert_eq!(composer, known);
            }
        }
        assert_eq!(without_composers(&lab), rest);
        assert_eq!(schema(&lab), schema_before);
        sound(&lab);
        assert_eq!(
            lab.report(plugin("fill-composer"), more).counts(),
            [0, 0, 0, 0, 0]
        );
    }
}

/// Goes over a table of the music shop with a plugin that is made for another one.
fn gone_over(lab: &Lab, table: &str, more: &[&str]) {
    let before = lab.documents();
    let rows = before[table].len();
    let report = lab.report_scripted(&[&["--table", table], more].concat());
    assert_eq!(
        report.adds_up().counts(),
        [rows, 0, rows, 0, 0].map(|count| u64::try_from(count).unwrap()),
        "{table}"
    );
    assert_eq!(lab.documents(), before, "{table}");
}

#[test]
fn a_composite_key_can_be_gone_over_in_small_batches() {
    let Some(lab) = chinook() else { return };
    lab.sql("CREATE TABLE others (_id TEXT PRIMARY KEY, doc JSON NOT NULL); CREATE TABLE facts (_id TEXT PRIMARY KEY, doc JSON NOT NULL);");
    gone_over(&lab, "PlaylistTrack", &["--batch-size", "97"]);
    let export = lab
        .host(&["export", "--store", STORE, "--table", "PlaylistTrack"])
        .success()
        .stdout();
    let mut exported: Vec<_> = export.lines().map(str::to_owned).collect();
    exported.sort();
    let mut expected = lab.column(
        "SELECT json_object('PlaylistId', PlaylistId, 'TrackId', TrackId) FROM PlaylistTrack",
        &[],
    );
    expected.sort();
    assert_eq!(exported, expected);
    sound(&lab);
}

#[test]
fn every_table_of_the_music_shop_can_be_gone_over_and_exported() {
    let Some(lab) = chinook() else { return };
    let names: Vec<_> = lab.documents().into_keys().collect();
    lab.sql("CREATE TABLE others (_id TEXT PRIMARY KEY, doc JSON NOT NULL); CREATE TABLE facts (_id TEXT PRIMARY KEY, doc JSON NOT NULL);");
    assert_eq!(names.len(), 11);
    for name in &names {
        gone_over(&lab, name, &[]);
        let export = lab
            .host(&["export", "--store", STORE, "--table", name])
            .success()
            .stdout();
        assert_eq!(
            export.lines().count(),
            lab.documents()[name].len(),
            "{name}"
        );
    }
    sound(&lab);
    let tables = lab.host(&["tables", "--store", STORE]).success();
    insta::assert_snapshot!(tables, @"
    TABLE          KIND             KEY                  DOCUMENTS
    Album          row              AlbumId                    347
    Artist         row              ArtistId                   275
    Customer       row              CustomerId                  59
    Employee       row              EmployeeId                   8
    facts          document in doc  _id                          0
    Genre          row              GenreId                     25
    Invoice        row              InvoiceId                  412
    InvoiceLine    row              InvoiceLineId            2,240
    MediaType      row              MediaTypeId                  5
    others         document in doc  _id                          0
    Playlist       row              PlaylistId                  18
    PlaylistTrack  row              PlaylistId, TrackId      8,715
    Track          row              TrackId                  3,503
    [exit status: 0]
    ");
}
