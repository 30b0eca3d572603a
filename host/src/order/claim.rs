//! The claim to a store's order of migrations: one process applies them, or takes them back, at a time.
//!
//! A claim is renewed before each migration. While a plugin works, its run's own claim shows that the process is
//! alive. So nobody has to write to the database beside the engine, which would take it for an application at work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::error::OrderError;
use crate::engine::now;
use crate::ledger::{Holder, Lease};
use crate::store::{Store, StoreError, Writer, in_transaction};

/// How often a process that waits for another looks whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A claim, which ends with this value.
pub struct Claim {
    writer: Box<dyn Writer>,
}

impl Claim {
    /// Claims the order of migrations. Where another process has, it is refused, or waits until that one ends.
    ///
    /// # Errors
    /// If another process has claimed it, or the store cannot be written.
    pub fn take(store: &dyn Store, wait: bool, stop: &AtomicBool) -> Result<Self, OrderError> {
        let mut claim = Self {
            writer: store.writer()?,
        };
        let mut told = false;
        loop {
            match claim.renew() {
                Err(error @ OrderError::Busy { .. }) if wait && !stop.load(Ordering::Relaxed) => {
                    if !told {
                        tracing::warn!("waiting: {error}");
                        told = true;
                    }
                    std::thread::sleep(LOOK_AGAIN);
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(claim),
            }
        }
    }

    /// Makes sure that this process, and no other, works on the migrations.
    ///
    /// # Errors
    /// If another has claimed them meanwhile, or the store cannot be written.
    pub fn renew(&mut self) -> Result<(), OrderError> {
        in_transaction(self.writer.as_mut(), |writer| {
            if let Some(holder) = held(writer)? {
                return Err(OrderError::Busy {
                    machine: holder.machine,
                    process: holder.process,
                });
            }
            Ok(writer.set_order_lease(Some(&Lease::new(now())))?)
        })
    }

    /// The ledger, to be read while nobody else changes the order.
    pub fn ledger(&mut self) -> &mut dyn Writer {
        self.writer.as_mut()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let released: Result<(), StoreError> = in_transaction(self.writer.as_mut(), |writer| {
            // It may be another's by now.
            match writer.order_lease()? {
                Some(lease) if lease.holder == Holder::this() => writer.set_order_lease(None),
                _ => Ok(()),
            }
        });
        if let Err(error) = released {
            // Others find out that this process is gone.
            tracing::debug!(%error, "the claim to the migrations cannot be given back");
        }
    }
}

/// Whether another process works on the migrations.
fn held(writer: &mut dyn Writer) -> Result<Option<Holder>, StoreError> {
    let Some(lease) = writer.order_lease()? else {
        return Ok(None);
    };
    let now = now();
    let alive = lease.holds_against_this(now)
        || writer.runs()?.iter().any(|run| {
            run.lease
                .as_ref()
                .is_some_and(|own| own.holder == lease.holder && own.holds_against_this(now))
        });
    Ok(alive.then_some(lease.holder))
}
