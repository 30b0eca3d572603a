//! The scripted guest, asking for a secret, with a `revert`: what a document says under `undo`.
#![cfg(target_family = "wasm")]

#[path = "../../scripted/src/script.rs"]
mod script;

script::scripted!(
    plugin_sdk::Manifest::new("secretive", "things")
        .description("Obeys its documents, and knows a secret")
        .secret("api-key")
);

impl plugin_sdk::__component::revert::exports::migration::plugin::revert::Guest for Guest {
    fn revert(
        documents: Vec<plugin_sdk::__component::migration::migration::plugin::types::Document>,
    ) -> Vec<plugin_sdk::__component::migration::migration::plugin::types::Outcome> {
        script::obey(documents, script::Way::Back)
    }
}

plugin_sdk::__component::export_revert!(Guest with_types_in plugin_sdk::__component::revert);
