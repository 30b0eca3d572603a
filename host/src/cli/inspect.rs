//! `host inspect`: what a plugin is, and what it wants.

use std::io::{self, Write as _};
use std::path::PathBuf;

use migration_document::{Condition, Test};
use serde_json::json;

use super::cache::CacheArguments;
use super::show::{count, safe, write_json};
use super::tables::Format;
use super::{CommandError, Ending, HELP};
use crate::config::File;
use crate::engine::grants::{Consent, requested};
use crate::plugin::{LimitSettings, Plugin};

/// Shows what a plugin is and what it wants. Of its code only `describe` is run, in its sandbox.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host inspect plugin.wasm
  host inspect plugin.wasm --format json",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The plugin, a WebAssembly component
    plugin: PathBuf,

    /// How to show it
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,

    #[command(flatten)]
    cache: CacheArguments,

    #[command(flatten)]
    limits: LimitSettings,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let plugin = self.cache.load(&self.plugin, &self.limits, file)?;
        let mut stdout = io::stdout().lock();
        match self.format {
            Format::Json => write_json(&mut stdout, &as_json(&plugin, file))?,
            Format::Text => stdout.write_all(as_text(&plugin, file).as_bytes())?,
        }
        Ok(Ending::Done)
    }
}

/// The `--allow` values that a run of the plugin needs.
fn allows(plugin: &Plugin) -> Vec<String> {
    requested(&plugin.manifest)
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// What the settings file lets the plugin do.
fn consent(plugin: &Plugin, file: &File) -> Consent {
    Consent::of(
        &plugin.manifest,
        &plugin.sha256,
        &file.run.allow,
        &file.grants,
    )
}

/// How much of what the plugin needs the settings file grants.
fn granted(plugin: &Plugin, file: &File) -> String {
    let consent = consent(plugin, file);
    let path = file.path.display();
    let missing: Vec<_> = consent.missing.iter().map(ToString::to_string).collect();
    match (missing.is_empty(), consent.of_other_bytes) {
        (true, _) => format!("by {path}"),
        (false, None) => format!("not by {path}: {}", missing.join(", ")),
        (false, Some(kept)) => format!(
            "not by {path}, which is about other bytes (sha256 {}): {}",
            kept.sha256,
            missing.join(", ")
        ),
    }
}

fn as_json(plugin: &Plugin, file: &File) -> serde_json::Value {
    let manifest = &plugin.manifest;
    json!({
        "name": manifest.name,
        "description": manifest.description,
        "version": manifest.version,
        "run_after": manifest.run_after,
        "table": manifest.table,
        "filter": manifest.filter.iter().map(in_words).collect::<Vec<_>>(),
        "reads": manifest.reads,
        "writes": manifest.writes,
        "secrets": manifest.secrets,
        "allow": allows(plugin),
        "granted": consent(plugin, file).missing.is_empty(),
        "revert": plugin.back().is_some(),
        "interface": plugin.interface,
        "imports": plugin.imports,
        "size": plugin.size,
        "sha256": plugin.sha256,
    })
}

fn as_text(plugin: &Plugin, file: &File) -> String {
    let manifest = &plugin.manifest;
    let list = |items: &[String]| {
        if items.is_empty() {
            "-".to_owned()
        } else {
            items.join(", ")
        }
    };
    let filter: Vec<_> = manifest.filter.iter().map(in_words).collect();
    let flags: Vec<_> = allows(plugin)
        .iter()
        .map(|grant| format!("--allow {grant}"))
        .collect();
    let mut lines = vec![
        ("migration", manifest.name.clone()),
        ("description", manifest.description.clone()),
        ("version", manifest.version.to_string()),
        ("runs after", list(&manifest.run_after)),
        ("table", manifest.table.clone()),
        (
            "filter",
            if filter.is_empty() {
                "every document".into()
            } else {
                filter.join(" and ")
            },
        ),
        ("reads", list(&manifest.reads)),
        ("writes", list(&manifest.writes)),
        ("secrets", list(&manifest.secrets)),
        (
            "needs",
            if flags.is_empty() {
                "nothing but its table".into()
            } else {
                flags.join(" ")
            },
        ),
    ];
    if !flags.is_empty() {
        lines.push(("granted", granted(plugin, file)));
    }
    lines.extend([
        (
            "taken back",
            match plugin.back() {
                Some(_) => "by the undo log, or by its own `revert`".into(),
                None => "by the undo log".into(),
            },
        ),
        ("interface", plugin.interface.clone()),
        ("imports", list(&plugin.imports)),
        ("size", format!("{} bytes", count(plugin.size))),
        ("sha256", plugin.sha256.clone()),
    ]);
    let mut text = String::new();
    for (name, value) in lines {
        text.push_str(&format!("{name:<12} {}\n", safe(&value)));
    }
    text
}

/// A condition in words.
fn in_words(condition: &Condition) -> String {
    let at = &condition.at;
    match &condition.test {
        Test::Present => format!("{at} is there"),
        Test::Missing => format!("{at} is missing"),
        Test::Equals(value) => format!("{at} = {value}"),
        Test::NotEquals(value) => format!("{at} ≠ {value}"),
        Test::LessThan(value) => format!("{at} < {value}"),
        Test::AtLeast(value) => format!("{at} ≥ {value}"),
        Test::OneOf(values) => format!("{at} is one of {}", values.join(", ")),
    }
}
