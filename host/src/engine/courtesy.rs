//! Leaving other writers their turn.
//!
//! SQLite has no queue for its write lock: whoever waits looks again after 1, 2, 5, 10, … up to 100 ms. A run
//! that takes the lock again right after each commit would keep them out for seconds, however short its
//! batches are. Nothing tells that somebody waits, but the store tells that somebody has written. So a run
//! leaves a gap now and then in which a waiting writer can get in, and once one has, it holds the lock for a
//! short time only, and leaves it free for longer than it holds it.

use std::time::{Duration, Instant};

/// How long after another's write more of them are expected.
const EXPECTED: Duration = Duration::from_secs(2);

/// How often a gap is left while nobody else seems to write.
const INTERVAL: Duration = Duration::from_millis(150);

/// How long that gap is: a writer that has waited for up to 50 ms looks again within it.
const GAP: Duration = Duration::from_millis(12);

/// The part of the time that a batch may hold the lock while others write.
const SHARE: u32 = 8;

/// How long the lock is left free while others write, at least, and how many times as long as it was held.
const FREE: Duration = Duration::from_millis(4);
const FREE_TIMES: u32 = 2;

/// When others have written, and when they last had a gap.
#[derive(Debug)]
pub(super) struct Courtesy {
    others_wrote: Option<Instant>,
    gap: Instant,
}

impl Courtesy {
    pub fn new(now: Instant) -> Self {
        Self {
            others_wrote: None,
            gap: now,
        }
    }

    /// One that leaves a gap after its first transaction, to see who is there.
    pub fn with_gap(now: Instant) -> Self {
        Self::new(now.checked_sub(INTERVAL).unwrap_or(now))
    }

    /// Another connection has written.
    pub fn others_wrote(&mut self, now: Instant) {
        self.others_wrote = Some(now);
    }

    /// Whether others are likely to write soon.
    pub fn expects_others(&self, now: Instant) -> bool {
        self.others_wrote
            .is_some_and(|then| now.saturating_duration_since(then) < EXPECTED)
    }

    /// How long the next batch should hold the lock at the most.
    pub fn max_lock(&self, now: Instant, most: Duration) -> Duration {
        if self.expects_others(now) {
            most / SHARE
        } else {
            most
        }
    }

    /// How long to leave the lock free after it was held.
    pub fn rest(&mut self, now: Instant, held: Duration) -> Duration {
        if self.expects_others(now) {
            self.gap = now;
            return (held * FREE_TIMES).max(FREE);
        }
        if now.saturating_duration_since(self.gap) < INTERVAL {
            return Duration::ZERO;
        }
        self.gap = now;
        GAP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_run_that_is_alone_leaves_a_gap_now_and_then() {
        let start = Instant::now();
        let mut courtesy = Courtesy::new(start);
        assert_eq!(courtesy.rest(start + MS(100), MS(50)), Duration::ZERO);
        assert_eq!(courtesy.rest(start + MS(150), MS(50)), GAP);
        assert_eq!(courtesy.rest(start + MS(200), MS(50)), Duration::ZERO);
        assert_eq!(courtesy.max_lock(start, MS(50)), MS(50));

        let later = start + INTERVAL;
        let mut courtesy = Courtesy::with_gap(later);
        assert_eq!(courtesy.rest(later + MS(1), MS(1)), GAP);
        assert_eq!(courtesy.rest(later + MS(2), MS(1)), Duration::ZERO);
    }

    #[test]
    fn a_run_beside_a_writer_holds_the_lock_less_than_it_leaves_it_free() {
        let start = Instant::now();
        let mut courtesy = Courtesy::new(start);
        courtesy.others_wrote(start);
        assert_eq!(courtesy.rest(start + MS(10), MS(6)), MS(12));
        assert_eq!(courtesy.rest(start + MS(20), MS(1)), FREE);
        assert!(courtesy.max_lock(start + MS(20), MS(50)) < MS(7));
        // Nobody has written for a while.
        assert_eq!(courtesy.max_lock(start + EXPECTED, MS(50)), MS(50));
    }
}
