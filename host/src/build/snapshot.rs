//! Running a module while a plugin is built: what its memory holds then becomes part of the module, so that an
//! instance begins where that ended.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::{
    Caller, Config, Engine, Extern, Func, Instance, Linker, Module, OptLevel, Store, Val,
};
use wasmtime_wizer::{InstanceState, ModuleContext, SnapshotVal, ValType, Wizer};

use super::component::PREVIEW1;

/// What a compiler for WASI exports to be called first.
const FIRST: &str = "_initialize";

/// The export that is no memory of the guest's own, but under which all compilers have it.
const MEMORY: &str = "memory";

/// A module that runs, and can be turned into one that has run.
pub(super) struct Running<'m> {
    wizer: Wizer,
    context: ModuleContext<'m>,
    store: Store<Adapter>,
    instance: Instance,
}

/// What the module's imports of WASI go to. It works on the module's memory, so it comes after it.
type Adapter = Option<Instance>;

impl<'m> Running<'m> {
    /// Starts a module. It reaches nothing: what it imports of WASI the adapter answers, and any other import traps.
    ///
    /// # Errors
    /// If one of them is no module, or they do not fit together.
    pub fn start(core: &'m [u8], adapter: &[u8]) -> wasmtime::Result<Self> {
        let wizer = Wizer::new();
        let (context, instrumented) = wizer.instrument(core)?;
        // It runs for a moment, once.
        let engine = Engine::new(Config::new().cranelift_opt_level(OptLevel::None))?;
        let module = Module::new(&engine, instrumented)?;
        let mut store = Store::new(&engine, None);
        let mut linker = Linker::new(&engine);
        for import in module
            .imports()
            .filter(|import| import.module() == PREVIEW1)
        {
            if let Some(kind) = import.ty().func() {
                let name = import.name().to_owned();
                let function =
                    Func::new(&mut store, kind.clone(), move |caller, words, answers| {
                        ask_adapter(caller, &name, words, answers)
                    });
                linker.define(&store, PREVIEW1, import.name(), function)?;
            }
        }
        linker.define_unknown_imports_as_traps(&module)?;
        let instance = linker.instantiate(&mut store, &module)?;
        let memory = instance.get_memory(&mut store, MEMORY);
        let memory = memory.ok_or_else(|| wasmtime::format_err!("it exports no memory"))?;
        let adapter = Module::new(&engine, adapter)?;
        let adapter = Instance::new(&mut store, &adapter, &[memory.into()])?;
        *store.data_mut() = Some(adapter);
        let mut running = Self {
            wizer,
            context,
            store,
            instance,
        };
        if running
            .instance
            .get_func(&mut running.store, FIRST)
            .is_some()
        {
            running.call(FIRST, &[])?;
        }
        Ok(running)
    }

    /// Calls a function of it with 32-bit numbers; the answer is one, too, or 0 where there is none.
    ///
    /// # Errors
    /// If there is no such function, or it traps.
    pub fn call(&mut self, name: &str, words: &[u32]) -> wasmtime::Result<u32> {
        let function = self.instance.get_func(&mut self.store, name);
        let function = function.ok_or_else(|| wasmtime::format_err!("it exports no `{name}`"))?;
        let words: Vec<Val> = words
            .iter()
            .map(|word| Val::I32(word.cast_signed()))
            .collect();
        let mut answers = vec![Val::I32(0); function.ty(&self.store).results().len()];
        function.call(&mut self.store, &words, &mut answers)?;
        let answer = answers.first().and_then(Val::i32).unwrap_or_default();
        Ok(answer.cast_unsigned())
    }

    /// Its memory.
    pub fn memory(&mut self) -> &mut [u8] {
        match self.instance.get_memory(&mut self.store, MEMORY) {
            Some(memory) => memory.data_mut(&mut self.store),
            None => &mut [],
        }
    }

