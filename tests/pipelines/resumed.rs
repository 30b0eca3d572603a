//! A pipeline that did not come to its end goes on as the same stages, or not at all.

use insta::assert_snapshot;
use serde_json::json;

use super::{at_stages, edit, fail, hands_on, pipeline, report, shown};
use crate::common::{Lab, SCRIPTED_GRANTS, STORE, guest, many_of};

#[test]
fn the_same_command_goes_on_and_another_one_does_not() {
    let lab = many_of(&[&hands_on(&edit())], 6);
    report(&lab, &["--limit", "2"]);
    lab.sql("UPDATE _host_runs SET state = 'interrupted'");
    let before = lab.everything();
    let refused = |stages: &[&str], more: &[&str]| {
        let ran = lab.host(&[&["run", "--store", STORE], stages, SCRIPTED_GRANTS, more].concat());
        assert_eq!(lab.everything(), before, "{ran}");
        ran
    };
    let [first, second] = [guest("scripted"), guest("filtered")];
    assert_snapshot!(refused(&[second, first], &[]), @"
    ------- stderr -------
    error: run 1 of `scripted+filtered` over `things` is unfinished (interrupted), and was made with other plugins
    hint: go on with the same plugin and parameters, or begin anew with --restart; what the unfinished run changed stays changed
    [exit status: 1]
    ");
    for other in [
        &[first][..],
        &[second],
        &[first, second, guest("secretive")],
    ] {
        let ran = refused(
            other,
            &[
                "--allow",
                "secret:api-key",
                "--secret-file",
                "api-key=host.key",
            ],
        );
        assert_eq!(ran.status(), 1, "{ran}");
    }
    let ran = refused(&[first, second], &["--param", "filtered:p=1"]);
    assert!(ran.stderr().contains("made with other parameters"), "{ran}");

    let counted = report(&lab, &[]);
    assert_eq!(counted.number("run"), 1);
    assert_eq!(counted.adds_up().counts(), [6, 6, 0, 0, 0]);
    assert_eq!(at_stages(&counted), [[6, 6, 0, 0, 0]; 2]);
    assert_eq!(
        lab.value("SELECT count(*) FROM things WHERE doc ->> '$.m' = 2"),
        "6"
    );
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_eq!(
        lab.value("SELECT count(*) FROM things WHERE doc ->> '$.n' = 1"),
        "0"
    );
}

#[test]
fn a_stage_that_has_been_run_by_itself_since_ends_the_way() {
    let lab = many_of(&[&hands_on(&edit())], 6);
    report(&lab, &["--limit", "2"]);
    lab.sql("UPDATE _host_runs SET state = 'interrupted'");
    let alone = ["run", guest("filtered"), "--store", STORE, "--restart"];
    lab.host(&alone).success();
    let ran = lab.host(&pipeline(&[]));
    assert!(
        ran.stderr()
            .contains("of which one has been run by itself since"),
        "{ran}"
    );
    assert_eq!(report(&lab, &["--restart"]).number("run"), 3);
}

#[test]
fn a_process_that_is_killed_leaves_whole_documents_and_the_next_one_goes_on() {
    let bodies = [
        hands_on(&edit()),
        hands_on(&fail()),
        hands_on(&json!("trap")),
        hands_on(&json!("delete")),
    ];
    let bodies = bodies.each_ref().map(String::as_str);
    let count = 400;
    let undisturbed = many_of(&bodies, count);
    report(&undisturbed, &[]);
    let lab = many_of(&bodies, count);
    let slow = ["--batch-size", "7", "--pause", "20ms"];
    let is_over = |lab: &Lab| shown(lab, &["show", "1"])["state"] == "finished";
    let mut kills = 0;
    for done in [20_u64, 120, 250] {
        let mut running = lab.start(&pipeline(&slow));
        while !running.is_over() {
            let counted: u64 = lab
                .column("SELECT count(*) FROM pragma_table_info('_host_runs')", &[])[0]
                .parse()
                .unwrap();
            let far = counted > 0
                && lab
                    .column("SELECT counters ->> '$.total' FROM _host_runs", &[])
                    .first()
                    .is_some_and(|total| total.parse::<u64>().unwrap() >= done);
            if far {
                running.kill();
                let ended = running.end(&lab);
                kills += i32::from(ended.status() == -1);
                break;
            }
        }
        // No document is half-way between the stages.
        assert_eq!(
            lab.value(
                "SELECT count(*) FROM things WHERE doc ->> '$.n' = 1 AND doc ->> '$.m' IS NULL"
            ),
            "0"
        );
        // It was faster than this process.
        if is_over(&lab) {
            break;
        }
    }
    assert!(kills > 0);
    if !is_over(&lab) {
        lab.host(&pipeline(&[]));
    }
    assert_eq!(lab.documents(), undisturbed.documents());
    assert_eq!(lab.value("SELECT count(*) FROM _host_runs"), "1");
    let counted = |lab: &Lab| {
        let run = shown(lab, &["show", "1"]);
        ["state", "total", "updated", "failed", "deleted", "stages"].map(|name| run[name].clone())
    };
    let [state, total, updated, failed, deleted, _] = counted(&lab);
    assert_eq!(
        json!([state, total, updated, failed, deleted]),
        json!(["finished", 400, 100, 200, 100])
    );
    assert_eq!(counted(&lab), counted(&undisturbed));
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_eq!(lab.documents(), many_of(&bodies, count).documents());
}

/// Each document belongs to the sample or does not, whatever the stages.
#[test]
fn a_sample_goes_through_all_stages() {
    let lab = many_of(&[&hands_on(&edit())], 200);
    let sampled = report(&lab, &["--sample", "10%"]);
    let [total, updated, ..] = sampled.counts();
    assert!(
        total == updated && (1..100).contains(&total),
        "{}",
        sampled.json()
    );
    assert_eq!(
        lab.value("SELECT count(*) FROM things WHERE doc ->> '$.m' = 2"),
        total.to_string()
    );
}
