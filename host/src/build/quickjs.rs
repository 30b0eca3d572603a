//! A bundle of JavaScript on QuickJS: the SDK's engine loads it once, here, and what its memory then holds becomes the
//! component's. Zig's compiler makes the engine, once for all projects that share their tools.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::snapshot::Running;
use super::ziglang::{Build, TARGET, ZIGLANG, sources};
use super::{BuildError, Project, Workshop, component, publish};

/// What processors that run WebAssembly have, and the compiler does not expect of them by itself.
const FEATURES: &str = "-mcpu=generic+bulk_memory+simd128";

const OPTIMIZED: &str = "-OReleaseFast";

/// How QuickJS is compiled: its warnings are its authors' to heed.
const VENDORED_FLAGS: [&str; 4] = ["-std=c11", "-D_GNU_SOURCE", "-DNDEBUG", "-w"];

/// How the engine's own files are compiled.
const FLAGS: [&str; 3] = ["-std=c11", "-Wall", "-Wextra"];

/// The engine's exports that load a bundle.
const RESERVE: &str = "engine_reserve";
const LOAD: &str = "engine_load";

/// Makes a component of a bundle.
///
/// # Errors
/// If the engine cannot be compiled, or the bundle cannot be loaded: the message is what it threw.
pub(super) fn component(
    project: &Project,
    workshop: &Workshop<'_>,
    bundle: &Path,
) -> Result<Vec<u8>, BuildError> {
    let text = fs::read(bundle).map_err(BuildError::io(bundle))?;
    let engine = Sources::of(project)?.engine(project, workshop)?;
    let loaded = load(&engine, &component::adapter(project)?, &text)
        .map_err(|error| BuildError::Component(format!("{error:#}")))?
        .map_err(BuildError::Code)?;
    component::of_module(project, loaded)
}

/// What the engine is compiled of.
struct Sources {
    headers: Vec<PathBuf>,
    vendored: Vec<PathBuf>,
    own: Vec<PathBuf>,
    /// Folders in which headers are looked for.
    include: [PathBuf; 2],
}

impl Sources {
    fn of(project: &Project) -> Result<Self, BuildError> {
        let engine = project.sdk("js/engine");
        let c = project.sdk("c");
        let include = [c.join("bindings"), engine.join("vendor/quickjs")];
        let [bindings, quickjs] = &include;
        let mut own = sources(&engine.join("src"), &["c"])?;
        own.push(c.join("src/memory.c"));
        // The engine includes these bindings, for want of an own file to compile them in.
        let mut headers = sources(bindings, &["c", "h"])?;
        headers.extend(sources(&engine, &["h"])?);
        Ok(Self {
            headers,
            vendored: sources(quickjs, &["c"])?,
            own,
            include,
        })
    }

    /// The core module of the engine, which knows no bundle. What was compiled of the same sources is at hand.
    fn engine(self, project: &Project, workshop: &Workshop<'_>) -> Result<Vec<u8>, BuildError> {
        let name = format!("quickjs-{}.wasm", self.digest(project)?);
        let kept = workshop.tools().join(name);
        if let Ok(engine) = fs::read(&kept) {
            return Ok(engine);
        }
        let mut build = Build::new(project, workshop)?;
        build.args([OPTIMIZED, FEATURES]);
        for folder in &self.include {
            build.include(folder);
        }
        build
            .sources(self.vendored, VENDORED_FLAGS)
            .sources(self.own, FLAGS);
        let engine = build.compile()?;
        publish(&engine, &kept).map_err(BuildError::io(&kept))?;
        Ok(engine)
    }

    /// What another engine would have another one of.
    fn digest(&self, project: &Project) -> Result<String, BuildError> {
        let mut digest = Sha256::new();
        let flags = [
            &[ZIGLANG.pinned(&project.tools), OPTIMIZED, FEATURES],
            &TARGET[..],
            &VENDORED_FLAGS,
            &FLAGS,
        ];
        for flag in flags.into_iter().flatten() {
            digest.update(flag);
            digest.update([0]);
        }
        for path in [&self.headers, &self.vendored, &self.own]
            .into_iter()
            .flatten()
        {
            let text = fs::read(path).map_err(BuildError::io(path))?;
            digest.update(Sha256::digest(text));
        }
        let digest = crate::plugin::hexadecimal(&digest.finalize());
        Ok(digest.chars().take(16).collect())
    }
}

/// The engine after it has loaded a bundle; else what that threw.
fn load(engine: &[u8], adapter: &[u8], bundle: &[u8]) -> wasmtime::Result<Result<Vec<u8>, String>> {
    let mut running = Running::start(engine, adapter)?;
    let length = u32::try_from(bundle.len())?;
    let at = running.call(RESERVE, &[length])?;
    let place = running.memory().get_mut(at as usize..);
    match place.and_then(|place| place.get_mut(..bundle.len())) {
        Some(place) => place.copy_from_slice(bundle),
        None => wasmtime::bail!("the engine has no room for the bundle"),
    }
    match running.call(LOAD, &[at, length]) {
        Ok(0) => Ok(Ok(running.snapshot()?)),
        Ok(message) => Ok(Err(text_at(running.memory(), message))),
        Err(trap) => Ok(Err(format!(
            "loading it ended with a {}",
            trap.root_cause()
        ))),
    }
}

/// The text that begins at an address and ends with a NUL.
fn text_at(memory: &[u8], address: u32) -> String {
    let from = memory.get(address as usize..).unwrap_or_default();
    let text = from.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).trim_end().to_owned()
}
