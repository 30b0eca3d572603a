//! From a core module to a component, for compilers that stop at the module.

use std::fs;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::BuildError;
use super::project::{Project, World};

/// The import that compilers for WASI 0.1 leave, and an adapter takes the place of.
pub(super) const PREVIEW1: &str = "wasi_snapshot_preview1";

/// Makes a component of what a compiler for WASI 0.1 made of a project, which then needs no WASI: the SDK's own
/// adapter answers what it imports of that.
///
/// # Errors
/// If the project has no adapter or no interface, or the module does not fit it.
pub fn of_module(project: &Project, mut core: Vec<u8>) -> Result<Vec<u8>, BuildError> {
    let adapter = adapter(project)?;
    embed(&mut core, &project.wit(), project.world)?;
    encode(&core, Some(&adapter))
}

/// The SDK's own adapter: a core module that implements WASI 0.1, on the memory of another.
///
/// # Errors
/// If the project has none.
pub fn adapter(project: &Project) -> Result<Vec<u8>, BuildError> {
    let path = project.sdk("adapter").join(format!("{PREVIEW1}.wat"));
    let text = fs::read(&path).map_err(BuildError::io(&path))?;
    let adapter = wat::parse_bytes(&text).map_err(refused)?;
    Ok(adapter.into_owned())
}

/// Writes into a core module which world it implements, for a compiler that knows of none.
///
/// # Errors
/// If the interface in the folder `wit` cannot be read, or the bytes are no module.
pub fn embed(core: &mut Vec<u8>, wit: &Path, world: World) -> Result<(), BuildError> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).map_err(refused)?;
    let world = resolve
        .select_world(&[package], Some(world.name()))
        .map_err(refused)?;
    embed_component_metadata(core, &resolve, world, StringEncoding::UTF8).map_err(refused)
}

/// Makes a component of a core module that says which world it implements.
///
/// With an adapter, the module may import WASI 0.1: a core module that implements those functions it calls.
///
/// # Errors
/// If the module does not fit its world, or imports what is not there.
pub fn encode(core: &[u8], adapter: Option<&[u8]>) -> Result<Vec<u8>, BuildError> {
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(core).map_err(refused)?;
    if let Some(adapter) = adapter {
        encoder.adapter(PREVIEW1, adapter).map_err(refused)?;
    }
    encoder.encode().map_err(refused)
}

fn refused(error: impl Into<anyhow::Error>) -> BuildError {
    BuildError::Component(format!("{:#}", error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that exports what the world asks for, and more imports.
    fn module(import: &str) -> Vec<u8> {
        let text = format!(
            r#"(module
                {import}
                (memory (export "memory") 1)
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
                (func (export "migration:plugin/transform@0.1.0#describe") (result i32) unreachable)
                (func (export "migration:plugin/transform@0.1.0#transform") (param i32 i32) (result i32)
                    unreachable))"#
        );
        wat::parse_str(text).unwrap()
    }

    fn component(import: &str, adapter: Option<&str>) -> Result<Vec<u8>, String> {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let mut core = module(import);
        let adapter = adapter.map(|text| wat::parse_str(text).unwrap());
        embed(&mut core, &wit, World::Migration)
            .and_then(|()| encode(&core, adapter.as_deref()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_module_becomes_a_component() {
        let made = component("", None).unwrap();
        assert_eq!(made.get(..8).unwrap(), *b"\0asm\x0d\0\x01\0");
    }

    #[test]
    fn an_adapter_takes_the_place_of_wasi() {
        let import = r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#;
        let message = component(import, None).unwrap_err();
        assert!(message.contains("wasi_snapshot_preview1"), "{message}");
        let adapter = r#"(module (func (export "sched_yield") (result i32) i32.const 0))"#;
        component(import, Some(adapter)).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let import = r#"(import "env" "socket" (func))"#;
        let message = component(import, None).unwrap_err();
        assert!(message.contains("env"), "{message}");
    }
}
