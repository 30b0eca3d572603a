//! The interface in its version 0.1: bindings, and calls.

use std::borrow::Cow;
use std::mem;
use std::time::Instant;

use migration_document as model;
use migration_document::packed::{Pack, UnpackError};
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentType, HasSelf, Instance, InstancePre, Lift, Linker,
    Lower, TypedFunc,
};
use wasmtime::{Engine, Store, Trap};

use super::checked;
use super::error::CallError;
use super::gauge::Gauge;
use super::guest::Guest;
use super::limits::{Limit, Limits, Size, Usage, limit};
use super::log::{Level, Log, LogLine};
use super::secrets::Secrets;
use super::wasi;
use super::world::{Asked, LookupError, World};
use super::{Aside, Bounds, INTERFACE, TICK};
use crate::store::{Document, Text};
use values::{condition, document, manifest, outcome};

mod values;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "migration",
        imports: {
            "migration:plugin/lookup.get-many": trappable,
            "migration:plugin/lookup.find-many": trappable,
            "migration:plugin/log.emit": trappable,
        },
    });
}

use bindings::MigrationPre;
use bindings::migration::plugin::{context, log, lookup, types};

/// The version, as exports and imports spell it up to its last number.
pub(super) const VERSION: &str = "0.1";

/// A component of this version, ready to be instantiated.
pub(super) struct Linked {
    bounds: Bounds,
    engine: Engine,
    pre: MigrationPre<Guest>,
    transform: ComponentExportIndex,
    /// The same with a batch in one piece. None: it has none.
    packed: Option<ComponentExportIndex>,
    /// None: it has none.
    revert: Option<ComponentExportIndex>,
}

/// A function of a plugin that says what becomes of documents.
#[derive(Clone, Copy)]
pub(super) struct Function<'l> {
    export: &'l ComponentExportIndex,
    /// The same with a batch in one piece, where the plugin has it.
    packed: Option<&'l ComponentExportIndex>,
}

impl Function<'_> {
    /// The same, a document at a time.
    pub fn piecemeal(self) -> Self {
        Self {
            packed: None,
            ..self
        }
    }
}

/// A document that a plugin is given. The bindings' own type would have to own its texts.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Lent<'a> {
    id: &'a str,
    body: &'a str,
}

/// Documents in one piece. As above.
#[derive(ComponentType, Lower)]
#[component(record)]
struct LentPack<'a> {
    text: &'a str,
    numbers: &'a [u8],
}

/// What a [`LentPack`] lends. Documents that were read together stand behind each other as they are.
struct Packed<'a> {
    text: Cow<'a, str>,
    numbers: Vec<u8>,
}

/// Outcomes in one piece.
#[derive(ComponentType, Lift)]
#[component(record)]
struct ReturnedPack {
    text: String,
    numbers: Vec<u8>,
}

/// Outcomes as they came.
enum Returned {
    Piecemeal(Vec<model::Outcome<'static>>),
    InOnePiece(Pack),
}

/// A function that says what becomes of documents, each of which crosses by itself.
type Piecemeal<'l> = TypedFunc<(&'l [Lent<'l>],), (Vec<types::Outcome>,)>;

/// The same with a batch in one piece.
type InOnePiece<'l> = TypedFunc<(LentPack<'l>,), (ReturnedPack,)>;

fn piecemeal<'l>(
    plugin: &Instance,
    store: &mut Store<Guest>,
    export: &ComponentExportIndex,
) -> wasmtime::Result<Piecemeal<'l>> {
    plugin.get_typed_func(store, export)
}

fn in_one_piece<'l>(
    plugin: &Instance,
    store: &mut Store<Guest>,
    export: &ComponentExportIndex,
) -> wasmtime::Result<InOnePiece<'l>> {
    plugin.get_typed_func(store, export)
}

impl Linked {
    /// Links what a plugin imports. Nothing runs yet.
    pub fn new(component: &Component, bounds: Bounds) -> wasmtime::Result<Self> {
        let engine = component.engine();
        let mut linker: Linker<Guest> = Linker::new(engine);
        lookup::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
        context::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
        log::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
        types::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
        wasi::link(&mut linker)?;
        let pre: InstancePre<Guest> = linker.instantiate_pre(component)?;
        let exports = |name| component.get_export_index(None, interface(name)).is_some();
        let optional = |of, name| exports(of).then(|| export(component, of, name)).transpose();
        let packed = optional("packed", "transform")?;
        let revert = optional("revert", "revert")?;
        Ok(Self {
            bounds,
            engine: engine.clone(),
            pre: MigrationPre::new(pre)?,
            transform: export(component, "transform", "transform")?,
            packed,
            revert,
        })
    }

