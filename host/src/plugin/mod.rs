//! Everything Wasm: loading a component, telling what it is, and calling it in a sandbox.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use migration_document::{Filter, Manifest, Outcome};
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

mod checked;
pub mod compile;
pub mod described;
pub mod error;
pub mod gauge;
mod guest;
pub mod limits;
pub mod log;
pub mod secrets;
mod v0_1;
mod wasi;
pub mod world;

pub use compile::Compiler;
pub use compile::cache::{Cache, CacheError};
pub use described::Described;
pub use error::{CallError, PluginError};
pub use gauge::{Gauge, Used};
pub use limits::{Limit, LimitSettings, Limits, Usage};
pub use log::{Level, Log, LogLine};
pub use secrets::{Clean, Secrets};
pub use world::{Asked, Fixed, SharedReader, World};

pub(crate) use checked::outcome as checked_outcome;

use crate::store::Document;
use compile::Failure;
use guest::TABLE_ELEMENT;
use limits::{Size, limit};

/// The versions of the interface that this host speaks, for people.
pub const SPOKEN: &str = "0.1";

/// The interface, as exports and imports spell it, without its version.
const INTERFACE: &str = "migration:plugin/";

/// How often running guests are asked whether their time is up.
const TICK: Duration = Duration::from_millis(10);

/// Whether a plugin is kept within its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bounds {
    Kept,
    /// Only to measure what keeping them costs.
    Lifted,
}

/// A migration that can be run.
pub struct Plugin {
    /// Where it came from.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// The interface version that it was made for.
    pub interface: String,
    /// Everything that it imports, by name.
    pub imports: Vec<String>,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The manifest's filter, ready to be asked.
    pub filter: Filter,
    linked: v0_1::Linked,
    limits: Limits,
}

impl Plugin {
    /// Loads a component, checks it, and asks it what it is. Nothing else of it runs.
    ///
    /// # Errors
    /// If the file is no plugin for this host, or its manifest cannot be used.
    pub fn load(path: &Path, limits: &Limits, compiler: &Compiler) -> Result<Self, PluginError> {
        let bytes = read(path, limits)?;
        let engine = &engine(limits)?;
        let identity = compile::identity(&bytes);
        let component = compiler
            .component(engine, &bytes, &identity, limits)
            .map_err(|failure| unusable(path, failure, limits))?;
        Self::new(path, &bytes, &component, limits, Bounds::Kept)
    }

    /// Loads a component that may take all that there is: time, memory, as much as it likes to return. To be
    /// compared with one that may not, which tells what the limits cost. It is compiled in this process.
    ///
    /// # Errors
    /// As [`Plugin::load`].
    pub fn load_without_limits(path: &Path) -> Result<Self, PluginError> {
        let limits = Limits::default();
        let bytes = read(path, &limits)?;
        let engine = new_engine(limits.stack, limits.instance_memory, Bounds::Lifted)
            .map_err(PluginError::Engine)?;
        let component = Component::new(&engine, &bytes).map_err(|error| PluginError::Invalid {
            path: path.into(),
            detail: error.root_cause().to_string(),
        })?;
        Self::new(path, &bytes, &component, &limits, Bounds::Lifted)
    }

    fn new(
        path: &Path,
        bytes: &[u8],
        component: &Component,
        limits: &Limits,
        bounds: Bounds,
    ) -> Result<Self, PluginError> {
        let engine = component.engine();
        let interface = version(path, engine, component, limits)?;
        let imports = imports(path, engine, component, limits)?;
        let misfit = |error: wasmtime::Error| PluginError::Misfit {
            path: path.into(),
            detail: cut(format!("{error:#}"), limits),
        };
        let linked = v0_1::Linked::new(component, bounds).map_err(misfit)?;
        let described = linked.describe(limits).map_err(PluginError::Describe)?;
        let manifest = described.map_err(misfit)?;
        let filter = checked(&manifest, limits)?;
        Ok(Self {
            path: path.into(),
            size: bytes.len() as u64,
            sha256: hexadecimal(&compile::identity(bytes)),
            interface,
            imports,
            manifest,
            filter,
            linked,
            limits: limits.clone(),
        })
    }

    /// The plugin's `transform`.
    #[must_use]
    pub fn forth(&self) -> Work<'_> {
        Work {
            plugin: self,
            function: self.linked.transform(),
            gauge: None,
        }
    }

    /// The plugin's own `revert`; None if it has none.
    #[must_use]
    pub fn back(&self) -> Option<Work<'_>> {
        self.linked.revert().map(|function| Work {
            plugin: self,
            function,
            gauge: None,
        })
    }

    /// What the plugin may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// A function of a plugin that says what becomes of documents: `transform`, or the `revert` that it has.
#[derive(Clone, Copy)]
pub struct Work<'p> {
    plugin: &'p Plugin,
    function: v0_1::Function<'p>,
    gauge: Option<&'p Gauge>,
}

