//! How the commands load plugins, and the flags for the cache of compiled ones.

use std::path::Path;

use bytesize::ByteSize;
use tracing::{info, warn};

use super::compiler::compiler;
use crate::config::File;
use crate::plugin::compile::cache::SIZE;
use crate::plugin::{Cache, CacheError, LimitSettings, Plugin, PluginError};

/// What is kept of plugins once they are compiled.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct CacheArguments {
    /// Compiled plugins that are kept for the next start; 0 compiles anew and keeps none [default: 512MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "HOST_CACHE_SIZE",
        hide_short_help = true
    )]
    cache_size: Option<ByteSize>,
}

impl CacheArguments {
    /// Loads a plugin, with the limits that the flags and the settings file say. Which of these are its migration's own is
    /// known only once it has said what it is.
    pub fn load(
        &self,
        plugin: &Path,
        limits: &LimitSettings,
        file: &File,
    ) -> Result<Plugin, PluginError> {
        let compiler = compiler()?.with_cache(self.cache(file));
        let loaded = Plugin::load(plugin, &limits.over(&file.limits), &compiler)?;
        match file.limits_of.get(&loaded.manifest.name) {
            None => Ok(loaded),
            Some(own) => Plugin::load(plugin, &limits.or(own).over(&file.limits), &compiler),
        }
    }

    /// The user's cache, unless none is wanted, or none can be had: then plugins are compiled each time.
    pub fn cache(&self, file: &File) -> Option<Cache> {
        let size = self
            .cache_size
            .or(file.cache_size)
            .map_or(SIZE, |size| size.as_u64());
        if size == 0 {
            return None;
        }
        match Cache::of_user(size) {
            Ok(cache) => Some(cache),
            Err(error) => {
                match error {
                    CacheError::NotOurs { .. } => warn!("compiled plugins are not kept: {error}"),
                    // Where there is no home, as in many containers, nobody needs to be told each time.
                    _ => info!("compiled plugins are not kept: {error}"),
                }
                None
            }
        }
    }
}
