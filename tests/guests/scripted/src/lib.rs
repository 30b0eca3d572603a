//! Obeys its documents: each says under `do` what is to be returned for it.
#![cfg(target_family = "wasm")]

mod script;

script::scripted!(
    plugin_sdk::Manifest::new("scripted", "things")
        .version(1)
        .description("Obeys its documents")
        .reads("facts")
        .writes("others")
);
