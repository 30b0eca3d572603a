//! `cargo xtask demo`: a sample store, migrated by the real host, every command shown as one would type it.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::checkout::Checkout;
use crate::host;
use crate::plugins;
use crate::shell;

/// The migration that is shown.
const PLUGIN: &str = "backfill-display-names";

/// Where the demo keeps its files, as seen from the checkout's root.
const FOLDER: &str = "target/demo";

/// How many users the sample has.
const USERS: usize = 1000;

/// How many documents of the result are shown.
const SHOWN: usize = 3;

/// The host's exit status for a run that came to its end but could not migrate every document.
const SOME_FAILED: i32 = 3;

/// Runs `cargo xtask demo`.
pub fn run(checkout: &Checkout, arguments: &[String]) -> Result<ExitCode> {
    if let Some(argument) = arguments.first() {
        bail!("`cargo xtask demo` takes no argument, but was given `{argument}`");
    }
    plugins::build(checkout, &[PLUGIN.to_owned()])?;
    let binary = host::binary(checkout)?;

    let folder = checkout.root().join(FOLDER);
    start_afresh(&folder)?;

    let store = format!("sqlite:{FOLDER}/app.db");
    let users = format!("{FOLDER}/users.jsonl");
    let plugin = format!("target/plugins/{PLUGIN}.wasm");
    let host = Host { checkout, binary };

    explain(&format!(
        "{USERS} users, one JSON document a line, are in {users}; some have no usable e-mail address.\n\
         They become a table of a new SQLite store. (`host` stands for `cargo run --package host --`.)"
    ))?;
    host.run(
        &[
            "import", "--store", &store, "--table", "users", &users, "--key", "_id",
        ],
        &[0],
    )?;
    host.run(&["tables", "--store", &store], &[0])?;

    explain(
        "The migration gives every user a displayName, made from the e-mail address. First without writing anything.\n\
         Where there is no usable address there is no name: such users are reported one by one, and the exit status\n\
         is 3, which means finished, but some documents failed. Here it is expected.",
    )?;
    host.run(
        &["run", &plugin, "--store", &store, "--dry-run"],
        &[SOME_FAILED],
    )?;

    explain("Now for real.")?;
    host.run(&["run", &plugin, "--store", &store], &[SOME_FAILED])?;

    explain(
        "Once more: all that could be done is done, so nothing changes. Only the failed ones are tried again;\n\
         correct their addresses, and the next run migrates them.",
    )?;
    host.run(&["run", &plugin, "--store", &store], &[SOME_FAILED])?;

    explain(
        "The result. What the migration does not name is byte for byte what it was: look at `credit`.",
    )?;
    host.head(&["export", "--store", &store, "--table", "users"], SHOWN)?;

    explain(&format!("The store is yours to play with: {FOLDER}/app.db"))?;
    Ok(ExitCode::SUCCESS)
}

/// The host, run from the checkout's root.
struct Host<'a> {
    checkout: &'a Checkout,
    binary: PathBuf,
}

impl Host<'_> {
    /// The command that does what typing `host ARGUMENTS` would, were it installed.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut host = Command::new(&self.binary);
        host.current_dir(self.checkout.root()).args(arguments);
        host
    }

    /// Shows a command and its output. Any other exit status than the expected ones ends the demo.
    fn run(&self, arguments: &[&str], expected: &[i32]) -> Result<()> {
        let typed = typed(arguments);
        prompt(&typed)?;
        let status = shell::show(&mut self.command(arguments))?;
        match status.code() {
            Some(code) if expected.contains(&code) => {
                if code != 0 {
                    explain(&format!("(exit status {code}, as expected)"))?;
                }
                Ok(())
            }
            _ => bail!("`{typed}` ended with {status}; expected was {expected:?}"),
        }
    }

    /// Shows a command and the first lines of its output.
    fn head(&self, arguments: &[&str], lines: usize) -> Result<()> {
        let typed = typed(arguments);
        prompt(&format!("{typed} | head -n {lines}"))?;
        // It is read to its end, unlike by `head`: the exit status tells then whether all of it worked.
        let output = self
            .command(arguments)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start `{typed}`"))?;
        ensure!(
            output.status.success(),
            "`{typed}` ended with {}",
            output.status
        );
        let mut stdout = io::stdout().lock();
        for line in output
            .stdout
            .split_inclusive(|&byte| byte == b'\n')
            .take(lines)
        {
            stdout.write_all(line)?;
        }
        Ok(())
    }
}

