//! What a plugin says of itself, without loading it where that was asked before.
//!
//! A folder may hold hundreds of plugins, and putting them in order takes their manifests alone. What `describe`
//! answers depends on nothing but the plugin's bytes: it has no clock, no random numbers, no documents. So the answer
//! is kept beside the compiled code, under the same SHA-256 and with the same care: who could plant one could plant
//! code. Whoever runs the plugin asks it again.

use std::path::{Path, PathBuf};

use migration_document::Manifest;
use serde::{Deserialize, Serialize};

use super::compile::identity;
use super::{Cache, Limits, Plugin, PluginError, checked, hexadecimal, read};

/// What is known of a plugin that is not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// What it says of itself.
    pub manifest: Manifest,
    /// It has a `revert` of its own.
    pub reverts: bool,
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    manifest: Manifest,
    reverts: bool,
}

impl Described {
    /// What the cache knows of a plugin; else it is loaded, and what it says is kept.
    ///
    /// # Errors
    /// If the file is no plugin for this host, or its manifest cannot be used.
    pub fn of(
        path: &Path,
        limits: &Limits,
        cache: Option<&Cache>,
        load: impl FnOnce() -> Result<Plugin, PluginError>,
    ) -> Result<Self, PluginError> {
        let identity = identity(&read(path, limits)?);
        let kept = cache
            .and_then(|cache| cache.description(&identity))
            .and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        if let Some(Kept { manifest, reverts }) = kept {
            // The limits may be others than they were.
            checked(&manifest, limits)?;
            return Ok(Self {
                path: path.into(),
                sha256: hexadecimal(&identity),
                manifest,
                reverts,
            });
        }
        let plugin = load()?;
        let described = Self::from(&plugin);
        // The file may have become another one since it was read.
        if let (Some(cache), true) = (cache, described.sha256 == hexadecimal(&identity)) {
            let kept = Kept {
                manifest: described.manifest.clone(),
                reverts: described.reverts,
            };
            if let Ok(text) = serde_json::to_vec(&kept) {
                cache.keep_description(&identity, &text);
            }
        }
        Ok(described)
    }
}

impl From<&Plugin> for Described {
    fn from(plugin: &Plugin) -> Self {
        Self {
            path: plugin.path.clone(),
            sha256: plugin.sha256.clone(),
            manifest: plugin.manifest.clone(),
            reverts: plugin.back().is_some(),
        }
    }
}
