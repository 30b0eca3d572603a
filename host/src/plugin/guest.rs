//! What belongs to one instance: its memory account, its log, its lookups, and a WASI with nothing in it.

use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::limits::{Limit, Limits};
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
    /// The limit that ended the call, where one did.
    pub exceeded: Option<Limit>,
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
                limit: limits.instance_memory,
                used: 0,
                refused: false,
            },
            lookups: Lookups::new(limits),
            documents,
            exceeded: None,
            log: Log::default(),
            resources,
        }
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

/// How many core instances, memories and tables a component may have at the most, of each.
pub(super) const MOST_PARTS: u32 = 100;

/// Adds up what the memories and tables of an instance take: a limit for each of them would be none for
/// an instance with many.
pub(super) struct MemoryAccount {
    limit: usize,
    used: usize,
    /// The guest was refused memory. What it does next, most likely a trap, comes of that.
    pub refused: bool,
}

/// What an element of a table takes in the host, in bytes.
const TABLE_ELEMENT: usize = std::mem::size_of::<usize>();

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
        MOST_PARTS as usize
    }

    fn memories(&self) -> usize {
        MOST_PARTS as usize
    }

    fn tables(&self) -> usize {
        MOST_PARTS as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut account = MemoryAccount {
            limit: 1000,
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