    /// Asks the plugin what it is.
    ///
    /// # Errors
    /// If it does not come to say so; and, within, if its functions are others than the interface's.
    pub fn describe(
        &self,
        limits: &Limits,
    ) -> Result<Result<model::Manifest, wasmtime::Error>, CallError> {
        let world = World::default();
        let called = self.call(&world, limits, 1, &mut None, |plugin, store| {
            if let Err(misfit) = self.check_shapes(plugin, store) {
                return Ok(Err(misfit));
            }
            bindings::Migration::new(&mut *store, plugin)?
                .migration_plugin_transform()
                .call_describe(store)
                .map(Ok)
        })?;
        Ok(called.value.map(manifest))
    }

    /// Checks that the functions that will be called take and return what the interface says.
    fn check_shapes(&self, plugin: &Instance, store: &mut Store<Guest>) -> wasmtime::Result<()> {
        let of =
            |interface| move |error: wasmtime::Error| error.context(format!("its `{interface}`"));
        piecemeal(plugin, store, &self.transform).map_err(of("transform"))?;
        if let Some(revert) = &self.revert {
            piecemeal(plugin, store, revert).map_err(of("revert"))?;
        }
        if let Some(packed) = &self.packed {
            in_one_piece(plugin, store, packed).map_err(of("packed"))?;
        }
        Ok(())
    }

    /// The plugin's `transform`.
    pub fn transform(&self) -> Function<'_> {
        Function {
            export: &self.transform,
            packed: self.packed.as_ref(),
        }
    }

    /// The plugin's own `revert`, if it has one.
    pub fn revert(&self) -> Option<Function<'_>> {
        let export = self.revert.as_ref()?;
        Some(Function {
            export,
            packed: None,
        })
    }

    /// Has one of its functions say what becomes of documents, in a fresh instance, and gives that to `take`.
    pub fn outcomes(
        &self,
        function: Function<'_>,
        world: &World,
        limits: &Limits,
        documents: &[Document],
        gauge: Option<&Gauge>,
        take: impl FnOnce(Vec<model::Outcome<'_>>),
    ) -> Result<Aside, CallError> {
        let began = Instant::now();
        let mut usage = gauge.map(|_| Usage::default());
        let note = |usage: Option<Usage>, error: Option<&CallError>| {
            let (Some(gauge), Some(mut usage)) = (gauge, usage) else {
                return;
            };
            let time = began.elapsed();
            usage.took(time, documents.len());
            if let Some(error) = error {
                usage.ended(limits, error);
            }
            gauge.note(&usage, time, documents.len());
        };
        let mut called = match self.returned(function, world, limits, documents, &mut usage) {
            Ok(called) => called,
            Err(error) => {
                note(usage, Some(&error));
                return Err(error);
            }
        };
        let secrets = &world.fixed.secrets;
        let number = documents.len();
        let outcomes = self.checked(&mut called.value, limits, secrets, number, &mut usage);
        note(usage, outcomes.as_ref().err());
        take(outcomes?);
        Ok(Aside {
            asked: called.asked,
            log: called.log,
        })
    }

    /// What it says of so many documents, within its limits.
    fn checked<'r>(
        &self,
        returned: &'r mut Returned,
        limits: &Limits,
        secrets: &Secrets,
        documents: usize,
        usage: &mut Option<Usage>,
    ) -> Result<Vec<model::Outcome<'r>>, CallError> {
        let mut outcomes = match returned {
            Returned::Piecemeal(outcomes) => mem::take(outcomes),
            Returned::InOnePiece(pack) => {
                let room = match self.bounds {
                    Bounds::Kept => limits.returned_bytes.0,
                    Bounds::Lifted => usize::MAX,
                };
                pack.outcomes(documents, room)
                    .map_err(|error| match error {
                        UnpackError::TooLarge => CallError::Limit(limit!(limits.returned_bytes)),
                        UnpackError::Malformed => CallError::Malformed(error),
                    })?
            }
        };
        if outcomes.len() != documents {
            return Err(CallError::OutcomeCount {
                expected: documents,
                found: outcomes.len(),
            });
        }
        if let Some(usage) = usage {
            usage.returned(&outcomes);
        }
        if self.bounds == Bounds::Kept {
            for outcome in &mut outcomes {
                checked::outcome(outcome, limits, secrets, usage.as_mut());
            }
        }
        Ok(outcomes)
    }

    fn returned(
        &self,
        function: Function<'_>,
        world: &World,
        limits: &Limits,
        documents: &[Document],
        usage: &mut Option<Usage>,
    ) -> Result<Called<Returned>, CallError> {
        let number = documents.len();
        if let Some(export) = function.packed
            && let Some(pack) = pack(documents)
        {
            let called = self.call(world, limits, number, usage, |plugin, store| {
                let pack = LentPack {
                    text: &pack.text,
                    numbers: &pack.numbers,
                };
                Ok(in_one_piece(plugin, store, export)?.call(store, (pack,))?.0)
            })?;
            return Ok(called.map(|ReturnedPack { text, numbers }| {
                Returned::InOnePiece(Pack { text, numbers })
            }));
        }
        let batch: Vec<_> = documents
            .iter()
            .map(|document| Lent {
                id: &document.id,
                body: &document.body,
            })
            .collect();
        let called = self.call(world, limits, number, usage, |plugin, store| {
            Ok(piecemeal(plugin, store, function.export)?
                .call(store, (&batch,))?
                .0)
        })?;
        Ok(called.map(|outcomes| Returned::Piecemeal(outcomes.into_iter().map(outcome).collect())))
    }

    /// Makes an instance, calls it once, and throws it away: after a trap it could not be used again, and
    /// what one batch leaves behind is no business of the next.
    fn call<T: Send>(
        &self,
        world: &World,
        limits: &Limits,
        documents: usize,
        usage: &mut Option<Usage>,
        call: impl FnOnce(&Instance, &mut Store<Guest>) -> wasmtime::Result<T> + Send,
    ) -> Result<Called<T>, CallError> {
        with_stack(limits.stack, || {
            self.call_here(world, limits, documents, usage, call)
        })
    }

    fn call_here<T>(
        &self,
        world: &World,
        limits: &Limits,
        documents: usize,
        usage: &mut Option<Usage>,
        call: impl FnOnce(&Instance, &mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<Called<T>, CallError> {
        let (time, time_limit) = limits.call_time(documents);
        let mut store = Store::new(&self.engine, Guest::new(world.clone(), limits, documents));
        if self.bounds == Bounds::Kept {
            store.limiter(|guest| &mut guest.memory);
            store.set_hostcall_fuel(limits.returned_bytes.0);
            store.epoch_deadline_trap();
            // One tick is under way already.
            let ticks = time.as_millis() / TICK.as_millis() + 1;
            store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX / 2));
        }
        let result = self
            .pre
            .instance_pre()
            .instantiate(&mut store)
            .and_then(|plugin| call(&plugin, &mut store));
        let guest = store.into_data();
        if let Some(usage) = usage {
            guest.note(usage);
        }
        match result {
            Ok(value) => Ok(Called {
                value,
                log: guest.log,
                asked: guest.lookups.into_asked(),
            }),
            Err(error) => Err(call_error(&error, guest, time_limit)),
        }
    }
}

