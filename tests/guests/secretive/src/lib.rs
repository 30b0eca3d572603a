//! The scripted guest, asking for a secret.
#![cfg(target_family = "wasm")]

#[path = "../../scripted/src/script.rs"]
mod script;

script::scripted!(
    plugin_sdk::Manifest::new("secretive", "things")
        .description("Obeys its documents, and knows a secret")
        .secret("api-key")
);
