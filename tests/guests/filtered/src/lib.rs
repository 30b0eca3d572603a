//! The scripted guest behind a filter.
#![cfg(target_family = "wasm")]

#[path = "../../scripted/src/script.rs"]
mod script;

script::scripted!(
    plugin_sdk::Manifest::new("filtered", "things")
        .description("Obeys the documents whose todo is yes")
        .only_if(plugin_sdk::at("/todo").equals("yes"))
);
