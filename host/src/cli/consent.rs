//! What a plugin is let do beyond its own table: said by flags, kept in the settings file, or asked at the terminal.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use super::CommandError;
use super::logs;
use super::screen;
use super::show::{safe, short};
use crate::config::{self, File, LogFormat};
use crate::engine::grants::{self, Consent, Kept};
use crate::engine::{Grant, RunError};
use crate::plugin::Described;

/// How much of a description is shown: what is asked must not be pushed off the screen.
const SHOWN_CHARACTERS: usize = 400;

/// What a plugin is let do.
#[derive(Debug, clap::Args)]
pub(super) struct GrantArguments {
    /// Lets the plugin read another table, write one, or see a secret
    #[arg(
        long,
        value_name = "read:TABLE|write:TABLE|secret:NAME",
        env = "HOST_ALLOW",
        value_delimiter = ','
    )]
    allow: Vec<Grant>,
}

impl GrantArguments {
    /// What a plugin is let do: what the command line says, or else `[run] allow` in the settings file, and what
    /// was kept there for the plugin's bytes. At a terminal the user is asked for what is missing.
    ///
    /// # Errors
    /// If the plugin wants more than that.
    pub fn granted(
        &self,
        plugin: &Described,
        file: &File,
    ) -> Result<BTreeSet<Grant>, CommandError> {
        let consent = self.consent(plugin, file);
        if consent.missing.is_empty() {
            return Ok(consent.granted);
        }
        if !at_terminal() {
            return Err(refused(plugin, &consent, file));
        }
        match ask(plugin, &consent, &file.path)? {
            Answer::No => Err(refused(plugin, &consent, file)),
            answer => {
                if answer == Answer::Yes {
                    keep(plugin, &consent, file);
                }
                let mut granted = consent.granted;
                granted.extend(consent.missing);
                Ok(granted)
            }
        }
    }
}

impl GrantArguments {
    /// What a plugin is let do, and what it wants besides, without asking anybody.
    pub fn consent(&self, plugin: &Described, file: &File) -> Consent {
        let given = match self.allow.as_slice() {
            [] => file.run.allow.clone(),
            some => some.iter().cloned().collect(),
        };
        Consent::of(&plugin.manifest, &plugin.sha256, &given, &file.grants)
    }
}

/// Whether somebody is there to be asked.
fn at_terminal() -> bool {
    logs::format() == LogFormat::Text && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// What the user says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    Once,
    No,
}

impl Answer {
    /// Understands a line. Nothing is no.
    fn of(line: &str) -> Option<Self> {
        match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Some(Self::Yes),
            "o" | "once" => Some(Self::Once),
            "" | "n" | "no" => Some(Self::No),
            _ => None,
        }
    }
}

/// Asks whether the plugin is let do what it wants. The end of the input is no. Signals are not caught yet: Ctrl-C
/// ends the process before anything was done.
fn ask(plugin: &Described, consent: &Consent, path: &Path) -> Result<Answer, CommandError> {
    screen::write(question(plugin, consent).as_bytes())?;
    let prompt = format!(
        "Let it? yes (kept in {} for these bytes), once, or no [no]: ",
        safe(&path.display().to_string())
    );
    loop {
        screen::write(prompt.as_bytes())?;
        let mut line = String::new();
        if io::stdin().read_line(&mut line)? == 0 {
            io::stderr().write_all(b"\n")?;
            return Ok(Answer::No);
        }
        if let Some(answer) = Answer::of(&line) {
            return Ok(answer);
        }
    }
}

/// What the plugin is and what it wants. All of its texts are its own words.
fn question(plugin: &Described, consent: &Consent) -> String {
    let manifest = &plugin.manifest;
    let mut text = String::from("This plugin wants more than its own table:\n\n");
    for (name, value) in [
        ("file", &*plugin.path.display().to_string()),
        ("migration", &manifest.name),
        ("version", &manifest.version.to_string()),
        (
            "description",
            &short(&manifest.description, SHOWN_CHARACTERS),
        ),
        ("table", &manifest.table),
        ("sha256", &plugin.sha256),
    ] {
        let _ = writeln!(text, "  {name:<12} {}", safe(value));
    }
    let before = consent.of_other_bytes.as_ref();
    if let Some(kept) = before {
        let _ = write!(
            text,
            "\nIts bytes have changed. You have allowed this migration with the sha256\n  {}\n",
            safe(&kept.sha256)
        );
        list(&mut text, kept.allow.iter().map(Grant::in_words));
    }
    text.push_str("\nIt wants\n");
    list(
        &mut text,
        consent.missing.iter().map(|grant| {
            let new = before.is_some_and(|kept| !kept.allow.contains(grant));
            format!("{}{}", grant.in_words(), if new { " (new)" } else { "" })
        }),
    );
    text.push('\n');
    text
}

fn list(text: &mut String, items: impl Iterator<Item = String>) {
    for item in items {
        let _ = writeln!(text, "  - {}", safe(&item));
    }
}

/// Keeps what the user has said yes to. Where that cannot be, it holds for this time.
fn keep(plugin: &Described, consent: &Consent, file: &File) {
    let kept = to_keep(plugin, consent, file);
    match config::keep(&file.path, &plugin.manifest.name, &kept) {
        Ok(()) => logs::say(&format!(
            "kept in {}",
            safe(&file.path.display().to_string())
        )),
        Err(error) => {
            tracing::warn!("{error}; the plugin is let do it this once, and asked about again");
        }
    }
}

/// What is to be kept: what is missing, and what was kept already for these bytes.
fn to_keep(plugin: &Described, consent: &Consent, file: &File) -> Kept {
    let mut allow: BTreeSet<Grant> = consent.missing.iter().cloned().collect();
    if consent.of_other_bytes.is_none()
        && let Some(kept) = file.grants.get(&plugin.manifest.name)
    {
        allow.extend(kept.allow.iter().cloned());
    }
    Kept {
        sha256: plugin.sha256.clone(),
        allow,
    }
}

/// What to pass or to write where nobody can be asked, or said no.
fn refused(plugin: &Described, consent: &Consent, file: &File) -> CommandError {
    let missing = consent.missing.clone();
    let migration = plugin.manifest.name.clone();
    let error = match &consent.of_other_bytes {
        None => CommandError::new(RunError::NotGranted { migration, missing }),
        Some(kept) => CommandError::new(format!(
            "the plugin of `{migration}` has changed since it was let do more: its SHA-256 was {}, and is {}; it wants {}",
            kept.sha256,
            plugin.sha256,
            grants::in_words(&missing)
        )),
    };
    error.hint(by_flags(&consent.missing)).hint_to_write(
        format!("or, for these bytes only, in {}:", file.path.display()),
        config::written(&plugin.manifest.name, &to_keep(plugin, consent, file)),
    )
}

/// The flags that let a plugin do what it wants.
pub(super) fn by_flags(missing: &[Grant]) -> String {
    let flags: Vec<_> = missing
        .iter()
        .map(|grant| format!("--allow {grant}"))
        .collect();
    format!("if you want to let it: {}", flags.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for (line, answer) in [
            ("yes\n", Some(Answer::Yes)),
            (" Y \r\n", Some(Answer::Yes)),
            ("once\n", Some(Answer::Once)),
            ("\n", Some(Answer::No)),
            ("N\n", Some(Answer::No)),
            ("yes please\n", None),
            ("\u{1b}[A\n", None),
        ] {
            assert_eq!(Answer::of(line), answer, "{line:?}");
        }
    }
}
