//! From a component's bytes to code that can run.
//!
//! Compiling makes an [`Artefact`], which is bytes; loading makes a component of it. The two stand apart so
//! that artefacts can be kept on disk ([`cache`]), and so that the compiler, which a stranger's bytes could
//! keep busy, can move to a process of its own without anyone noticing.

use std::time::Instant;

use sha2::digest::Output;
use sha2::{Digest as _, Sha256};
use tracing::debug;
use wasmtime::Engine;
use wasmtime::component::Component;

pub mod cache;

use cache::{Cache, Key};

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
    fn code(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// What tells a component from all others.
pub(super) fn identity(bytes: &[u8]) -> Identity {
    Sha256::digest(bytes)
}

/// Makes a component ready: from the cache, or by compiling it.
///
/// # Errors
/// If the bytes are no component.
pub(super) fn component(
    engine: &Engine,
    bytes: &[u8],
    identity: &Identity,
    cache: Option<&Cache>,
) -> wasmtime::Result<Component> {
    let Some(cache) = cache else {
        return load(engine, &compile(engine, bytes)?);
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
    let compiled = compile(engine, bytes)?;
    let component = load(engine, &compiled)?;
    cache.keep(&key, &compiled);
    Ok(component)
}

fn compile(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Artefact> {
    let began = Instant::now();
    let bytes = engine.precompile_component(bytes)?;
    debug!(took = ?began.elapsed(), "the plugin is compiled");
    Ok(Artefact { bytes, start: 0 })
}

fn load(engine: &Engine, artefact: &Artefact) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be what `precompile_component` made, unaltered. An artefact comes from there
    // directly, or from the cache. What the cache gives was written by a process of this user: its folder
    // and the entry itself belong to the user, nobody else can write to either, and both were looked at
    // through the handles that they are read by. It has the digest that it was written with, so it is not
    // damaged. The digest keeps nobody out who means harm; but whoever can write there already acts as this
    // user, and could as well replace the host. The plugin never gets there: it has no files. wasmtime
    // itself refuses what another version or other settings of it have made.
    unsafe { Component::deserialize(engine, artefact.code()) }
}
