//! Plugins that are none.

use std::fs;

use insta::assert_snapshot;

use super::refused;
use crate::common::{Lab, Ran, STORE, guest};

/// Tries to run a component, given as text, over a sound store.
#[track_caller]
fn refused_component(component: &str) -> Ran {
    let lab = Lab::with_things([("a", "{}")]);
    lab.write("plugin.wasm", wat::parse_str(component).unwrap());
    refused(&lab, &["run", "plugin.wasm", "--store", STORE])
}

#[test]
fn a_plugin_that_is_not_there() {
    let lab = Lab::with_things([("a", "{}")]);
    assert_snapshot!(refused(&lab, &["run", "gone.wasm", "--store", STORE]), @"
    ------- stderr -------
    error: there is no plugin at gone.wasm
    [exit status: 1]
    ");
}

#[test]
fn a_plugin_that_is_a_folder() {
    let lab = Lab::with_things([("a", "{}")]);
    fs::create_dir(lab.path("folder.wasm")).unwrap();
    assert_snapshot!(refused(&lab, &["run", "folder.wasm", "--store", STORE]), @"
    ------- stderr -------
    error: folder.wasm cannot be read: Is a directory (os error 21)
    [exit status: 1]
    ");
}

#[test]
fn a_plugin_that_is_not_wasm() {
    let lab = Lab::with_things([("a", "{}")]);
    lab.write("plugin.wasm", "#!/bin/sh\necho no\n");
    assert_snapshot!(refused(&lab, &["run", "plugin.wasm", "--store", STORE]), @"
    ------- stderr -------
    error: plugin.wasm is not WebAssembly
    hint: give the component's file, which ends in .wasm
    [exit status: 1]
    ");
    lab.write("plugin.wasm", "");
    assert_snapshot!(refused(&lab, &["run", "plugin.wasm", "--store", STORE]), @"
    ------- stderr -------
    error: plugin.wasm is not WebAssembly
    hint: give the component's file, which ends in .wasm
    [exit status: 1]
    ");
}

#[test]
fn a_plugin_that_is_a_core_module() {
    assert_snapshot!(refused_component("(module (func (export \"transform\")))"), @"
    ------- stderr -------
    error: plugin.wasm is a core WebAssembly module, not a component
    hint: build it as a component: in Rust, --target wasm32-unknown-unknown with the linker wasm-component-ld, as the project that `host new` makes does
    [exit status: 1]
    ");
}

#[test]
fn a_plugin_that_was_cut_off() {
    let lab = Lab::with_things([("a", "{}")]);
    let whole = fs::read(guest("scripted")).unwrap();
    lab.write("plugin.wasm", &whole[..whole.len() / 2]);
    let ran = refused(&lab, &["run", "plugin.wasm", "--store", STORE]);
    assert!(
        ran.stderr()
            .starts_with("error: plugin.wasm is no valid component: "),
        "{ran}"
    );
}

#[test]
fn a_component_of_another_world() {
    assert_snapshot!(refused_component("(component)"), @"
    ------- stderr -------
    error: plugin.wasm is a component, but no migration: it does not export `migration:plugin/transform`; it exports nothing
    hint: a migration exports the interface of wit/migration.wit; `host new` makes one that does
    [exit status: 1]
    ");
    assert_snapshot!(refused_component("(component (instance $i) (export \"wasi:cli/run@0.2.0\" (instance $i)))"), @"
    ------- stderr -------
    error: plugin.wasm is a component, but no migration: it does not export `migration:plugin/transform`; it exports wasi:cli/run@0.2.0
    hint: a migration exports the interface of wit/migration.wit; `host new` makes one that does
    [exit status: 1]
    ");
}

#[test]
fn a_component_of_interface_version_0_2() {
    assert_snapshot!(refused_component("(component (instance $i) (export \"migration:plugin/transform@0.2.0\" (instance $i)))"), @"
    ------- stderr -------
    error: plugin.wasm was made for interface version 0.2.0, and this host speaks 0.1
    hint: build the plugin with the SDK of this host, or get a host that speaks its version
    [exit status: 1]
    ");
    assert_snapshot!(refused_component(
        "(component
            (import \"migration:plugin/context@0.2.0\" (instance))
            (instance $i)
            (export \"migration:plugin/transform@0.1.0\" (instance $i)))"
    ), @"
    ------- stderr -------
    error: plugin.wasm was made for interface version 0.2.0, and this host speaks 0.1
    hint: build the plugin with the SDK of this host, or get a host that speaks its version
    [exit status: 1]
    ");
}

#[test]
fn a_component_that_lacks_the_functions_of_the_interface() {
    assert_snapshot!(refused_component("(component (instance $i) (export \"migration:plugin/transform@0.1.0\" (instance $i)))"), @"
    ------- stderr -------
    error: plugin.wasm does not fit the interface: instance export `migration:plugin/transform@0.1.0` does not have export `describe`
    [exit status: 1]
    ");
}

#[test]
fn a_component_that_imports_what_no_plugin_is_given() {
    assert_snapshot!(refused_component(
        "(component
            (import \"wasi:http/types@0.2.0\" (instance))
            (import \"my:own/thing\" (instance))
            (instance $i)
            (export \"migration:plugin/transform@0.1.0\" (instance $i)))"
    ), @"
    ------- stderr -------
    error: plugin.wasm imports what no plugin is given: wasi:http/types@0.2.0, my:own/thing
    hint: build it without what needs these; plugins have no network and no files
    [exit status: 1]
    ");
}

#[test]
fn a_manifest_that_cannot_be_used() {
    let lab = Lab::with_things([("a", "{}")]);
    assert_snapshot!(refused(&lab, &["run", guest("bad-name"), "--store", STORE]), @"
    ------- stderr -------
    error: the plugin's manifest cannot be used: `Bad Name` is no name of a migration: names are lower-case words joined by hyphens
    [exit status: 1]
    ");
}

#[test]
fn a_plugin_that_traps_when_asked_what_it_is() {
    let lab = Lab::with_things([("a", "{}")]);
    let ran = refused(&lab, &["run", guest("silent"), "--store", STORE]);
    let expected = "error: the plugin failed when asked for its manifest: the plugin trapped: ";
    assert!(ran.stderr().starts_with(expected), "{ran}");
}
