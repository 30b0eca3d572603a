//! Power that fails. What a run has committed last may not have reached the disk: it is missing from the end of the
//! write-ahead log then. What was moved from the log to the database had reached the disk before.

use std::fs::{self, OpenOptions};

use super::{
    AfterBatches, DONE, Ended, Work, every_way_of_writing, load, look, put, start, state, wait,
};
use crate::common::Lab;
use crate::common::vfs::{self, Fault, alone};

/// How much of the log is on the disk for sure, in bytes: its header, and the pages that were to be moved to the
/// database. None where nobody has begun to use it, or all of it was moved.
///
/// The places and sizes are <https://sqlite.org/walformat.html>'s.
fn on_disk(lab: &Lab) -> Option<u64> {
    const HEADER: u64 = 32;
    const PAGE_HEADER: u64 = 24;
    let database = fs::read(lab.path("app.db")).unwrap();
    let page = u16::from_be_bytes(database[16..18].try_into().unwrap());
    // SQLite counts them in the memory that processes share, before it moves them.
    let index = fs::read(lab.path("app.db-shm")).ok()?;
    let moved = u32::from_ne_bytes(index.get(128..132)?.try_into().unwrap());
    Some(HEADER + u64::from(moved) * (PAGE_HEADER + u64::from(page)))
}

/// Cuts the log anywhere behind that.
fn power_fails(lab: &Lab, moments: &mut fastrand::Rng) {
    let Some(on_disk) = on_disk(lab) else {
        return;
    };
    let log = OpenOptions::new()
        .write(true)
        .open(lab.path("app.db-wal"))
        .unwrap();
    let size = log.metadata().unwrap().len();
    log.set_len(moments.u64(on_disk.min(size)..=size)).unwrap();
    // It is no file on a disk.
    fs::remove_file(lab.path("app.db-shm")).unwrap();
}

#[test]
fn what_the_disk_did_not_get_before_the_power_failed_is_whole_batches() {
    alone(
        "crash::power::what_the_disk_did_not_get_before_the_power_failed_is_whole_batches",
        || {
            const BATCH: usize = 3;
            let plugins = load();
            let mut moments = fastrand::Rng::with_seed(7);
            let lab = every_way_of_writing("wal");
            for work in [Work::Run, Work::Undo] {
                let bytes = fs::read(lab.path("app.db")).unwrap();
                let mut after = AfterBatches {
                    lab: &lab,
                    states: vec![look(&lab)],
                };
                assert_eq!(work.here(&lab, &plugins, BATCH, &mut after), DONE);
                let mut whole = after.states;
                whole.push(look(&lab));
                let undisturbed = state(&lab);
                let done = fs::read(lab.path("app.db")).unwrap();

                let (mut at, mut lost) = (0, 0);
                loop {
                    at += 1;
                    put(&lab, &bytes);
                    let ended = wait(start(|| {
                        vfs::arm(Fault::Killed, at);
                        work.here(&lab, &plugins, BATCH, &mut super::Nobody)
                    }));
                    if ended == Ended::Done {
                        break;
                    }
                    let before = look(&lab);
                    power_fails(&lab, &mut moments);
                    let left = look(&lab);
                    assert!(whole.contains(&left), "{work:?} at {at}: {left:#?}");
                    lost += u32::from(left != before);
                    if left == undisturbed {
                        continue;
                    }
                    let process = start(|| work.here(&lab, &plugins, BATCH, &mut super::Nobody));
                    assert_eq!(wait(process), Ended::Done);
                    assert_eq!(state(&lab), undisturbed, "{work:?} at {at}");
                }
                assert!(lost > 30, "{work:?}: {lost} of {at}");
                put(&lab, &done);
            }
        },
    );
}
