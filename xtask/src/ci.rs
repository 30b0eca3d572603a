//! `cargo xtask ci`: what has to pass before a change lands. `.ci/run` calls it in a fresh clone.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::checkout::Checkout;
use crate::shell;
use crate::test;

/// Runs `cargo xtask ci`: the quick checks first, and the tests' summary as the last that is printed.
pub fn run(checkout: &Checkout, arguments: &[String]) -> Result<ExitCode> {
    if let Some(argument) = arguments.first() {
        bail!("`cargo xtask ci` takes no argument, but was given `{argument}`");
    }
    check(checkout.cargo().args(["fmt", "--all", "--check"]))?;
    check(checkout.cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    // All failures in one go: whoever reads this is not at the machine.
    let status = test::run_tests(checkout, &["--no-fail-fast".to_owned()])?;
    Ok(shell::exit_code(status))
}

/// Runs one check, its output shown as it goes.
fn check(command: &mut Command) -> Result<()> {
    let typed = shell::as_typed(command);
    shell::say(format_args!("$ {typed}"));
    let start = Instant::now();
    let status = shell::show(command)?;
    if !status.success() {
        bail!("`{typed}` found something ({status})");
    }
    shell::say(format_args!(
        "  passed ({:.1} s)",
        start.elapsed().as_secs_f64()
    ));
    Ok(())
}
