//! `cargo xtask test`: everything that the tests need, then the tests.

use std::process::{ExitCode, ExitStatus};

use anyhow::Result;

use crate::checkout::Checkout;
use crate::plugins;
use crate::shell;

/// Runs `cargo xtask test [-- ARGUMENTS]`. The arguments are those of `cargo test`.
pub fn run(checkout: &Checkout, arguments: &[String]) -> Result<ExitCode> {
    // `cargo xtask test NAME` is understood as well as `cargo xtask test -- NAME`.
    let arguments = match arguments {
        [first, rest @ ..] if first == "--" => rest,
        all => all,
    };
    // Nothing is said after this: the last lines are the test runner's own.
    Ok(shell::exit_code(run_tests(checkout, arguments)?))
}

/// Builds the guests and runs `cargo test` with these arguments.
pub fn run_tests(checkout: &Checkout, arguments: &[String]) -> Result<ExitStatus> {
    plugins::build_all(checkout)?;
    let mut cargo = checkout.cargo();
    cargo.arg("test");
    if !selects_packages(arguments) {
        cargo.arg("--workspace");
    }
    cargo
        .args(arguments)
        // The end-to-end tests run these through the real binary.
        .env("HOST_TEST_PLUGINS", checkout.plugins())
        .env("HOST_TEST_GUESTS", checkout.guests())
        .env("HOST_TEST_CONFORMANCE", checkout.conformance());
    shell::say(format_args!("$ {}", shell::as_typed(&cargo)));
    Ok(shell::show(&mut cargo)?)
}

/// Whether arguments of `cargo test` say which packages to test. With `--workspace` beside it, cargo would
/// overlook that.
fn selects_packages(arguments: &[String]) -> bool {
    arguments
        .iter()
        // What follows belongs to the tests themselves.
        .take_while(|argument| *argument != "--")
        .any(|argument| {
            let is_short = argument.starts_with("-p") && !argument.starts_with("--");
            let name = argument.split('=').next();
            is_short
                || matches!(
                    name,
                    Some("--package" | "--workspace" | "--all" | "--manifest-path")
                )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(arguments: &[&str]) -> bool {
        selects_packages(
            &arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn the_workspace_is_tested_unless_packages_are_named() {
        assert!(selects(&["-p", "host"]));
        assert!(selects(&["-phost"]));
        assert!(selects(&["--package=host"]));
        assert!(selects(&["--release", "--workspace"]));
        assert!(!selects(&[]));
        assert!(!selects(&["--no-fail-fast", "a_test"]));
        assert!(!selects(&["--profile", "dev"]));
        assert!(!selects(&["--", "-p"]));
    }
}
