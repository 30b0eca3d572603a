//! From a component's bytes to code that can run.
//!
//! A [`Compiler`] makes an [`Artefact`], which is bytes; loading makes a component of it. The two stand apart so
//! that artefacts can be kept on disk ([`cache`]), and so that the compiler works in a process of its own
//! ([`process`], [`child`]): a stranger's bytes can keep it busy for hours and have it fill the memory, so
//! that process is bounded in both.
//!
//! What comes back is machine code, and is run as such. The process is no wall against a compiler that is
//! wrong: it bounds what compiling costs. It is this user's, and runs the same compiler that would otherwise
//! run here, written in safe Rust but for little; whoever could make it emit other code than it should could do
//! so in either place. Nothing of a plugin is run before it is compiled.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use sha2::digest::Output;
use sha2::{Digest as _, Sha256};
use tracing::debug;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::limits::{Limit, Limits};

pub mod cache;
mod child;
mod frame;
mod process;

pub use child::serve;

use cache::{Cache, Key};
use process::{PATIENCE, Process};

/// What identifies a component: the SHA-256 of its bytes.
pub(super) type Identity = Output<Sha256>;

/// Machine code for a component, with what wasmtime needs to run it. It is code: whoever makes one of other
/// bytes than the compiler's decides what the host does. So only the compiler and the cache can.
pub(super) struct Artefact {
    bytes: Vec<u8>,
    /// Where the machine code begins; what stands before it is the cache's.
    start: usize,
}

impl Artefact {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, start: 0 }
    }

    fn code(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// Why a component was not made ready.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is none.
    Invalid(String),
    /// Compiling it takes more than it may.
    Limit(Limit),
    /// It is one that no instance can be made of.
    Unloadable(String),
    /// The compiler did not do its work.
    Compiler(String),
}

/// Why the compiler makes nothing of a component.
#[derive(Debug)]
enum Refusal {
    Invalid(String),
    NoMemory,
}

impl From<wasmtime::Error> for Refusal {
    fn from(error: wasmtime::Error) -> Self {
        let no_memory = error.is::<wasmtime::OutOfMemory>()
            || error.chain().any(|cause| {
                cause
                    .downcast_ref::<io::Error>()
                    .is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory)
            });
        if no_memory {
            Self::NoMemory
        } else {
            Self::Invalid(error.root_cause().to_string())
        }
    }
}

/// Who compiles plugins, and where they are kept once they are compiled.
///
/// A plugin from a stranger is compiled in a process of its own, within the limits `compile-time` and
/// `compile-memory`. What that process runs has to be the same host as this one. For a program that embeds the
/// host it is the program itself, which knows by an argument that it is to compile, before it does anything else:
///
/// ```no_run
/// use host::plugin::{Compiler, Limits, Plugin, compile};
///
/// fn main() -> std::process::ExitCode {
///     if std::env::args().nth(1).as_deref() == Some("compile") {
///         return compile::serve();
///     }
///     let compiler = Compiler::this_program(["compile"]).unwrap();
///     let plugin = Plugin::load("plugin.wasm".as_ref(), &Limits::default(), &compiler);
///     // …
/// #   drop(plugin);
///     std::process::ExitCode::SUCCESS
/// }
/// ```
pub struct Compiler {
    place: Place,
    cache: Option<Cache>,
}

enum Place {
    Here,
    Elsewhere(Process),
}

impl Compiler {
    /// Compiles in this process, which nothing bounds: for plugins that are trusted.
    #[must_use]
    pub fn unbounded() -> Self {
        Self {
            place: Place::Here,
            cache: None,
        }
    }

    /// Compiles in a process of this program, which must itself call [`serve`] when it is given these arguments:
    /// what it would start in turn is not ended with it. Its environment is empty.
    #[must_use]
    pub fn program<A: Into<OsString>>(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            place: Place::Elsewhere(Process {
                program: program.into(),
                arguments: arguments.into_iter().map(Into::into).collect(),
                patience: PATIENCE,
            }),
            cache: None,
        }
    }

    /// Compiles in a process of the program that is running, as [`Compiler::program`] does.
    ///
    /// # Errors
    /// If nobody knows which program that is.
    pub fn this_program<A: Into<OsString>>(
        arguments: impl IntoIterator<Item = A>,
    ) -> io::Result<Self> {
        let program = if cfg!(target_os = "linux") {
            // It means this very program, even if its file was replaced by another version since.
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe()?
        };
        Ok(Self::program(program, arguments))
    }

    /// Looks into this cache before it compiles, and keeps there what it has compiled.
    #[must_use]
    pub fn with_cache(mut self, cache: Option<Cache>) -> Self {
        self.cache = cache;
        self
    }

    /// Makes a component ready: from the cache, or by compiling it.
    ///
    /// # Errors
    /// If the bytes are no component, or not one that can be compiled within the limits.
    pub(super) fn component(
        &self,
        engine: &Engine,
        bytes: &[u8],
        identity: &Identity,
        limits: &Limits,
    ) -> Result<Component, Failure> {
        component(engine, identity, self.cache.as_ref(), || {
            let began = Instant::now();
            let artefact = match &self.place {
                Place::Here => here(engine, bytes)?,
                Place::Elsewhere(process) => Artefact::new(process.compile(bytes, limits)?),
            };
            debug!(took = ?began.elapsed(), "the plugin is compiled");
            Ok(artefact)
        })
    }
}

/// What tells a component from all others.
pub(super) fn identity(bytes: &[u8]) -> Identity {
    Sha256::digest(bytes)
}

fn component(
    engine: &Engine,
    identity: &Identity,
    cache: Option<&Cache>,
    compile: impl FnOnce() -> Result<Artefact, Failure>,
) -> Result<Component, Failure> {
    let unloadable = |error: wasmtime::Error| Failure::Unloadable(error.root_cause().to_string());
    let Some(cache) = cache else {
        return load(engine, &compile()?).map_err(unloadable);
    };
    let key = Key::new(engine, identity);
    if let Some(kept) = cache.find(&key) {
        match load(engine, &kept) {
            Ok(component) => {
                debug!("the plugin was compiled before");
                return Ok(component);
            }
            Err(error) => cache.discard(&key, &error),
        }
    }
    let compiled = compile()?;
    let component = load(engine, &compiled).map_err(unloadable)?;
    cache.keep(&key, &compiled);
    Ok(component)
}

/// Compiles in this process.
fn here(engine: &Engine, bytes: &[u8]) -> Result<Artefact, Failure> {
    match machine_code(engine, bytes) {
        Ok(bytes) => Ok(Artefact::new(bytes)),
        Err(Refusal::Invalid(detail)) => Err(Failure::Invalid(detail)),
        Err(Refusal::NoMemory) => Err(Failure::Compiler("there is no more memory".into())),
    }
}

fn machine_code(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    Ok(engine.precompile_component(bytes)?)
}

fn load(engine: &Engine, artefact: &Artefact) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be what `precompile_component` made, unaltered. An artefact comes from there
    // directly, from the process that the host has it run in, with a digest over the pipe between them that
    // nobody else has an end of, or from the cache. What the cache gives was written by a process of this user: its folder
    // and the entry itself belong to the user, nobody else can write to either, and both were looked at
    // through the handles that they are read by. It has the digest that it was written with, so it is not
    // damaged. The digest keeps nobody out who means harm; but whoever can write there already acts as this
    // user, and could as well replace the host. The plugin never gets there: it has no files. wasmtime
    // itself refuses what another version or other settings of it have made.
    unsafe { Component::deserialize(engine, artefact.code()) }
}