    /// The module as it is now.
    ///
    /// # Errors
    /// If it has state that cannot be kept.
    pub fn snapshot(self) -> wasmtime::Result<Vec<u8>> {
        let Self {
            wizer,
            context,
            store,
            instance,
        } = self;
        let mut state = State {
            store,
            instance,
            unknown: None,
        };
        let module = match pin!(wizer.snapshot(&context, &mut state))
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(module) => module?,
            Poll::Pending => wasmtime::bail!("nothing in it waits"),
        };
        match state.unknown {
            None => Ok(module),
            Some(name) => wasmtime::bail!("`{name}` cannot be kept"),
        }
    }
}

/// Has the adapter answer a call of WASI.
fn ask_adapter(
    mut caller: Caller<'_, Adapter>,
    name: &str,
    words: &[Val],
    answers: &mut [Val],
) -> wasmtime::Result<()> {
    let function = caller
        .data()
        .and_then(|adapter| adapter.get_func(&mut caller, name));
    let function = function.ok_or_else(|| wasmtime::format_err!("the adapter has no `{name}`"))?;
    function.call(&mut caller, words, answers)
}

/// What a snapshot is made of.
struct State {
    store: Store<Adapter>,
    instance: Instance,
    /// Something that was asked for and is not there.
    unknown: Option<String>,
}

impl InstanceState for State {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let value = match self.instance.get_export(&mut self.store, name) {
            Some(Extern::Global(global)) => Some(global.get(&mut self.store)),
            _ => None,
        };
        match value {
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(bits)) => SnapshotVal::F32(bits),
            Some(Val::F64(bits)) => SnapshotVal::F64(bits),
            Some(Val::V128(value)) => SnapshotVal::V128(value.as_u128()),
            _ => {
                self.unknown = Some(name.to_owned());
                SnapshotVal::I32(0)
            }
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.instance.get_memory(&mut self.store, name) {
            Some(memory) => contents(memory.data(&self.store)),
            None => self.unknown = Some(name.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADAPTER: &str = r#"(module
        (import "env" "memory" (memory 0))
        (func (export "sched_yield") (result i32)
            (i32.store (i32.const 8) (i32.const 77))
            (i32.const 0)))"#;

    const MODULE: &str = r#"(module
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (import "host" "ask" (func $ask))
        (memory (export "memory") 1)
        (global $calls (mut i32) (i32.const 0))
        (func $count (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (global.get $calls))
        (func (export "_initialize") (drop (call $count)))
        (func (export "count") (result i32) (call $count))
        (func (export "keep") (param i32) (i32.store (i32.const 0) (local.get 0)))
        (func (export "yield") (result i32) (call $yield))
        (func (export "ask") (call $ask))
        (func (export "kept") (result i32) (i32.load (i32.const 0))))"#;

    fn start(core: &[u8]) -> wasmtime::Result<Running<'_>> {
        Running::start(core, &wat::parse_str(ADAPTER).unwrap())
    }

    #[test]
    fn what_a_module_did_is_kept() {
        let core = wat::parse_str(MODULE).unwrap();
        let mut running = start(&core).unwrap();
        assert_eq!(running.call("keep", &[0xfeed_beef]).unwrap(), 0);
        assert_eq!(running.call("count", &[]).unwrap(), 2);
        assert_eq!(running.memory()[..4], 0xfeed_beef_u32.to_le_bytes());
        let kept = running.snapshot().unwrap();
        // It was initialized before, and is not again.
        let mut again = start(&kept).unwrap();
        assert_eq!(again.call("kept", &[]).unwrap(), 0xfeed_beef);
        assert_eq!(again.call("count", &[]).unwrap(), 3);
    }

    #[test]
    fn the_adapter_answers_wasi_and_nobody_anything_else() {
        let core = wat::parse_str(MODULE).unwrap();
        let mut running = start(&core).unwrap();
        assert_eq!(running.call("yield", &[]).unwrap(), 0);
        assert_eq!(running.memory()[8], 77);
        let trap = running.call("ask", &[]).unwrap_err();
        assert!(format!("{trap:#}").contains("host"), "{trap:#}");
        let trap = running.call("nothing", &[]).unwrap_err();
        assert!(format!("{trap:#}").contains("`nothing`"), "{trap:#}");
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert!(start(b"no module").is_err());
        let blind = wat::parse_str("(module)").unwrap();
        assert!(start(&blind).is_err());
    }
}
