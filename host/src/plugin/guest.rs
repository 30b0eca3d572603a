//! What belongs to one instance: its memory account, its log, its lookups, and a WASI with nothing in it.

use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::error::CallError;
use super::limits::{Limits, Usage};
use super::log::Log;
use super::wasi;
use super::world::{Lookups, World};

/// The host's side of one instance.
pub(super) struct Guest {
    pub world: World,
    pub limits: Limits,
    pub memory: MemoryAccount,
    pub lookups: Lookups,
    /// How many documents the call is for.
    pub documents: usize,
    /// What the host ended the call for, where it did.
    pub ended: Option<CallError>,
    pub log: Log,
    wasi: WasiCtx,
    resources: ResourceTable,
}

impl Guest {
    pub fn new(world: World, limits: &Limits, documents: usize) -> Self {
        let mut resources = ResourceTable::new();
        // No guest needs many streams; each costs the host memory.
        resources.set_max_capacity(1_000);
        Self {
            wasi: wasi::context(world.fixed.now, &world.fixed.migration),
            world,
            limits: limits.clone(),
            memory: MemoryAccount {
                limit: limits.instance_memory.0,
                parts: limits.instance_parts.0,
                used: 0,
                refused: false,
            },
            lookups: Lookups::new(limits, documents),
            documents,
            ended: None,
            log: Log::default(),
            resources,
        }
    }

    /// Notes what the call used.
    pub fn note(&self, usage: &mut Usage) {
        usage.instance_memory.count(self.memory.used);
        self.lookups.note(usage);
        self.log.note(usage);
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.resources,
        }
    }
}

/// Adds up what the memories and tables of an instance take: a limit for each of them would be none for
/// an instance with many.
pub(super) struct MemoryAccount {
    limit: usize,
    /// How many core instances, memories and tables there may be, of each.
    parts: usize,
    used: usize,
    /// The guest was refused memory. What it does next, most likely a trap, comes of that.
    pub refused: bool,
}

/// What an element of a table takes in the host, in bytes.
pub(super) const TABLE_ELEMENT: usize = std::mem::size_of::<usize>();

impl MemoryAccount {
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            self.refused = true;
            return false;
        }
        self.used = used;
        true
    }
}

impl ResourceLimiter for MemoryAccount {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(
            current.saturating_mul(TABLE_ELEMENT),
            desired.saturating_mul(TABLE_ELEMENT),
        ))
    }

    fn instances(&self) -> usize {
        self.parts
    }

    fn memories(&self) -> usize {
        self.parts
    }

    fn tables(&self) -> usize {
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut account = MemoryAccount {
            limit: 1000,
            parts: 1,
            used: 0,
            refused: false,
        };
        assert!(account.memory_growing(0, 500, None).unwrap());
        assert!(account.memory_growing(0, 300, None).unwrap());
        assert!(!account.table_growing(0, 100, None).unwrap());
        assert!(account.refused);
        assert!(account.table_growing(0, 25, None).unwrap());
        assert!(!account.memory_growing(500, 501, None).unwrap());
    }
}
