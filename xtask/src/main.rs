//! The project's own commands: `cargo xtask COMMAND`.
//!
//! What every contributor and the continuous integration do alike is written here once, in Rust, so that
//! it runs wherever the project builds and needs no further tool. It depends on next to nothing, since
//! compiling it is the first thing that a newcomer waits for; above all it does not depend on the host.
//!
//! A command is a file with a function `run`, and a line in [`COMMANDS`].

mod bench;
mod checkout;
mod ci;
mod demo;
mod fuzz;
mod host;
mod plugins;
mod projects;
mod test;
mod toolchain;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use toolbox::shell;

use crate::checkout::Checkout;

/// One of the commands of `cargo xtask`.
struct Command {
    /// What is typed after `cargo xtask`.
    name: &'static str,
    /// What may follow the name, as the help shows it.
    arguments: &'static str,
    /// One line about what it does.
    summary: &'static str,
    /// Does it, given what follows the name. The exit code is the one of the tool it ends with, if there is one.
    run: fn(&Checkout, &[String]) -> Result<ExitCode>,
}

/// All commands, in the order in which the help lists them.
const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        arguments: "",
        summary: "migrate a sample store with the real host, every command shown",
        run: demo::run,
    },
    Command {
        name: "plugins",
        arguments: "[NAME…]",
        summary: "build the example plugins to target/plugins, the test guests to target/guests, and the plugins in every language to target/conformance",
        run: plugins::run,
    },
    Command {
        name: "test",
        arguments: "[-- ARGUMENTS OF CARGO TEST]",
        summary: "build what the tests need, then run all of them",
        run: test::run,
    },
    Command {
        name: "fuzz",
        arguments: "[TARGET…] [--time TIME]",
        summary: "look for bytes that break a promise, a minute for each target of fuzz/ if no time is given",
        run: fuzz::run,
    },
    Command {
        name: "bench",
        arguments: "[--documents N] [--runs R] [--only NAME,…]",
        summary: "compare the host with scripts, with one SQL statement and with what SQLite can do at best",
        run: bench::run,
    },
    Command {
        name: "ci",
        arguments: "",
        summary: "check the format, lint, and test: what has to pass before a change lands",
        run: ci::run,
    },
];

fn main() -> ExitCode {
    let done = if fuzz::stands_before_rustc() {
        fuzz::rustc()
    } else {
        dispatch()
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            shell::say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Finds the command that was asked for and runs it.
fn dispatch() -> Result<ExitCode> {
    let arguments = env::args_os()
        .skip(1)
        .map(|argument| {
            argument
                .into_string()
                .map_err(|argument| anyhow!("the argument {argument:?} is not valid UTF-8"))
        })
        .collect::<Result<Vec<_>>>()?;
    let Some((name, rest)) = arguments.split_first() else {
        // Without a command there is nothing to do: the same text as for `help`, but as the error it is.
        eprint!("{}", help());
        return Ok(ExitCode::from(2));
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") || rest == ["--help"] || rest == ["-h"] {
        print!("{}", help());
        return Ok(ExitCode::SUCCESS);
    }
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(&Checkout::find()?, rest),
        None => bail!("there is no command `{name}`; `cargo xtask help` lists those there are"),
    }
}

/// The text of `cargo xtask help`.
fn help() -> String {
    let mut text = String::from("Usage: cargo xtask COMMAND\n\nCommands:\n");
    for command in COMMANDS {
        let call = format!("{} {}", command.name, command.arguments);
        text += &format!("  {}\n      {}\n", call.trim_end(), command.summary);
    }
    text += "  help\n      show this text\n";
    text += &format!("\nEnvironment:\n  {}\n  {}\n", toolchain::HELP, host::HELP);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_command_and_says_what_it_does() {
        let help = help();
        for command in COMMANDS {
            assert!(help.contains(&format!("  {}", command.name)), "{help}");
            assert!(help.contains(command.summary), "{help}");
        }
    }
}
