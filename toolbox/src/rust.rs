//! The Rust compiler for WebAssembly: finding one that works here.
//!
//! Plugins are built for `wasm32-unknown-unknown` with `wasm-component-ld` as linker, which makes of them
//! finished components that import nothing but what the plugin interface names. Two things are needed:
//!
//! - **A standard library for the target.** The toolchain in use has it once rustup has added it. Where rustup
//!   can download nothing, Debian's archive carries a compiler with the library's source, and cargo builds the
//!   library from that. The compiler must be Debian's own then: the source fits no other version.
//! - **The linker.** It comes with rustup's toolchains, so even Debian's compiler borrows it from there.

use std::env;
use std::error;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;

/// What plugins are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Makes a finished component of what the compiler leaves.
const LINKER: &str = "wasm-component-ld";

/// Debian's packages: compiler, cargo, and the standard library's source.
pub const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Where Debian's packages put the compiler, cargo and a file of the standard library's source.
pub const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// Why nothing can be compiled for WebAssembly here.
#[derive(Debug)]
pub enum Error {
    /// The toolchain in use cannot be asked.
    Shell(shell::Error),
    /// There is no linker for components.
    NoLinker,
    /// PATH cannot be extended.
    Path(env::JoinPathsError),
}

impl Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(error) => error.fmt(formatter),
            Self::NoLinker => write!(
                formatter,
                "`{LINKER}` is missing: it comes with rustup's toolchains, but the one in use is another. \
                 `cargo install --locked {LINKER}` installs it; it calls `wasm-ld`, which comes with LLVM's lld"
            ),
            Self::Path(error) => error.fmt(formatter),
        }
    }
}

// The source is part of the message.
impl error::Error for Error {}

impl From<shell::Error> for Error {
    fn from(error: shell::Error) -> Self {
        Self::Shell(error)
    }
}

/// Whose compiler it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compiler {
    /// The toolchain in use, which has a standard library for the target.
    Own,
    /// Debian's, which builds the standard library first.
    Debian,
}

impl Compiler {
    /// Both, the one to be preferred first.
    pub const ALL: [Self; 2] = [Self::Own, Self::Debian];

    /// Whether it is there, with a standard library for the target, for what is built in this folder.
    ///
    /// # Errors
    /// If the toolchain in use cannot be asked.
    pub fn is_ready(self, folder: &Path) -> shell::Result<bool> {
        match self {
            // The compiler tells where the library would be, whether it is there or not.
            Self::Own => Ok(library_folder(folder, &["--target", TARGET])?.is_dir()),
            Self::Debian => Ok([DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_SOURCE]
                .into_iter()
                .all(|file| Path::new(file).is_file())),
        }
    }
}

/// A cargo that builds for WebAssembly.
pub struct Toolchain {
    compiler: Compiler,
    linker: Linker,
}

impl Toolchain {
    /// The toolchain of a compiler that is ready, for what is built in this folder.
    ///
    /// # Errors
    /// If there is no linker for components.
    pub fn new(compiler: Compiler, folder: &Path) -> Result<Self, Error> {
        Ok(Self {
            compiler,
            linker: Linker::find(folder)?,
        })
    }

    /// `cargo build` for the target, in this folder, with a target folder of its own; packages and profile are
    /// left to the caller.
    ///
    /// # Errors
    /// If PATH cannot be extended by the linker's folders.
    pub fn cargo_build(&self, folder: &Path, target: &Path) -> Result<Command, Error> {
        let mut cargo = match self.compiler {
            Compiler::Own => Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Compiler::Debian => Command::new(DEBIAN_CARGO),
        };
        for (name, _) in env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| !reaches_guests(name, self.compiler))
            {
                cargo.env_remove(name);
            }
        }
        cargo
            .current_dir(folder)
            .args(["build", "--target", TARGET, "--target-dir"])
            .arg(target)
            .env(
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
                &self.linker.program,
            )
            // It overrides the flags in the user's configuration of cargo, even if it is empty: those are
            // for native code (a CPU, a faster linker), and plugins should be the same on every machine.
            .env("CARGO_ENCODED_RUSTFLAGS", flags(cargo_home().as_deref()));
        if self.compiler == Compiler::Debian {
            cargo
                .arg("-Zbuild-std=std,panic_abort")
                // Building the standard library is an unstable feature of a stable compiler.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTC", DEBIAN_RUSTC);
        }
        shell::prepend_path(&mut cargo, &self.linker.folders).map_err(Error::Path)?;
        Ok(cargo)
    }
}

/// Where the toolchain in use has its libraries: the host's, unless the arguments name another target.
fn library_folder(folder: &Path, arguments: &[&str]) -> shell::Result<PathBuf> {
    // The `rustc` that cargo takes by itself: another one, chosen by a variable, is not passed on to guests.
    let mut rustc = Command::new("rustc");
    rustc
        .current_dir(folder)
        .args(["--print", "target-libdir"])
        .args(arguments);
    Ok(PathBuf::from(shell::stdout_of(&mut rustc)?.trim_end()))
}

/// Where cargo keeps the sources of dependencies.
fn cargo_home() -> Option<PathBuf> {
    match env::var_os("CARGO_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Some(PathBuf::from(home)),
        None => Some(env::home_dir()?.join(".cargo")),
    }
}

/// What guests are compiled with, separated as cargo wants it.
fn flags(cargo_home: Option<&Path>) -> OsString {
    // The host has the vector instructions, and the SDK reads documents with them.
    let mut flags = OsString::from("-Ctarget-feature=+simd128");
    if let Some(home) = cargo_home {
        flags.push("\u{1f}");
        flags.push(hiding(home));
    }
    flags
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

/// The linker for components.
struct Linker {
    program: PathBuf,
    /// The folders of the programs that it calls, to be put on PATH.
    folders: Vec<PathBuf>,
}

impl Linker {
    /// Finds the linker in the toolchain in use, or else on PATH.
    fn find(folder: &Path) -> Result<Self, Error> {
        let library = library_folder(folder, &[])?;
        if let Some(linker) = Self::of_toolchain(&library).filter(|linker| linker.program.is_file())
        {
            return Ok(linker);
        }
        match shell::find_program(LINKER) {
            Some(program) => Ok(Self {
                program,
                folders: Vec::new(),
            }),
            None => Err(Error::NoLinker),
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
fn reaches_guests(name: &str, compiler: Compiler) -> bool {
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
    !is_of(&WITHHELD_FAMILIES) && (compiler == Compiler::Own || !is_of(&RUSTUPS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_wrappers_for_native_code_do_not_reach_guests() {
        for compiler in [Compiler::Own, Compiler::Debian] {
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
                assert!(!reaches_guests(name, compiler), "{name} {compiler:?}");
            }
            for name in [
                "PATH",
                "HOME",
                "CARGO_HOME",
                "CARGO_NET_OFFLINE",
                "CARGO_TERM_COLOR",
                "RUST_BACKTRACE",
            ] {
                assert!(reaches_guests(name, compiler), "{name} {compiler:?}");
            }
        }
    }

    #[test]
    fn only_rustups_own_toolchain_sees_what_rustup_sets() {
        for name in ["RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "LD_LIBRARY_PATH"] {
            assert!(reaches_guests(name, Compiler::Own), "{name}");
            assert!(!reaches_guests(name, Compiler::Debian), "{name}");
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
