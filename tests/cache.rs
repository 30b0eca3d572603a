//! Compiled plugins on disk: they are kept, found again, and never trusted further than the user who keeps them.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use insta::assert_snapshot;

use crate::common::{Lab, Ran, STORE, guest, plugin};

const RUN: &[&str] = &["--store", STORE, "--dry-run"];

/// Runs the scripted guest with a cache within the lab.
fn run(lab: &Lab, more: &[&str]) -> Ran {
    let home = lab.path("home");
    let arguments = [&["run", guest("filtered")], RUN, more].concat();
    lab.host_with(&[("XDG_CACHE_HOME", home.to_str().unwrap())], &arguments)
}

const COMPILED: &str = "debug: the plugin is compiled";
const FOUND: &str = "debug: the plugin was compiled before";

/// How the plugin was come by, as the log says.
fn compiled(ran: &Ran) -> Vec<&'static str> {
    assert_eq!(ran.status(), 0, "{ran}");
    [COMPILED, FOUND]
        .into_iter()
        .filter(|line| ran.stderr().contains(line))
        .collect()
}

fn folder(lab: &Lab) -> PathBuf {
    lab.path("home/host/compiled")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

fn entry(lab: &Lab) -> PathBuf {
    let entries = entries(&folder(lab));
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.into_iter().next().unwrap()
}

#[test]
fn a_plugin_is_compiled_once_and_found_again() {
    let lab = Lab::with_things([]);
    assert_eq!(compiled(&run(&lab, &["-vv"])), [COMPILED]);
    let entry = entry(&lab);
    let made = fs::metadata(&entry).unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
    let mode = fs::metadata(folder(&lab)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    // It is read, which renews it, and not written again. While it is open, no other file gets its number.
    let file = fs::File::options().append(true).open(&entry).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(compiled(&run(&lab, &["-vv"])), [FOUND]);
    let found = fs::metadata(&entry).unwrap();
    assert_eq!(found.ino(), made.ino());
    assert!(found.mtime() > 0);

    // `host inspect` uses it, too; another plugin has an entry of its own.
    let home = lab.path("home");
    let variables = [("XDG_CACHE_HOME", home.to_str().unwrap())];
    lab.host_with(&variables, &["inspect", guest("filtered")])
        .success();
    assert_eq!(entries(&folder(&lab)).len(), 1);
    lab.host_with(&variables, &["inspect", plugin("split-name")])
        .success();
    assert_eq!(entries(&folder(&lab)).len(), 2);
}

#[test]
fn a_damaged_entry_is_compiled_anew() {
    let lab = Lab::with_things([]);
    run(&lab, &[]).success();
    let entry = entry(&lab);
    let whole = fs::read(&entry).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for bytes in [&damaged[..], &whole[..whole.len() / 2], b""] {
        fs::write(&entry, bytes).unwrap();
        let ran = run(&lab, &["-vv"]);
        assert_eq!(compiled(&ran), [COMPILED]);
        assert!(ran.stderr().contains("why=\"it is damaged\""), "{ran}");
        assert!(fs::read(&entry).unwrap() == whole);
    }
}

#[test]
fn a_folder_that_others_can_write_to_is_left_alone() {
    let lab = Lab::with_things([]);
    fs::create_dir_all(folder(&lab)).unwrap();
    fs::set_permissions(folder(&lab), fs::Permissions::from_mode(0o777)).unwrap();
    let ran = run(&lab, &[]).success();
    assert_snapshot!(ran.to_string().lines().filter(|line| line.starts_with("warning")).collect::<String>(), @"warning: compiled plugins are not kept: the folder [FOLDER]/home/host/compiled is not this user's alone to write to");
    assert!(entries(&folder(&lab)).is_empty());
}

#[test]
fn an_entry_that_others_can_write_to_is_not_used() {
    let lab = Lab::with_things([]);
    run(&lab, &[]).success();
    let entry = entry(&lab);
    // While it is open, no other file gets its number.
    let open = fs::File::open(&entry).unwrap();
    let planted = open.metadata().unwrap();
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    run(&lab, &[]).success();
    let made = fs::metadata(&entry).unwrap();
    assert_ne!(made.ino(), planted.ino());
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_cache_that_cannot_be_had_stops_nobody() {
    let lab = Lab::with_things([]);
    lab.write("home", "no folder");
    run(&lab, &[]).success();
    assert_eq!(lab.read("home"), "no folder");
}

#[test]
fn nothing_is_kept_if_the_user_wants_none() {
    let lab = Lab::with_things([]);
    run(&lab, &["--cache-size", "0"]).success();
    assert!(!lab.path("home").exists());
    lab.write("host.toml", "cache-size = 0\n");
    run(&lab, &[]).success();
    assert!(!lab.path("home").exists());
    // The flag stands over the file; what does not fit is not kept.
    run(&lab, &["--cache-size", "1KiB"]).success();
    assert!(entries(&folder(&lab)).is_empty());
    run(&lab, &["--cache-size", "64MiB"]).success();
    assert_eq!(entries(&folder(&lab)).len(), 1);
}
