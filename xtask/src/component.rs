//! `cargo xtask component`: a plugin project outside of this workspace, such as `host new` makes, built to a component.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use crate::checkout::Checkout;
use crate::plugins::PROFILE;
use crate::shell;
use crate::toolchain::{TARGET, Toolchain};

/// Runs `cargo xtask component FOLDER`.
pub fn run(checkout: &Checkout, arguments: &[String]) -> Result<ExitCode> {
    let [folder] = arguments else {
        bail!("`cargo xtask component` takes one argument, the project's folder");
    };
    let folder =
        fs::canonicalize(folder).with_context(|| format!("there is no folder `{folder}`"))?;
    let toolchain = Toolchain::find_or_install()?;
    let mut cargo = toolchain.cargo_build(checkout)?;
    // Compiled under the name of the plugins' profile, and in their target folder: what the project shares with
    // them, the standard library above all, is there already.
    let profile = format!("profile.{PROFILE}.inherits='release'");
    cargo.args(["--profile", PROFILE, "--config", &profile]);
    shell::quietly(cargo.current_dir(&folder))?;
    let built = component(&checkout.guest_build(), &folder)?;
    ensure!(
        built.is_file(),
        "{} was not built; is the project's library a `cdylib`, and is it named like its folder?",
        built.display()
    );
    writeln!(io::stdout(), "{}", built.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Where cargo puts the component of the project in this folder, if its package is named like the folder.
fn component(target: &Path, folder: &Path) -> Result<PathBuf> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .with_context(|| format!("{} names no package", folder.display()))?;
    let file = format!("{}.wasm", name.replace('-', "_"));
    Ok(target.join(TARGET).join(PROFILE).join(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_named_as_rust_names_the_crate() -> Result<()> {
        assert_eq!(
            component(Path::new("/t"), Path::new("/home/a/my-own-migration"))?,
            Path::new("/t/wasm32-unknown-unknown/guest/my_own_migration.wasm")
        );
        assert!(component(Path::new("/t"), Path::new("/")).is_err());
        Ok(())
    }
}
