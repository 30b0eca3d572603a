//! Who waits for whom: the writer for the plugin, or the other way round.

use std::time::Duration;

/// Batches that come before anything can be said: the queues are empty at first, and as long as batches grow, each is
/// waited for longer than the one before it took to write.
const WARM_UP: u32 = 12;

/// Batches by which it is said.
const ENOUGH: u32 = 4;

/// How the writer's time is spent.
#[derive(Debug, Default)]
pub(super) struct Balance {
    batches: u32,
    waited: Duration,
    worked: Duration,
}

impl Balance {
    /// Another batch has come: how long the writer worked before, and then waited for it.
    pub fn note(&mut self, worked: Duration, waited: Duration) {
        self.batches = self.batches.saturating_add(1);
        if self.batches > WARM_UP {
            self.worked += worked;
            self.waited += waited;
        }
    }

    /// Whether the writer waits most of the time: another thread that transforms is worth the processor that it takes.
    pub fn is_starved(&self) -> bool {
        self.batches >= WARM_UP + ENOUGH && self.waited > self.worked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(10);
    const LONG: Duration = Duration::from_millis(30);

    fn after(batches: u32, worked: Duration, waited: Duration) -> Balance {
        let mut balance = Balance::default();
        for _ in 0..batches {
            balance.note(worked, waited);
        }
        balance
    }

    #[test]
    fn a_writer_that_mostly_waits_is_starved() {
        assert!(after(WARM_UP + ENOUGH, SHORT, LONG).is_starved());
        assert!(!after(WARM_UP + ENOUGH, LONG, SHORT).is_starved());
        assert!(!after(1_000, SHORT, SHORT).is_starved());
    }

    #[test]
    fn nothing_is_said_of_the_first_batches() {
        assert!(!after(WARM_UP + ENOUGH - 1, SHORT, LONG).is_starved());
        let mut balance = after(WARM_UP, SHORT, LONG * 100);
        for _ in 0..ENOUGH {
            balance.note(LONG, SHORT);
        }
        assert!(!balance.is_starved());
    }
}
