//! What the ledger keeps of a pipeline, and of which age it may be.

use serde_json::json;

use super::{edit, fail, hands_on, pipeline, report, run, shown};
use crate::common::{Lab, SCRIPTED_GRANTS, STORE, guest};

fn lab() -> Lab {
    Lab::with_things([
        ("a", hands_on(&edit()).as_str()),
        ("b", hands_on(&fail()).as_str()),
    ])
}

/// Makes the ledger one of a host that knew no pipelines.
fn age(lab: &Lab) {
    lab.sql(
        "ALTER TABLE _host_runs DROP COLUMN stages;
         ALTER TABLE _host_quarantine DROP COLUMN migration;
         UPDATE _host_meta SET value = 2 WHERE name = 'version';",
    );
}

fn version(lab: &Lab) -> String {
    lab.value("SELECT value FROM _host_meta WHERE name = 'version'")
}

#[test]
fn a_run_of_several_is_shown_with_its_stages() {
    let lab = lab();
    run(&lab, &["--param", "filtered:phase=copy"]);
    let shown_run = shown(&lab, &["show", "1"]);
    assert_eq!(shown_run["migration"], "scripted+filtered");
    assert_eq!(shown_run["stages"][1]["migration"], "filtered");
    assert_eq!(
        shown_run["stages"][1]["parameters"],
        json!({"phase": "copy"})
    );
    assert_eq!(shown_run["stages"][0]["version"], 1);

    let runs = lab.host(&["runs", "--store", STORE]).stdout();
    assert!(
        runs.contains("scripted+filtered  things  finished"),
        "{runs}"
    );
    for migration in ["scripted", "filtered"] {
        let history = shown(&lab, &["history", "--migration", migration]);
        assert_eq!(history[0]["run"], 1, "{history}");
    }
    assert_eq!(
        shown(&lab, &["history", "--migration", "secretive"]),
        json!([])
    );
    let text = lab.host(&["show", "1", "--store", STORE]).stdout();
    assert!(
        text.contains("stage         scripted: 1 updated, 0 deleted, 0 skipped, 0 failed; plugin "),
        "{text}"
    );
}

#[test]
fn an_older_ledger_is_used_as_it_is_until_there_is_a_pipeline_to_keep() {
    let lab = Lab::with_things([
        ("a", hands_on(&edit()).as_str()),
        ("b", json!({"do": fail()}).to_string().as_str()),
    ]);
    let before = lab.documents();
    lab.run_scripted(&[]);
    age(&lab);
    assert_eq!(shown(&lab, &["runs"])[0]["migration"], "scripted");
    let quarantine = lab.host(&["quarantine", "1", "--store", STORE]).success();
    assert!(quarantine.stdout().contains("asked"), "{quarantine}");
    let retry = lab.host(&[&["retry", "1", "--store", STORE], SCRIPTED_GRANTS].concat());
    assert_eq!(retry.status(), 3, "{retry}");
    lab.run_scripted(&["--limit", "1"]);
    assert_eq!(version(&lab), "2");

    assert_eq!(report(&lab, &["--restart"]).number("run"), 3);
    assert_eq!(version(&lab), "3");
    let runs = shown(&lab, &["runs"]);
    assert_eq!(
        (&runs[0]["migration"], &runs[2]["migration"]),
        (&json!("scripted+filtered"), &json!("scripted"))
    );
    for run in ["3", "2", "1"] {
        lab.host(&["undo", run, "--store", STORE]).success();
    }
    assert_eq!(lab.documents(), before);
}

/// What is the newest run of a migration counts those in which it is a stage, of whatever place.
#[test]
fn a_stage_is_found_by_its_name() {
    let lab = lab();
    report(&lab, &["--limit", "1"]);
    lab.sql("UPDATE _host_runs SET state = 'interrupted'");
    for (place, stage) in ["scripted", "filtered"].into_iter().enumerate() {
        let ran = lab.host(&[&["run", guest(stage), "--store", STORE], SCRIPTED_GRANTS].concat());
        assert!(
            ran.stderr()
                .contains("run 1 of `scripted+filtered` over `things` is unfinished"),
            "{place}: {ran}"
        );
    }
    // On another table it is another matter.
    lab.sql("CREATE TABLE more (_id TEXT PRIMARY KEY, doc JSON NOT NULL)");
    lab.host(&pipeline(&["--table", "more"])).success();
}
