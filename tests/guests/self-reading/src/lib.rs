//! The scripted guest, allowed to read the very table that it changes.
#![cfg(target_family = "wasm")]

#[path = "../../scripted/src/script.rs"]
mod script;

script::scripted!(
    plugin_sdk::Manifest::new("self-reading", "things")
        .description("Obeys its documents, and looks others of the same table up")
        .reads("things")
);
