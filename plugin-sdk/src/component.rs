//! The component side: the interface's types as Rust's, and the exports as calls of the batch
//! driver.
//!
//! The bindings compile on every target, so that they are checked and tested natively; only what
//! [`export!`](crate::export) expands to is left out there.

use std::cell::OnceCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::Once;

use migration_document::packed::Pack;

use crate::batch::{self, Work};
use crate::host::{self, Answer};
use crate::{Condition, Document, Level, Migration, Revert};

mod convert;

/// The world `migration`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod migration {
    wit_bindgen::generate!({
        path: "../wit",
        world: "migration",
        pub_export_macro: true,
        export_macro_name: "export_migration",
        default_bindings_module: "plugin_sdk::__component::migration",
    });
}

/// What the world `reversible-migration` adds to the world `migration`. It is a world of its own
/// here, and the linker joins the two: generating the shared exports twice would define their
/// macros twice.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod revert {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package migration:sdk;
            world revert { export migration:plugin/revert@0.1.0; }
        ",
        world: "migration:sdk/revert",
        pub_export_macro: true,
        export_macro_name: "export_revert",
        default_bindings_module: "plugin_sdk::__component::revert",
        with: {
            "migration:plugin/types@0.1.0": crate::component::migration::migration::plugin::types,
        },
    });
}

/// What the world `packed-migration` adds.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod packed {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package migration:sdk;
            world packed { export migration:plugin/packed@0.1.0; }
        ",
        world: "migration:sdk/packed",
        pub_export_macro: true,
        export_macro_name: "export_packed",
        default_bindings_module: "plugin_sdk::__component::packed",
    });
}

pub use migration::export_migration;
pub use packed::export_packed;
pub use revert::export_revert;

use migration::migration::plugin::{context, log, lookup, types as wire};
use packed::exports::migration::plugin::packed as wire_packed;

/// Makes a component of a migration. On other targets than WebAssembly it only checks that the type
/// is one, so that `cargo test` builds the same crate.
///
/// The crate must be a `cdylib` (and an `rlib` too, for tests).
///
/// ```
/// use plugin_sdk::prelude::*;
///
/// struct DropNickname;
/// impl Migration for DropNickname {
///     fn manifest() -> Manifest {
///         Manifest::new("drop-nickname", "users").only_if(at("/nickname").present())
///     }
///     fn transform(_: &Document, _: &Context) -> Result<Outcome, Failure> {
///         Ok(Edits::new().remove("/nickname").into())
///     }
/// }
///
/// plugin_sdk::export!(DropNickname);
/// ```
#[macro_export]
macro_rules! export {
    ($migration:ty) => {
        const _: () = {
            const fn is_a_migration<M: $crate::Migration>() {}
            is_a_migration::<$migration>();
            #[cfg(target_family = "wasm")]
            type Exported = $crate::__component::Exported<$migration>;
            #[cfg(target_family = "wasm")]
            $crate::__component::export_migration!(
                Exported with_types_in $crate::__component::migration
            );
            #[cfg(target_family = "wasm")]
            $crate::__component::export_packed!(
                Exported with_types_in $crate::__component::packed
            );
        };
    };
}

/// Makes a component of a migration that can take its own work back: of the world
/// `reversible-migration`.
///
/// An example is at [`Revert`](crate::Revert).
///
/// ```compile_fail
/// use plugin_sdk::prelude::*;
/// struct NotReversible; // neither Migration nor Revert
/// plugin_sdk::export_reversible!(NotReversible);
/// ```
#[macro_export]
macro_rules! export_reversible {
    ($migration:ty) => {
        $crate::export!($migration);
        const _: () = {
            const fn is_reversible<M: $crate::Revert>() {}
            is_reversible::<$migration>();
            #[cfg(target_family = "wasm")]
            type Exported = $crate::__component::Exported<$migration>;
            #[cfg(target_family = "wasm")]
            $crate::__component::export_revert!(
                Exported with_types_in $crate::__component::revert
            );
        };
    };
}

/// A migration as the interface's exports.
pub struct Exported<M>(PhantomData<M>);

impl<M: Migration> migration::exports::migration::plugin::transform::Guest for Exported<M> {
    fn describe() -> wire::Manifest {
        report_panics();
        M::manifest().into_model().into()
    }

    fn transform(documents: Vec<wire::Document>) -> Vec<wire::Outcome> {
        run(documents, Work::transform::<M>())
    }
}

