//! The interface in its version 0.1: bindings, and the way between its values and the host's.

use std::time::Instant;

use migration_document as model;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentType, HasSelf, Instance, InstancePre, Linker, Lower,
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
use super::{Answer, Bounds, INTERFACE, TICK};
use crate::store::Document;

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

/// What the world `reversible-migration` adds to the world `migration`: the shape of `revert` is checked by it.
mod reversible {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package migration:host;
            world reversible { export migration:plugin/revert@0.1.0; }
        ",
        world: "migration:host/reversible",
        with: {
            "migration:plugin/types@0.1.0": super::bindings::migration::plugin::types,
        },
    });
}

use bindings::MigrationPre;
use bindings::migration::plugin::{context, log, lookup, types};
use reversible::ReversiblePre;

/// The version, as exports and imports spell it up to its last number.
pub(super) const VERSION: &str = "0.1";

/// A component of this version, ready to be instantiated.
pub(super) struct Linked {
    bounds: Bounds,
    engine: Engine,
    pre: MigrationPre<Guest>,
    transform: ComponentExportIndex,
    /// None: it has none.
    revert: Option<ComponentExportIndex>,
}

/// A function of a plugin that says what becomes of documents.
#[derive(Clone, Copy)]
pub(super) struct Function<'l>(&'l ComponentExportIndex);

/// A document that a plugin is given. The bindings' own type would have to own its texts.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Lent<'a> {
    id: &'a str,
    body: &'a str,
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
        let revert = match component.get_export_index(None, interface("revert")) {
            None => None,
            Some(_) => {
                ReversiblePre::new(pre.clone())?;
                Some(export(component, "revert")?)
            }
        };
        Ok(Self {
            bounds,
            engine: engine.clone(),
            pre: MigrationPre::new(pre)?,
            transform: export(component, "transform")?,
            revert,
        })
    }

    /// Asks the plugin what it is.
    pub fn describe(&self, limits: &Limits) -> Result<model::Manifest, CallError> {
        let world = World::default();
        let called = self.call(&world, limits, 1, &mut None, |plugin, store| {
            bindings::Migration::new(&mut *store, plugin)?
                .migration_plugin_transform()
                .call_describe(store)
        })?;
        Ok(manifest(called.value))
    }

    /// The plugin's `transform`.
    pub fn transform(&self) -> Function<'_> {
        Function(&self.transform)
    }

    /// The plugin's own `revert`, if it has one.
    pub fn revert(&self) -> Option<Function<'_>> {
        self.revert.as_ref().map(Function)
    }

    /// Has one of its functions say what becomes of documents, in a fresh instance.
    pub fn outcomes(
        &self,
        function: Function<'_>,
        world: &World,
        limits: &Limits,
        documents: &[Document],
        gauge: Option<&Gauge>,
    ) -> Result<Answer, CallError> {
        let began = Instant::now();
        let mut usage = gauge.map(|_| Usage::default());
        let answer = self.answer(function, world, limits, documents, &mut usage);
        if let (Some(gauge), Some(mut usage)) = (gauge, usage) {
            let time = began.elapsed();
            usage.took(time, documents.len());
            if let Err(error) = &answer {
                usage.ended(limits, error);
            }
            gauge.note(&usage, time, documents.len());
        }
        answer
    }

    fn answer(
        &self,
        function: Function<'_>,
        world: &World,
        limits: &Limits,
        documents: &[Document],
        usage: &mut Option<Usage>,
    ) -> Result<Answer, CallError> {
        let batch: Vec<_> = documents
            .iter()
            .map(|document| Lent {
                id: &document.id,
                body: &document.body,
            })
            .collect();
        let called = self.call(world, limits, documents.len(), usage, |plugin, store| {
            let call = plugin.get_typed_func::<(&[Lent<'_>],), (Vec<types::Outcome>,)>(
                &mut *store,
                function.0,
            )?;
            Ok(call.call(store, (&batch,))?.0)
        })?;
        if called.value.len() != documents.len() {
            return Err(CallError::OutcomeCount {
                expected: documents.len(),
                found: called.value.len(),
            });
        }
        let secrets = &world.fixed.secrets;
        let mut outcomes: Vec<_> = called.value.into_iter().map(outcome).collect();
        if let Some(usage) = usage {
            usage.returned(&outcomes);
        }
        if self.bounds == Bounds::Kept {
            for outcome in &mut outcomes {
                checked::outcome(outcome, limits, secrets, usage.as_mut());
            }
        }
        Ok(Answer {
            outcomes,
            log: called.log,
            asked: called.asked,
        })
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

/// Where a component keeps the function that has the same name as its interface.
fn export(component: &Component, name: &str) -> wasmtime::Result<ComponentExportIndex> {
    let interface = interface(name);
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

fn document(document: Document) -> types::Document {
    types::Document {
        id: document.id,
        body: document.body,
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

fn condition(condition: types::Condition) -> model::Condition {
    model::Condition {
        at: condition.at,
        test: match condition.test {
            types::Test::Present => model::Test::Present,
            types::Test::Missing => model::Test::Missing,
            types::Test::Equals(value) => model::Test::Equals(value),
            types::Test::NotEquals(value) => model::Test::NotEquals(value),
            types::Test::LessThan(value) => model::Test::LessThan(value),
            types::Test::AtLeast(value) => model::Test::AtLeast(value),
            types::Test::OneOf(values) => model::Test::OneOf(values),
        },
    }
}

fn edits(edits: Vec<types::Edit>) -> Vec<model::Edit> {
    edits
        .into_iter()
        .map(|edit| match edit {
            types::Edit::Set((at, value)) => model::Edit::Set { at, value },
            types::Edit::Remove(at) => model::Edit::Remove { at },
            types::Edit::Rename((from, to)) => model::Edit::Rename { from, to },
        })
        .collect()
}

fn reference(reference: types::Reference) -> model::Reference {
    model::Reference {
        table: reference.table,
        id: reference.id,
    }
}

fn outcome(outcome: types::Outcome) -> model::Outcome {
    match outcome {
        types::Outcome::Skip(reason) => model::Outcome::Skip(reason),
        types::Outcome::Edit(list) => model::Outcome::Edit(edits(list)),
        types::Outcome::Replace(body) => model::Outcome::Replace(body),
        types::Outcome::Delete => model::Outcome::Delete,
        types::Outcome::Changes(changes) => {
            model::Outcome::Changes(changes.into_iter().map(change).collect())
        }
        types::Outcome::Fail(failure) => model::Outcome::Fail(model::Failure {
            code: failure.code,
            message: failure.message,
            at: failure.at,
        }),
    }
}

fn change(change: types::Change) -> model::Change {
    match change {
        types::Change::Insert(insertion) => model::Change::Insert(model::Insertion {
            table: insertion.table,
            id: insertion.id,
            body: insertion.body,
        }),
        types::Change::Edit((at, list)) => model::Change::Edit(reference(at), edits(list)),
        types::Change::Replace((at, body)) => model::Change::Replace(reference(at), body),
        types::Change::Delete(at) => model::Change::Delete(reference(at)),
    }
}

fn manifest(manifest: types::Manifest) -> model::Manifest {
    model::Manifest {
        name: manifest.name,
        description: manifest.description,
        version: manifest.version,
        run_after: manifest.run_after,
        table: manifest.table,
        filter: manifest.filter.into_iter().map(condition).collect(),
        reads: manifest.reads,
        writes: manifest.writes,
        secrets: manifest.secrets,
    }
}