/// A call of the host as a person would type it.
fn typed(arguments: &[&str]) -> String {
    shell::as_typed(Command::new("host").args(arguments))
}

/// Shows a command that is about to be run.
fn prompt(command: &str) -> io::Result<()> {
    writeln!(io::stdout(), "\n$ {command}")
}

/// Tells in a few lines what comes next. On stdout, like the commands, so that all stays in order.
fn explain(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "\n{text}")
}

/// Removes what an earlier demo left and writes the sample.
fn start_afresh(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", folder.display()));
        }
        _ => {}
    }
    let file = folder.join("users.jsonl");
    fs::create_dir_all(folder)
        .and_then(|()| {
            let mut out = BufWriter::new(fs::File::create(&file)?);
            write_users(&mut out)?;
            out.flush()
        })
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Writes the sample: the same users each time, as JSON lines.
fn write_users(out: &mut impl Write) -> io::Result<()> {
    (0..USERS).try_for_each(|number| writeln!(out, "{}", user(number)))
}

/// One user of the sample.
///
/// The names need no escapes, and `credit` has trailing zeros on purpose: only a tool that leaves alone what
/// it was not asked to change keeps them.
fn user(number: usize) -> String {
    const FIRST: [&str; 12] = [
        "Ada",
        "Alan",
        "Barbara",
        "Claude",
        "Donald",
        "Edsger",
        "Frances",
        "Grace",
        "Hedy",
        "Ivan",
        "Joan",
        "Katherine",
    ];
    const LAST: [&str; 12] = [
        "Abel", "Bauer", "Castillo", "Demir", "Eriksson", "Fischer", "Garnier", "Horvat", "Ito",
        "Jansen", "Kowalski", "Lund",
    ];
    const TIER: [&str; 3] = ["free", "premium", "team"];

    let first = FIRST[number % FIRST.len()];
    let last = LAST[number / FIRST.len() % LAST.len()];
    let name = format!("{first} {last}");
    // The number makes addresses unique: there are fewer names than users.
    let address = format!(
        "{}.{}{number}@example.com",
        first.to_lowercase(),
        last.to_lowercase()
    );
    let email = match number % 250 {
        40 => String::new(),
        90 => r#","email":null"#.to_owned(),
        140 => r#","email":"""#.to_owned(),
        190 => format!(r#","email":"{} at example.com""#, last.to_lowercase()),
        _ => format!(r#","email":"{address}""#),
    };
    // Some have what the migration adds to the others.
    let display_name = match number % 20 {
        13 => format!(r#","displayName":"{first}""#),
        _ => String::new(),
    };
    format!(
        r#"{{"_id":"user-{number:04}","name":"{name}"{email}{display_name},"tier":"{}","credit":{}.{}0}}"#,
        TIER[number % TIER.len()],
        number * 37 % 500,
        number % 10,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_sample_is_the_same_each_time() {
        assert_eq!(
            user(0),
            r#"{"_id":"user-0000","name":"Ada Abel","email":"ada.abel0@example.com","tier":"free","credit":0.00}"#
        );
        assert_eq!(
            user(13),
            r#"{"_id":"user-0013","name":"Alan Bauer","email":"alan.bauer13@example.com","displayName":"Alan","tier":"premium","credit":481.30}"#
        );
        assert_eq!(
            user(40),
            r#"{"_id":"user-0040","name":"Donald Demir","tier":"premium","credit":480.00}"#
        );
    }

    #[test]
    fn every_user_is_another_and_some_have_no_usable_address() {
        let users: Vec<_> = (0..USERS).map(user).collect();
        assert_eq!(users.iter().collect::<HashSet<_>>().len(), USERS);
        assert_eq!(users.iter().filter(|user| !user.contains('@')).count(), 16);
        let named = users
            .iter()
            .filter(|user| user.contains("displayName"))
            .count();
        assert_eq!(named, USERS / 20);
    }

    #[test]
    fn calls_are_shown_as_typed() {
        assert_eq!(
            typed(&["run", "p.wasm", "--dry-run"]),
            "host run p.wasm --dry-run"
        );
    }

    #[test]
    fn an_earlier_demo_is_removed() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("xtask-{}-demo", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("app.db"), "old")?;
        start_afresh(&folder)?;
        let lines = fs::read_to_string(folder.join("users.jsonl"))?
            .lines()
            .count();
        let old_is_gone = !folder.join("app.db").exists();
        fs::remove_dir_all(&folder)?;
        assert_eq!((lines, old_is_gone), (USERS, true));
        Ok(())
    }
}
