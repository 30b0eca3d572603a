//! Migrations in their order: a team's folder, its stores, and `host plan`, `up`, `down`, `status`, `history`, `verify`,
//! `baseline` and `repair`.

mod bad_input;
#[cfg(unix)]
mod crash;
mod down;
mod gates;
mod many;
mod pipelines;
mod steps;
mod together;
mod up;

use std::fs;

use serde_json::Value;

use crate::common::{Lab, Ran};
use crate::hostile::guest::{Guest, Manifest};

/// A migration of things. It gives each document a member, but for those whose ids begin with `x`.
struct Plugin<'t> {
    name: &'t str,
    version: u8,
    run_after: &'t [&'t str],
    /// The member, of four letters.
    member: &'t str,
    /// What it does at the documents that it gives no member.
    at_x: &'static str,
    table: &'t str,
}

const FIRST: Plugin<'static> = Plugin {
    name: "first",
    version: 1,
    run_after: &[],
    member: "done",
    at_x: SKIP,
    table: "things",
};

const SECOND: Plugin<'static> = Plugin {
    name: "second",
    version: 2,
    member: "twos",
    ..FIRST
};

const THIRD: Plugin<'static> = Plugin {
    name: "third",
    version: 3,
    member: "tree",
    ..FIRST
};

impl Default for Plugin<'_> {
    fn default() -> Self {
        FIRST
    }
}

/// It leaves them alone.
const SKIP: &str = "";

/// It traps, and so they fail.
const TRAP: &str = "unreachable";

/// It gives them the member, too.
const HEAL: &str = "(call $heal (local.get $outcome))";

impl Plugin<'_> {
    fn component(&self) -> Vec<u8> {
        assert_eq!(self.member.len(), 4);
        let member = format!("(data (i32.const 32801) \"{}\")", self.member);
        let guest = Guest {
            manifest: Manifest {
                name: self.name,
                version: self.version,
                run_after: self.run_after,
                table: self.table,
                ..Manifest::default()
            },
            module: &member,
            attack: self.at_x.into(),
            ..Guest::default()
        };
        guest.component()
    }
}

/// A team's folder with these migrations, a development store and a production store with the same documents.
fn team(plugins: &[Plugin<'_>]) -> Lab {
    let lab = Lab::with_things([("a", "{}"), ("b", "{\"n\":1.0}")]);
    lab.use_wal();
    lab.write(
        "host.toml",
        "[env.dev]\nstore = \"sqlite:app.db\"\n\n[env.prod]\nstore = \"sqlite:prod.db\"\nrequire = \"dev\"\n",
    );
    fs::create_dir(lab.path("migrations")).unwrap();
    for plugin in plugins {
        put(&lab, plugin);
    }
    lab.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    fs::copy(lab.path("app.db"), lab.path("prod.db")).unwrap();
    lab
}

/// Puts a plugin into the folder, as NAME.wasm.
fn put(lab: &Lab, plugin: &Plugin<'_>) {
    lab.write(
        &format!("migrations/{}.wasm", plugin.name),
        plugin.component(),
    );
}

/// Puts a file of steps into the folder, as NAME.toml.
fn put_steps(lab: &Lab, name: &str, text: &str) {
    lab.write(&format!("migrations/{name}.toml"), text);
}

/// Runs a command over the development store.
fn dev(lab: &Lab, arguments: &[&str]) -> Ran {
    lab.host(&[arguments, &["--env", "dev"]].concat())
}

/// Runs a command over the development store, and returns the JSON that it shows.
fn json(lab: &Lab, arguments: &[&str]) -> Value {
    let ran = dev(lab, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&ran.stdout()).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

/// The names of the migrations of which an object tells.
fn names<'v>(value: &'v Value, list: &str) -> Vec<&'v str> {
    value[list]
        .as_array()
        .unwrap_or_else(|| panic!("no {list} in {value}"))
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect()
}

/// The names of the migrations that the ledger has runs of, in the order in which they began.
fn runs(lab: &Lab) -> Vec<String> {
    lab.column("SELECT migration FROM _host_runs ORDER BY run", &[])
}

/// Takes it that a command was refused with this message, and that it did nothing.
#[track_caller]
fn refused(lab: &Lab, arguments: &[&str], status: i32, message: &str) {
    let before = lab.everything();
    let ran = dev(lab, arguments);
    assert_eq!(ran.status(), status, "{ran}");
    assert!(ran.stderr().contains(message), "{message}\n---\n{ran}");
    assert_eq!(lab.everything(), before, "{ran}");
}
