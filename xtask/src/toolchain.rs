//! The compiler for WebAssembly: finding one that works here, or installing it.
//!
//! Plugins are built for `wasm32-unknown-unknown` with `wasm-component-ld` as linker, which makes of them
//! finished components that import nothing but what the plugin interface names. Two things are needed:
//!
//! - **A standard library for the target.** The toolchain in use has it, or rustup adds it. Where rustup can
//!   download nothing, Debian's archive carries a compiler with the library's source, and cargo builds the
//!   library from that. The compiler must be Debian's own then: the source fits no other version.
//! - **The linker.** It comes with rustup's toolchains, so even Debian's compiler borrows it from there.
//!
//! What is already there is preferred to anything that would have to be downloaded, so that only the first
//! call on a machine may wait for a network.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::shell;

/// What plugins are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Chooses between the toolchains; see [`Choice`].
const VARIABLE: &str = "XTASK_WASM_TOOLCHAIN";

/// The environment variable that matters here, for the help.
pub const HELP: &str = "\
XTASK_WASM_TOOLCHAIN=own|debian
      compile plugins with the toolchain in use, or with Debian's; by default whichever is ready,
      else whichever can be installed";

/// Makes a finished component of what the compiler leaves.
const LINKER: &str = "wasm-component-ld";

/// Debian's packages: compiler, cargo, and the standard library's source.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Where Debian's packages put the compiler, cargo and a file of the standard library's source.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// How long rustup may take for its download of some 20 MB. An unreachable server must not be a hang.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// How long apt may take for its lists, and for its download of some 150 MB.
const APT_LIMIT: Duration = Duration::from_secs(900);

/// A cargo that builds for WebAssembly.
pub struct Toolchain {
    kind: Kind,
    linker: Linker,
}

/// Whose compiler it is.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    /// The toolchain that runs xtask, which has a standard library for the target.
    Own,
    /// Debian's, which builds the standard library first.
    Debian,
}

/// Which compilers may be used, as the user wants it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Choice {
    Any,
    Only(Kind),
}

impl Choice {
    /// Reads the value of [`VARIABLE`].
    fn parse(value: Option<&str>) -> Result<Self> {
        match value {
            None | Some("") => Ok(Self::Any),
            Some("own") => Ok(Self::Only(Kind::Own)),
            Some("debian") => Ok(Self::Only(Kind::Debian)),
            Some(other) => bail!("{VARIABLE} is `{other}`; it can be `own` or `debian`"),
        }
    }

    fn allows(self, kind: Kind) -> bool {
        self == Self::Any || self == Self::Only(kind)
    }
}

impl Toolchain {
    /// Finds a compiler for WebAssembly, or installs one and says so.
    ///
    /// # Errors
    /// If there is none and none can be installed: the message says what was tried and what to do by hand.
    pub fn find_or_install() -> Result<Self> {
        let choice = env::var_os(VARIABLE);
        let choice = Choice::parse(
            choice
                .as_deref()
                .map(|value| value.to_string_lossy())
                .as_deref(),
        )?;
        let kind = find_or_install_library(choice)?;
        let linker = Linker::find()?;
        if kind == Kind::Debian {
            let version = shell::stdout_of(Command::new(DEBIAN_RUSTC).arg("--version"))?;
            shell::say(format_args!(
                "Compiling for WebAssembly with Debian's {}, standard library included",
                short_version(&version)
            ));
        }
        Ok(Self { kind, linker })
    }

    /// `cargo build` for the target, in a folder of its own; packages and profile are left to the caller.
    ///
    /// # Errors
    /// If PATH cannot be extended by the linker's folders.
    pub fn cargo_build(&self, checkout: &Checkout) -> Result<Command> {
        let mut cargo = match self.kind {
            Kind::Own => checkout.cargo(),
            Kind::Debian => Command::new(DEBIAN_CARGO),
        };
        for (name, _) in env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| !reaches_guests(name, self.kind))
            {
                cargo.env_remove(name);
            }
        }
        cargo
            .current_dir(checkout.root())
            .args(["build", "--target", TARGET, "--target-dir"])
            .arg(checkout.guest_build())
            .env(
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
                &self.linker.program,
            )
            // It overrides the flags in the user's configuration of cargo, even if it is empty: those are
            // for native code (a CPU, a faster linker), and plugins should be the same on every machine.
            .env(
                "CARGO_ENCODED_RUSTFLAGS",
                cargo_home().map_or_else(OsString::new, |home| hiding(&home)),
            );
        if self.kind == Kind::Debian {
            cargo
                .arg("-Zbuild-std=std,panic_abort")
                // Building the standard library is an unstable feature of a stable compiler.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTC", DEBIAN_RUSTC);
        }
        shell::prepend_path(&mut cargo, &self.linker.folders)?;
        Ok(cargo)
    }
}