impl<'p> Work<'p> {
    /// What the plugin may use.
    #[must_use]
    pub fn limits(&self) -> &'p Limits {
        &self.plugin.limits
    }

    /// The same with documents and outcomes that cross one by one, also where the plugin takes a batch in one piece:
    /// to be compared with it.
    #[must_use]
    pub fn piecemeal(self) -> Self {
        Self {
            function: self.function.piecemeal(),
            ..self
        }
    }

    /// The same, with each call measured.
    #[must_use]
    pub fn measured_by(self, gauge: &'p Gauge) -> Self {
        Self {
            gauge: Some(gauge),
            ..self
        }
    }

    /// Calls it for a batch, each time in a fresh instance. `take` is given what it says of the documents: one outcome for each,
    /// in order, with texts that are lent out of what it returned.
    ///
    /// # Errors
    /// If the plugin traps, hits a limit or breaks its contract. Then `take` is given nothing.
    pub fn call(
        &self,
        world: &World,
        documents: &[Document],
        take: impl FnOnce(Vec<Outcome<'_>>),
    ) -> Result<Aside, CallError> {
        let Self {
            plugin,
            function,
            gauge,
        } = *self;
        plugin
            .linked
            .outcomes(function, world, &plugin.limits, documents, gauge, take)
    }
}

/// What a plugin did besides saying what becomes of documents.
#[derive(Debug, Default)]
pub struct Aside {
    /// What it looked up.
    pub asked: Vec<Asked>,
    /// What it logged.
    pub log: Log,
}

/// Instances come and go with each batch. From a pool they take memory over that is mapped already: otherwise
/// the system would have to hand out each of its pages anew, which costs more than clearing them.
///
/// The pool reserves addresses, not memory. It has to be told how large an instance may be; what an instance
/// may really use is bounded by [`Limits`].
fn pool(memory: Size) -> PoolingAllocationConfig {
    /// How much of an instance's memory stays mapped, in bytes. A batch of the usual size needs less.
    const RESIDENT: usize = 8 << 20;
    /// The host's own bookkeeping of an instance, in bytes, which grows with its functions.
    const BOOKKEEPING: usize = 16 << 20;
    /// Memories and tables that an instance may have, as far as the pool is concerned: all of its own.
    const PARTS: u32 = 1_000;
    let mut pool = PoolingAllocationConfig::new();
    // No call has a stack of its own, and making the thousand that are the default takes milliseconds.
    pool.total_stacks(1)
        .max_memories_per_module(PARTS)
        .max_tables_per_module(PARTS)
        // A table alone may take all that there is.
        .table_elements(memory.0 / TABLE_ELEMENT)
        .max_core_instance_size(BOOKKEEPING)
        .max_component_instance_size(BOOKKEEPING)
        // Of that, only what was used has to be made zero again, which Linux 6.7 and later can tell. A plugin's stack alone is
        // a megabyte, mostly unused.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(RESIDENT)
        .table_keep_resident(RESIDENT >> 6);
    pool
}

/// The engine of the process for these limits, with its clock.
fn engine(limits: &Limits) -> Result<Engine, PluginError> {
    /// There is one, but where the process loads plugins with different limits.
    static ENGINES: Mutex<BTreeMap<(Size, Size), Engine>> = Mutex::new(BTreeMap::new());
    let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (limits.stack, limits.instance_memory);
    if let Some(engine) = engines.get(&key) {
        return Ok(engine.clone());
    }
    let made = new_engine(key.0, key.1, Bounds::Kept).map_err(PluginError::Engine)?;
    engines.insert(key, made.clone());
    Ok(made)
}

/// The settings of all engines, of which the compiler's process has one, too.
fn config(stack: Size, bounds: Bounds) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(bounds == Bounds::Kept)
        .max_wasm_stack(stack.0)
        // Not used, but it must not be smaller.
        .async_stack_size(stack.0.saturating_add(2 << 20))
        // The same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        // Calls are synchronous; the bookkeeping for others would triple their cost.
        .concurrency_support(false);
    config
}

fn new_engine(stack: Size, memory: Size, bounds: Bounds) -> Result<Engine, String> {
    let config = config(stack, bounds);
    let mut pooled = config.clone();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(memory)));
    // Where addresses are scarce there is no pool: a limit of the process, a small machine.
    let engine = Engine::new(&pooled)
        .or_else(|_| Engine::new(&config))
        .map_err(|error| format!("{error:#}"))?;
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("epochs".into())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                std::thread::sleep(TICK);
            }
        })
        .map_err(|error| error.to_string())?;
    Ok(engine)
}

/// Why a component cannot be used.
fn unusable(path: &Path, failure: Failure, limits: &Limits) -> PluginError {
    let path = path.into();
    match failure {
        Failure::Invalid(detail) => PluginError::Invalid {
            path,
            detail: cut(detail, limits),
        },
        // None has a type of its own.
        Failure::Unloadable(detail) if detail.contains("has a minimum element size of") => {
            let detail = format!("a table that large, and {}", limit!(limits.instance_memory));
            PluginError::Oversized { path, detail }
        }
        Failure::Unloadable(detail) => PluginError::Oversized { path, detail },
        Failure::Limit(limit) => PluginError::CompileLimit(limit),
        Failure::Compiler(detail) => PluginError::Compiler(cut(detail, limits)),
    }
}