/// Guests run on the stack of whoever calls them. A thread of the host's has room for the default; where the
/// guest may have more, it gets a thread with that much more.
fn with_stack<T: Send>(
    stack: Size,
    call: impl FnOnce() -> Result<T, CallError> + Send,
) -> Result<T, CallError> {
    /// What the host itself needs.
    const OWN: usize = 2 << 20;
    if stack.0 <= Limits::default().stack.0 {
        return call();
    }
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("guest".into())
            .stack_size(stack.0.saturating_add(OWN))
            .spawn_scoped(scope, call)
            .map_err(|error| {
                let why = format!("there is no room for a stack of {stack}: {error}");
                CallError::Trap(Secrets::default().clean(why))
            })?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The documents in one piece; None if they are more than a sandbox could ever take.
fn pack(documents: &[Document]) -> Option<Packed<'_>> {
    let texts = || {
        documents
            .iter()
            .flat_map(|document| [&document.id, &document.body])
    };
    let text: Cow<'_, str> = match Text::joined(texts()) {
        Some(text) => text.into(),
        None => texts()
            .map(Text::as_str)
            .collect::<Vec<_>>()
            .concat()
            .into(),
    };
    u32::try_from(text.len()).ok()?;
    let mut lengths = Pack::default();
    lengths.numbers.reserve(4 * documents.len());
    texts().for_each(|text| lengths.push_length(text.len()));
    Some(Packed {
        text,
        numbers: lengths.numbers,
    })
}

/// Where a component keeps a function of an interface.
fn export(component: &Component, of: &str, name: &str) -> wasmtime::Result<ComponentExportIndex> {
    let interface = interface(of);
    component
        .get_export_index(None, &interface)
        .and_then(|found| component.get_export_index(Some(&found), name))
        .ok_or_else(|| wasmtime::Error::msg(format!("it exports no `{interface}`")))
}

/// The name under which a component exports an interface.
fn interface(name: &str) -> String {
    format!("{INTERFACE}{name}@{VERSION}.0")
}

struct Called<T> {
    value: T,
    log: Log,
    asked: Vec<Asked>,
}

impl<T> Called<T> {
    fn map<U>(self, value: impl FnOnce(T) -> U) -> Called<U> {
        Called {
            value: value(self.value),
            log: self.log,
            asked: self.asked,
        }
    }
}

