//! What a plugin is let do beyond its own table: said by flags, kept in the settings file, or asked at the terminal.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::str::FromStr;

use super::CommandError;
use super::logs;
use super::screen;
use super::show::{safe, short};
use crate::config::{self, File, LogFormat};
use crate::engine::grants::{self, Consent, Kept, NoGrant};
use crate::engine::{Grant, RunError};
use crate::plugin::{Described, check_name};
use crate::stages::Stages;

/// How much of a description is shown: what is asked must not be pushed off the screen.
const SHOWN_CHARACTERS: usize = 400;

/// What a plugin is let do.
#[derive(Debug, clap::Args)]
pub(super) struct GrantArguments {
    /// Lets the plugin read another table, write one, or see a secret. Only one of several: MIGRATION:read:TABLE
    #[arg(
        long,
        value_name = "read:TABLE|write:TABLE|secret:NAME",
        env = "HOST_ALLOW",
        value_delimiter = ','
    )]
    allow: Vec<Allowed>,
}

/// What the command line lets plugins do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowed {
    /// Only this migration's; None: whichever wants it.
    migration: Option<String>,
    grant: Grant,
}

impl FromStr for Allowed {
    type Err = NoGrant;

    fn from_str(text: &str) -> Result<Self, NoGrant> {
        let for_all = text.parse().map(|grant| Self {
            migration: None,
            grant,
        });
        for_all.or_else(|error| match text.split_once(':') {
            Some((migration, grant)) if check_name(migration).is_ok() => Ok(Self {
                migration: Some(migration.into()),
                grant: grant.parse().map_err(|_| error)?,
            }),
            _ => Err(error),
        })
    }
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
    /// Refuses what more than one of these plugins wants, and of which nobody says which of them is let do it.
    pub fn check_whose(&self, plugins: &Stages<Described>) -> Result<(), CommandError> {
        for allowed in self
            .allow
            .iter()
            .filter(|allowed| allowed.migration.is_none())
        {
            let grant = &allowed.grant;
            let wanting = plugins.iter().map(|plugin| &plugin.manifest);
            let wanting: Vec<_> = wanting
                .filter(|manifest| grants::requested(manifest).contains(grant))
                .map(|manifest| format!("--allow {}:{grant}", manifest.name))
                .collect();
            if wanting.len() > 1 {
                return Err(CommandError::usage(format!(
                    "which plugin is let do it? Several want {}",
                    grant.in_words()
                ))
                .hint(format!("write {}, or all of them", wanting.join(" or "))));
            }
        }
        Ok(())
    }

    /// What a plugin is let do, and what it wants besides, without asking anybody.
    pub fn consent(&self, plugin: &Described, file: &File) -> Consent {
        let its_own = |allowed: &&Allowed| {
            let migration = allowed.migration.as_ref();
            migration.is_none_or(|migration| *migration == plugin.manifest.name)
        };
        let given = match self.allow.as_slice() {
            [] => file.run.allow.clone(),
            some => {
                let its_own = some.iter().filter(its_own);
                its_own.map(|allowed| allowed.grant.clone()).collect()
            }
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
    fn a_grant_may_be_one_migrations_own() {
        let read = |text: &str| {
            let allowed = text.parse::<Allowed>().map_err(|error| error.to_string())?;
            Ok::<_, String>((allowed.migration, allowed.grant.to_string()))
        };
        let own = |name: &str, grant: &str| Ok((Some(name.to_owned()), grant.to_owned()));
        assert_eq!(read("read:a:b"), Ok((None, "read:a:b".into())));
        assert_eq!(read("split-name:read:a"), own("split-name", "read:a"));
        assert_eq!(read("x:secret:K:1"), own("x", "secret:K:1"));
        for text in [
            "x:read:",
            "x:y",
            "X:read:a",
            "x:y:read:a",
            ":read:a",
            "delete:a",
        ] {
            let error = read(text).unwrap_err();
            assert!(
                error.starts_with(&format!("`{text}` is no grant")),
                "{error}"
            );
        }
    }

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