/// A text with parts that the component's maker has written, no longer than a message may be. Nobody has given
/// the plugin a secret yet.
fn cut(text: String, limits: &Limits) -> String {
    checked::cut(Secrets::default().clean(text), limits)
}

/// As many names as a message may hold, and how many more there are.
fn few(mut names: Vec<String>, limits: &Limits) -> Vec<String> {
    let mut room = limits.message_bytes.0;
    let mut fits = |name: &String| {
        let rest = room.checked_sub(name.len());
        room = rest.unwrap_or_default();
        rest.is_some()
    };
    let shown = names.iter().position(|name| !fits(name));
    if let Some(shown) = shown {
        let more = names.len() - shown;
        names.truncate(shown);
        names.push(format!("and {more} more"));
    }
    names
}

/// Reads a plugin's file, of which no more is taken than there may be: what is no file may never end.
fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, PluginError> {
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => PluginError::Absent { path: path.into() },
        _ => PluginError::Unreadable {
            path: path.into(),
            source,
        },
    };
    let most = limits.component_size.0 as u64;
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::new();
    if size <= most {
        bytes.reserve_exact(usize::try_from(size).unwrap_or_default());
        file.take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
    }
    let found = size.max(bytes.len() as u64);
    if found > most {
        return Err(PluginError::TooLarge {
            found,
            limit: limit!(limits.component_size),
        });
    }
    // The magic number, then the version and the layer: 0 for modules, 1 for components.
    match bytes.get(..8) {
        Some([b'\0', b'a', b's', b'm', _, _, 1, 0]) => Ok(bytes),
        Some([b'\0', b'a', b's', b'm', _, _, 0, 0]) => {
            Err(PluginError::CoreModule { path: path.into() })
        }
        // What wasmtime compiles is an ELF file, as programs are.
        Some([0x7f, b'E', b'L', b'F', ..]) => Err(PluginError::MachineCode { path: path.into() }),
        _ => Err(PluginError::NotWasm { path: path.into() }),
    }
}

/// The version of the interface that a component was made for.
fn version(
    path: &Path,
    engine: &Engine,
    component: &Component,
    limits: &Limits,
) -> Result<String, PluginError> {
    let exports: Vec<String> = component
        .component_type()
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    let Some(found) = exports
        .iter()
        .find_map(|name| name.strip_prefix(INTERFACE)?.strip_prefix("transform@"))
    else {
        return Err(PluginError::OtherWorld {
            path: path.into(),
            found: few(exports, limits),
        });
    };
    if !speaks(found) {
        return Err(other_version(path, found));
    }
    Ok(found.to_owned())
}

fn speaks(version: &str) -> bool {
    version
        .strip_prefix(v0_1::VERSION)
        .is_some_and(|rest| rest.starts_with('.'))
}

fn other_version(path: &Path, found: &str) -> PluginError {
    PluginError::OtherVersion {
        path: path.into(),
        found: found.into(),
        spoken: SPOKEN,
    }
}

/// What a component imports; refuses what no plugin is given.
fn imports(
    path: &Path,
    engine: &Engine,
    component: &Component,
    limits: &Limits,
) -> Result<Vec<String>, PluginError> {
    let mut names = Vec::new();
    let mut foreign = Vec::new();
    for (name, item) in component.component_type().imports(engine) {
        let ours = name
            .strip_prefix(INTERFACE)
            .and_then(|rest| rest.split_once('@'));
        match ours {
            Some((_, version)) if !speaks(version) => return Err(other_version(path, version)),
            Some(("types" | "lookup" | "context" | "log", _)) => {}
            _ if wasi::has(name) => {}
            // A bare type needs nothing from the host.
            _ if matches!(item.ty, ComponentItem::Type(_)) => {}
            _ => foreign.push(name.to_owned()),
        }
        names.push(name.to_owned());
    }
    if foreign.is_empty() {
        Ok(names)
    } else {
        Err(PluginError::ForeignImport {
            path: path.into(),
            names: few(foreign, limits),
        })
    }
}

/// Checks what a plugin says of itself.
fn checked(manifest: &Manifest, limits: &Limits) -> Result<Filter, PluginError> {
    let refused = |message: String| Err(PluginError::Manifest(message));
    if let Err(excess) = checked::manifest(manifest, limits) {
        return refused(excess.to_string());
    }
    for name in manifest.run_after.iter().chain([&manifest.name]) {
        if let Err(error) = check_name(name) {
            return refused(error);
        }
    }
    if manifest.table.is_empty() {
        return refused("it names no table".into());
    }
    Filter::new(&manifest.filter).or_else(|error| refused(error.to_string()))
}

/// Whether a text can be a migration's name.
///
/// # Errors
/// Why not.
pub fn check_name(name: &str) -> Result<(), String> {
    let word = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if name.split('-').all(word) {
        return Ok(());
    }
    Err(format!(
        "`{name}` is no name of a migration: names are lower-case words joined by hyphens"
    ))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