/// What ended a call.
fn call_error(error: &wasmtime::Error, guest: Guest, time: Limit) -> CallError {
    let limits = &guest.limits;
    let trap = error.downcast_ref::<Trap>();
    match trap {
        Some(Trap::Interrupt) => return CallError::Time(time),
        Some(Trap::StackOverflow) => return CallError::Limit(limit!(limits.stack)),
        _ => {}
    }
    if let Some(ended) = guest.ended {
        return ended;
    }
    if guest.memory.refused {
        return CallError::Limit(limit!(limits.instance_memory));
    }
    let cause = error.root_cause().to_string();
    // The errors that have no type of their own.
    if cause.contains("too much data is being copied") {
        return CallError::Limit(limit!(limits.returned_bytes));
    }
    if cause.starts_with("resource limit exceeded") {
        return CallError::Limit(limit!(limits.instance_parts));
    }
    // The SDKs log what a panic says just before it becomes a trap, which itself says nothing.
    let said = guest
        .log
        .last()
        .filter(|line| line.level == Level::Error)
        .map(|line| &line.message);
    let why = match said {
        Some(said) => format!("{said} ({cause})"),
        None => cause,
    };
    CallError::Trap(guest.world.fixed.secrets.clean(why))
}

impl types::Host for Guest {}

impl lookup::Host for Guest {
    fn get_many(
        &mut self,
        table: String,
        ids: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<types::Document>>, lookup::Error>> {
        let found = self.lookups.get(&self.world, &table, &ids);
        self.answer(found.map(|found| found.into_iter().map(|found| found.map(document)).collect()))
    }

    fn find_many(
        &mut self,
        table: String,
        queries: Vec<Vec<types::Condition>>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<Vec<types::Document>>, lookup::Error>> {
        let queries: Vec<Vec<_>> = queries
            .into_iter()
            .map(|query| query.into_iter().map(condition).collect())
            .collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let found = self.lookups.find(&self.world, &table, &queries, limit);
        self.answer(found.map(|found| {
            found
                .into_iter()
                .map(|found| found.into_iter().map(document).collect())
                .collect()
        }))
    }
}

impl Guest {
    /// Ends the call.
    fn end(&mut self, why: CallError) -> wasmtime::Error {
        let error = wasmtime::Error::msg(why.to_string());
        self.ended = Some(why);
        error
    }

    /// Hands the answer of a lookup to the plugin.
    ///
    /// A limit that a whole batch has hit together ends the call: smaller batches may stay below it, and
    /// what becomes of a document must not depend on its neighbours. A document alone is told.
    fn answer<T>(
        &mut self,
        found: Result<T, LookupError>,
    ) -> wasmtime::Result<Result<T, lookup::Error>> {
        match found {
            Err(LookupError::Limit(limit)) if self.documents > 1 => {
                Err(self.end(CallError::Limit(limit)))
            }
            Err(LookupError::Time(limit)) => Err(self.end(CallError::Time(limit))),
            Err(LookupError::Limit(limit)) => {
                Ok(Err(lookup::Error::LimitExceeded(limit.to_string())))
            }
            Err(LookupError::NotGranted(table)) => Ok(Err(lookup::Error::NotGranted(table))),
            Err(LookupError::Store(message)) => Ok(Err(lookup::Error::Store(message))),
            Ok(found) => Ok(Ok(found)),
        }
    }
}

impl context::Host for Guest {
    fn now(&mut self) -> u64 {
        self.world.fixed.now
    }

    fn param(&mut self, name: String) -> Option<String> {
        self.world.fixed.parameters.get(&name).cloned()
    }

    fn secret(&mut self, name: String) -> Option<String> {
        self.world.fixed.secrets.get(&name).map(str::to_owned)
    }

    fn new_id(&mut self, table: String, seed: String) -> String {
        self.world.fixed.new_id(&table, &seed)
    }
}

impl log::Host for Guest {
    /// Where a call for several documents logs too much it is made again with fewer of them, and one for a
    /// single document goes on without the rest: what is logged about a document does not depend on the batch.
    fn emit(
        &mut self,
        level: log::Level,
        message: String,
        document: Option<u32>,
    ) -> wasmtime::Result<()> {
        let line = LogLine {
            level: match level {
                log::Level::Debug => Level::Debug,
                log::Level::Info => Level::Info,
                log::Level::Warn => Level::Warn,
                log::Level::Error => Level::Error,
            },
            message: self.world.fixed.secrets.clean(message),
            document: document
                .and_then(|place| usize::try_from(place).ok())
                .filter(|place| *place < self.documents),
        };
        match self.log.push(line, &self.limits) {
            Ok(()) => Ok(()),
            Err(limit) if self.documents > 1 => Err(self.end(CallError::Limit(limit))),
            Err(_) => {
                self.log.drop_one();
                Ok(())
            }
        }
    }
}
