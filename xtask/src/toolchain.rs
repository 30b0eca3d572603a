//! The compiler for WebAssembly: the one that is ready here, or installing one.
//!
//! What is already there is preferred to anything that would have to be downloaded, so that only the first
//! call on a machine may wait for a network.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use toolbox::rust::{Compiler, DEBIAN_PACKAGES, DEBIAN_RUSTC, TARGET, Toolchain};
use toolbox::shell;

use crate::checkout::Checkout;

/// Chooses between the toolchains; see [`Choice`].
const VARIABLE: &str = "XTASK_WASM_TOOLCHAIN";

/// The environment variable that matters here, for the help.
pub const HELP: &str = "\
XTASK_WASM_TOOLCHAIN=own|debian
      compile plugins with the toolchain in use, or with Debian's; by default whichever is ready,
      else whichever can be installed";

/// How long rustup may take for its download of some 20 MB. An unreachable server must not be a hang.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// How long apt may take for its lists, and for its download of some 150 MB.
const APT_LIMIT: Duration = Duration::from_secs(900);

/// Which compilers may be used, as the user wants it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Choice {
    Any,
    Only(Compiler),
}

impl Choice {
    /// Reads the value of [`VARIABLE`].
    fn parse(value: Option<&str>) -> Result<Self> {
        match value {
            None | Some("") => Ok(Self::Any),
            Some("own") => Ok(Self::Only(Compiler::Own)),
            Some("debian") => Ok(Self::Only(Compiler::Debian)),
            Some(other) => bail!("{VARIABLE} is `{other}`; it can be `own` or `debian`"),
        }
    }

    fn allows(self, compiler: Compiler) -> bool {
        self == Self::Any || self == Self::Only(compiler)
    }
}

/// Finds a compiler for WebAssembly, or installs one and says so.
///
/// # Errors
/// If there is none and none can be installed: the message says what was tried and what to do by hand.
pub fn find_or_install(checkout: &Checkout) -> Result<Toolchain> {
    let choice = env::var_os(VARIABLE);
    let choice = Choice::parse(
        choice
            .as_deref()
            .map(|value| value.to_string_lossy())
            .as_deref(),
    )?;
    let root = checkout.root();
    let compiler = find_or_install_library(choice, root)?;
    let toolchain = Toolchain::new(compiler, root)?;
    if compiler == Compiler::Debian {
        let version = shell::stdout_of(Command::new(DEBIAN_RUSTC).arg("--version"))?;
        shell::say(format_args!(
            "Compiling for WebAssembly with Debian's {}, standard library included",
            short_version(&version)
        ));
    }
    Ok(toolchain)
}

/// Makes sure that one of the allowed compilers has a standard library for the target, and tells which.
fn find_or_install_library(choice: Choice, root: &Path) -> Result<Compiler> {
    for compiler in Compiler::ALL {
        if choice.allows(compiler) && compiler.is_ready(root)? {
            return Ok(compiler);
        }
    }
    let mut tried = String::new();
    for compiler in Compiler::ALL {
        if choice.allows(compiler) {
            let installed = match compiler {
                Compiler::Own => add_target(root),
                Compiler::Debian => install_debian(root),
            };
            match installed {
                Ok(()) => return Ok(compiler),
                Err(error) => tried += &format!("\n- {error:#}"),
            }
        }
    }
    bail!(
        "Rust's standard library for {TARGET} is missing, and could not be installed:{tried}\n\
         Plugins cannot be built without it. Do one of these and try again:\n\
         - rustup target add {TARGET}\n\
         - on Debian 12, as root: apt-get install --no-install-recommends {}",
        DEBIAN_PACKAGES.join(" ")
    )
}

/// Of what `rustc --version` prints, the name and the number: "rustc 1.96.0".
fn short_version(version: &str) -> &str {
    version.split(" (").next().unwrap_or(version).trim_end()
}

/// Has rustup add the target to the toolchain in use.
fn add_target(root: &Path) -> Result<()> {
    let Some(rustup) = shell::find_program("rustup") else {
        bail!("rustup: not installed");
    };
    shell::say(format_args!(
        "Installing Rust's standard library for {TARGET} with rustup …"
    ));
    let added = shell::quietly_within(
        // RUSTUP_TOOLCHAIN is set where rustup runs cargo, so this is about the toolchain in use.
        Command::new(rustup).args(["target", "add", TARGET]),
        Some(RUSTUP_LIMIT),
    );
    if let Err(error) = added {
        shell::say("  rustup could not install it");
        return Err(error.into());
    }
    if !Compiler::Own.is_ready(root)? {
        bail!("rustup: it added the target, but not to the toolchain in use");
    }
    Ok(())
}

/// Installs Debian's packages.
fn install_debian(root: &Path) -> Result<()> {
    let Some(apt_get) = shell::find_program("apt-get") else {
        bail!("apt-get: not installed");
    };
    if shell::stdout_of(Command::new("id").arg("-u"))?.trim_end() != "0" {
        bail!(
            "apt-get: only root may install {}",
            DEBIAN_PACKAGES.join(", ")
        );
    }
    shell::say(format_args!(
        "Installing Debian's packages {} with apt-get …",
        DEBIAN_PACKAGES.join(", ")
    ));
    let apt = || {
        let mut command = Command::new(&apt_get);
        // Whoever else installs something just now gets the time to finish it.
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-o", "DPkg::Lock::Timeout=120"]);
        command
    };
    // Without this a fresh machine knows no package, or only ones that are gone. An archive that fails need
    // not be the one with these packages, so what matters is whether they can be installed.
    let updated = shell::quietly_within(apt().arg("update"), Some(APT_LIMIT));
    shell::quietly_within(
        apt()
            // They conflict with other packages of Rust, which someone may need: those must not be removed.
            .args(["install", "--yes", "--no-install-recommends", "--no-remove"])
            .args(DEBIAN_PACKAGES),
        Some(APT_LIMIT),
    )
    .inspect_err(|_| shell::say("  apt-get could not install them"))
    .with_context(|| match updated {
        Ok(()) => "apt-get".to_owned(),
        Err(error) => format!("apt-get: {error:#}\nand then"),
    })?;
    if !Compiler::Debian.is_ready(root)? {
        bail!(
            "apt-get: it installed {}, but they lack the compiler, cargo, or the library's source",
            DEBIAN_PACKAGES.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_shown_without_hash_and_date() {
        assert_eq!(
            short_version("rustc 1.96.0 (ac68faa20 2026-05-25) (from a tarball)\n"),
            "rustc 1.96.0"
        );
        assert_eq!(short_version("rustc 1.96.0\n"), "rustc 1.96.0");
    }

    #[test]
    fn the_choice_is_one_of_two_or_none() -> Result<()> {
        assert_eq!(Choice::parse(None)?, Choice::Any);
        assert_eq!(Choice::parse(Some(""))?, Choice::Any);
        assert_eq!(Choice::parse(Some("own"))?, Choice::Only(Compiler::Own));
        assert_eq!(
            Choice::parse(Some("debian"))?,
            Choice::Only(Compiler::Debian)
        );
        assert!(Choice::parse(Some("gentoo")).is_err());
        assert!(Choice::Any.allows(Compiler::Own) && Choice::Any.allows(Compiler::Debian));
        assert!(!Choice::Only(Compiler::Own).allows(Compiler::Debian));
        Ok(())
    }
}