/// Makes sure that one of the allowed compilers has a standard library for the target, and tells which.
fn find_or_install_library(choice: Choice) -> Result<Kind> {
    if choice.allows(Kind::Own) && own_library_exists()? {
        return Ok(Kind::Own);
    }
    if choice.allows(Kind::Debian) && debian_is_installed() {
        return Ok(Kind::Debian);
    }
    let mut tried = String::new();
    for (kind, install) in [
        (Kind::Own, add_target as fn() -> Result<()>),
        (Kind::Debian, install_debian),
    ] {
        if choice.allows(kind) {
            match install() {
                Ok(()) => return Ok(kind),
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

/// Whether the toolchain in use has the target's standard library.
fn own_library_exists() -> Result<bool> {
    // The compiler tells where the library would be, whether it is there or not.
    let folder = library_folder(&["--target", TARGET])?;
    Ok(folder.is_dir())
}

/// Where the toolchain in use has its libraries: the host's, unless the arguments name another target.
fn library_folder(arguments: &[&str]) -> Result<PathBuf> {
    // The `rustc` that cargo takes by itself: another one, chosen by a variable, is not passed on to guests.
    let mut rustc = Command::new("rustc");
    let folder = shell::stdout_of(rustc.args(["--print", "target-libdir"]).args(arguments))?;
    Ok(PathBuf::from(folder.trim_end()))
}

/// Where cargo keeps the sources of dependencies.
fn cargo_home() -> Option<PathBuf> {
    match env::var_os("CARGO_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Some(PathBuf::from(home)),
        None => Some(env::home_dir()?.join(".cargo")),
    }
}

/// The flag that keeps a folder's name out of what is compiled.
///
/// The places of panics name their source files. Plugins are passed around and known by their hash, which
/// should neither tell nor depend on whose home folder they were built in. The workspace's own files need no
/// such flag: cargo gives their paths from its root.
fn hiding(cargo_home: &Path) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(cargo_home);
    flag.push("=cargo");
    flag
}

/// Of what `rustc --version` prints, the name and the number: "rustc 1.96.0".
fn short_version(version: &str) -> &str {
    version.split(" (").next().unwrap_or(version).trim_end()
}

/// Whether Debian's packages are there.
fn debian_is_installed() -> bool {
    [DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_SOURCE]
        .into_iter()
        .all(|file| Path::new(file).is_file())
}

/// Has rustup add the target to the toolchain in use.
fn add_target() -> Result<()> {
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
        return Err(error);
    }
    if !own_library_exists()? {
        bail!("rustup: it added the target, but not to the toolchain in use");
    }
    Ok(())
}

/// Installs Debian's packages.
fn install_debian() -> Result<()> {
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
    if !debian_is_installed() {
        bail!(
            "apt-get: it installed {}, but they lack {DEBIAN_RUSTC}, {DEBIAN_CARGO} or {DEBIAN_SOURCE}",
            DEBIAN_PACKAGES.join(", ")
        );
    }
    Ok(())
}

/// The linker for components.
struct Linker {
    program: PathBuf,
    /// The folders of the programs that it calls, to be put on PATH.
    folders: Vec<PathBuf>,
}

impl Linker {
    /// Finds the linker in the toolchain in use, or else on PATH.
    fn find() -> Result<Self> {
        let library = library_folder(&[])?;
        if let Some(linker) = Self::of_toolchain(&library).filter(|linker| linker.program.is_file())
        {
            return Ok(linker);
        }
        match shell::find_program(LINKER) {
            Some(program) => Ok(Self {
                program,
                folders: Vec::new(),
            }),
            None => bail!(
                "`{LINKER}` is missing: it comes with rustup's toolchains, but the one in use is another. \
                 `cargo install --locked {LINKER}` installs it; it calls `wasm-ld`, which comes with LLVM's lld"
            ),
        }
    }

    /// Where a toolchain of rustup's has the linker, given the folder of its libraries for the host.
    fn of_toolchain(library: &Path) -> Option<Self> {
        let programs = library.parent()?.join("bin");
        let program = programs.join(format!("{LINKER}{}", env::consts::EXE_SUFFIX));
        Some(Self {
            program,
            folders: vec![programs.join("gcc-ld"), programs],
        })
    }
}

/// Whether an environment variable is passed on to the cargo that builds plugins.
///
/// The families of cargo and rustc are withheld, except for what says where things are and how they are
/// fetched: the rest is meant for native code (flags, wrappers, profiles), or for the one cargo that started
/// this program. Another compiler, moreover, must not find rustup's choice of toolchain or its libraries.
fn reaches_guests(name: &str, kind: Kind) -> bool {
    const PASSED: [&str; 3] = ["CARGO_HOME", "CARGO_BUILD_JOBS", "CARGO_INCREMENTAL"];
    const PASSED_FAMILIES: [&str; 5] = [
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRY_",
        "CARGO_REGISTRIES_",
        "CARGO_TERM_",
    ];
    const WITHHELD_FAMILIES: [&str; 4] = ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS"];
    const RUSTUPS: [&str; 3] = ["RUSTUP_", "LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"];

    let is_of = |families: &[&str]| families.iter().any(|family| name.starts_with(family));
    if PASSED.contains(&name) || is_of(&PASSED_FAMILIES) {
        return true;
    }
    !is_of(&WITHHELD_FAMILIES) && (kind == Kind::Own || !is_of(&RUSTUPS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_wrappers_for_native_code_do_not_reach_guests() {
        for kind in [Kind::Own, Kind::Debian] {
            for name in [
                "CARGO",
                "CARGO_MANIFEST_DIR",
                "CARGO_TARGET_DIR",
                "CARGO_PROFILE_GUEST_OPT_LEVEL",
                "CARGO_BUILD_TARGET",
                "CARGO_ENCODED_RUSTFLAGS",
                "RUSTFLAGS",
                "RUSTC",
                "RUSTC_WRAPPER",
                "RUSTC_BOOTSTRAP",
                "RUSTDOCFLAGS",
            ] {
                assert!(!reaches_guests(name, kind), "{name} {kind:?}");
            }
            for name in [
                "PATH",
                "HOME",
                "CARGO_HOME",
                "CARGO_NET_OFFLINE",
                "CARGO_TERM_COLOR",
                "RUST_BACKTRACE",
            ] {
                assert!(reaches_guests(name, kind), "{name} {kind:?}");
            }
        }
    }

    #[test]
    fn only_rustups_own_toolchain_sees_what_rustup_sets() {
        for name in ["RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "LD_LIBRARY_PATH"] {
            assert!(reaches_guests(name, Kind::Own), "{name}");
            assert!(!reaches_guests(name, Kind::Debian), "{name}");
        }
    }

    #[test]
    fn home_folders_are_hidden() {
        assert_eq!(
            hiding(Path::new("/home/a/.cargo")),
            "--remap-path-prefix=/home/a/.cargo=cargo"
        );
    }

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
        assert_eq!(Choice::parse(Some("own"))?, Choice::Only(Kind::Own));
        assert_eq!(Choice::parse(Some("debian"))?, Choice::Only(Kind::Debian));
        assert!(Choice::parse(Some("gentoo")).is_err());
        assert!(Choice::Any.allows(Kind::Own) && Choice::Any.allows(Kind::Debian));
        assert!(!Choice::Only(Kind::Own).allows(Kind::Debian));
        Ok(())
    }

    #[test]
    fn the_linker_is_beside_the_hosts_libraries() {
        let linker = Linker::of_toolchain(Path::new("/t/lib/rustlib/a-host/lib"));
        let program = linker
            .as_ref()
            .and_then(|linker| linker.program.file_stem());
        assert_eq!(program, Some("wasm-component-ld".as_ref()));
        let folders = linker.map(|linker| linker.folders).unwrap_or_default();
        assert_eq!(
            folders,
            [
                Path::new("/t/lib/rustlib/a-host/bin/gcc-ld"),
                Path::new("/t/lib/rustlib/a-host/bin")
            ]
        );
    }
}
