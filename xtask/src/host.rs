//! The host's own binary, for commands that call it.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::checkout::Checkout;
use crate::shell;

/// Names a binary to call in the place of the checkout's.
const VARIABLE: &str = "XTASK_HOST";

/// The environment variable that matters here, for the help.
pub const HELP: &str = "\
XTASK_HOST=FILE
      call this binary of the host; by default the checkout's is built and called";

/// Builds the host, unless a binary was named, and returns where it is.
///
/// # Errors
/// If it cannot be built.
pub fn binary(checkout: &Checkout) -> Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return std::path::absolute(named).context("cannot resolve XTASK_HOST");
    }
    shell::say("Building the host (the first time takes some minutes) …");
    let mut build = checkout.cargo();
    // As part of the workspace: by itself it would be built with other features of its dependencies, and
    // `cargo xtask test` would build them all again. Not captured: whoever waits for minutes wants to see
    // what cargo is at.
    let built = shell::show(build.args(["build", "--workspace", "--bin", "host"]))?;
    ensure!(
        built.success(),
        "`{}` failed ({built})",
        shell::as_typed(&build)
    );
    // Cargo has put it beside this program, wherever that is.
    Ok(env::current_exe()
        .context("this program does not know where it is")?
        .with_file_name(format!("host{}", env::consts::EXE_SUFFIX)))
}