impl<M: Revert> revert::exports::migration::plugin::revert::Guest for Exported<M> {
    fn revert(documents: Vec<wire::Document>) -> Vec<wire::Outcome> {
        run(documents, Work::revert::<M>())
    }
}

impl<M: Migration> wire_packed::Guest for Exported<M> {
    fn transform(documents: wire_packed::Pack) -> wire_packed::Pack {
        /// Up to so many bytes of text, outcomes are left where they are: giving back each part of one is a call.
        const LITTLE: usize = 1 << 20;
        report_panics();
        let mut outcomes = room_for_outcomes(&documents);
        // An instance is made for one call, and its memory goes with it: documents can be lent out of the text.
        let documents: &'static Pack = Box::leak(Box::new(Pack {
            text: documents.text,
            numbers: documents.numbers,
        }));
        let mut texts = documents.texts();
        // Each has two numbers, at least.
        let mut documents = Vec::with_capacity(documents.numbers.len() / 2);
        while let (Some(id), Some(body)) = (texts.next(), texts.next()) {
            documents.push(Document::lent(id, body));
        }
        let work = Work::transform::<M>();
        batch::run(&documents, work, &Imports::default(), |outcome| {
            let outcome = outcome.into_model();
            outcomes.push(&outcome);
            if outcomes.text.len() < LITTLE {
                std::mem::forget(outcome);
            }
        });
        std::mem::forget(documents);
        wire_packed::Pack {
            text: outcomes.text,
            numbers: outcomes.numbers,
        }
    }
}

/// What outcomes of these documents are put into. It has room for most: memory that grows has to be copied, and what it
/// leaves behind has to be cleared for the next instance. Memory that is not used costs nothing.
fn room_for_outcomes(documents: &wire_packed::Pack) -> Pack {
    /// In bytes.
    const MOST: usize = 1 << 20;
    Pack {
        text: String::with_capacity((documents.text.len() / 2).min(MOST)),
        numbers: Vec::with_capacity((4 * documents.numbers.len()).min(MOST)),
    }
}

fn run(documents: Vec<wire::Document>, work: Work) -> Vec<wire::Outcome> {
    report_panics();
    // An instance is made for one call, and its memory goes with it: giving back what was lent for it is work for
    // nothing.
    let documents: ManuallyDrop<Vec<Document>> =
        ManuallyDrop::new(documents.into_iter().map(Document::from).collect());
    let mut outcomes = Vec::with_capacity(documents.len());
    batch::run(&documents, work, &Imports::default(), |outcome| {
        outcomes.push(outcome.into_model().into());
    });
    outcomes
}

/// A panic traps, and a trap tells the host nothing: so its message is logged before.
fn report_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            log::emit(log::Level::Error, &panic.to_string(), None);
        }));
    });
}

/// The host, as the component imports it.
#[derive(Default)]
struct Imports {
    /// The run's time stays the same, and asking for it costs more than making a small edit.
    now: OnceCell<u64>,
}

impl host::Host for Imports {
    fn get_many(&self, table: &str, ids: &[String]) -> Answer<Option<Document>> {
        let found = lookup::get_many(table, ids)?;
        Ok(found
            .into_iter()
            .map(|document| document.map(Document::from))
            .collect())
    }

    fn find_many(
        &self,
        table: &str,
        queries: &[Vec<Condition>],
        limit: u32,
    ) -> Answer<Vec<Document>> {
        let queries: Vec<Vec<wire::Condition>> = queries
            .iter()
            .map(|query| query.iter().cloned().map(Into::into).collect())
            .collect();
        let found = lookup::find_many(table, &queries, limit)?;
        Ok(found
            .into_iter()
            .map(|documents| documents.into_iter().map(Document::from).collect())
            .collect())
    }

    fn now(&self) -> u64 {
        *self.now.get_or_init(context::now)
    }

    fn param(&self, name: &str) -> Option<String> {
        context::param(name)
    }

    fn secret(&self, name: &str) -> Option<String> {
        context::secret(name)
    }

    fn new_id(&self, table: &str, seed: &str) -> String {
        context::new_id(table, seed)
    }

    fn log(&self, level: Level, message: &str, document: usize) {
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        // No list of the interface is longer than 2^32.
        log::emit(level, message, u32::try_from(document).ok());
    }
}
