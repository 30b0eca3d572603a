//! Leaving other writers their turn.
//!
//! SQLite has no queue for its write lock: whoever waits looks again after 1, 2, 5, 10, … up to 100 ms. A run
//! that takes the lock again right after each commit would keep them out for seconds, however short its
//! batches are. Nothing tells that somebody waits, but the store tells that somebody has written. So a run
//! leaves a gap now and then in which a waiting writer can get in, and once one has, it holds the lock for a
//! short time only, and leaves it free for longer than it holds it. Where the store can tell that no other program has it
//! open, there is nobody to leave a gap for.

use std::time::{Duration, Instant};

/// How long after another's write more of them are expected.
const EXPECTED: Duration = Duration::from_secs(2);

/// How often a gap is left for others that have the store open and do not seem to write.
const INTERVAL: Duration = Duration::from_millis(100);

/// The same where they have just come, and may want to write.
const ARRIVED: Duration = Duration::from_millis(50);

/// How long that gap is: a writer that has waited for up to 50 ms looks again within it.
const GAP: Duration = Duration::from_millis(12);

/// The part of the time that a batch may hold the lock while others write.
const SHARE: u32 = 8;

/// How long the lock is left free while others write, at least, and how many times as long as it was held.
const FREE: Duration = Duration::from_millis(4);
const FREE_TIMES: u32 = 2;

/// When others have written, and when they last had a gap.
#[derive(Debug, Default)]
pub(super) struct Courtesy {
    others_wrote: Option<Instant>,
    /// Others may have had the store open when this was last asked.
    company: bool,
    gap: Option<Instant>,
}

impl Courtesy {
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

    /// How long to leave the lock free after it was held, by whether others may have the store open.
    pub fn rest(&mut self, now: Instant, held: Duration, company: bool) -> Duration {
        let came = company && !self.company;
        self.company = company;
        if self.expects_others(now) {
            self.gap = Some(now);
            return (held * FREE_TIMES).max(FREE);
        }
        let interval = if came { ARRIVED } else { INTERVAL };
        let recent = |gap| now.saturating_duration_since(gap) < interval;
        if !company || self.gap.is_some_and(recent) {
            return Duration::ZERO;
        }
        self.gap = Some(now);
        GAP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_run_in_company_leaves_a_gap_at_once_and_then_now_and_then() {
        let start = Instant::now();
        let mut courtesy = Courtesy::default();
        let mut rest = |at| courtesy.rest(start + MS(at), MS(50), true);
        assert_eq!(rest(1), GAP);
        assert_eq!(rest(60), Duration::ZERO);
        assert_eq!(rest(101), GAP);
        assert_eq!(rest(160), Duration::ZERO);
        assert_eq!(courtesy.max_lock(start, MS(50)), MS(50));
    }

    #[test]
    fn a_run_that_is_alone_leaves_a_gap_for_those_who_come() {
        let start = Instant::now();
        let mut courtesy = Courtesy::default();
        let mut rest = |at, company| courtesy.rest(start + MS(at), MS(50), company);
        assert_eq!(rest(1, false), Duration::ZERO);
        assert_eq!(rest(1000, false), Duration::ZERO);
        assert_eq!(rest(1001, true), GAP);
        // Who comes and goes all the time does not have one each time.
        assert_eq!(rest(1020, false), Duration::ZERO);
        assert_eq!(rest(1030, true), Duration::ZERO);
        assert_eq!(rest(1040, false), Duration::ZERO);
        assert_eq!(rest(1051, true), GAP);
        assert_eq!(rest(1101, true), Duration::ZERO);
    }

    #[test]
    fn a_run_beside_a_writer_holds_the_lock_less_than_it_leaves_it_free() {
        let start = Instant::now();
        let mut courtesy = Courtesy::default();
        courtesy.others_wrote(start);
        assert_eq!(courtesy.rest(start + MS(10), MS(6), true), MS(12));
        // It may open the store each time anew.
        assert_eq!(courtesy.rest(start + MS(20), MS(1), false), FREE);
        assert!(courtesy.max_lock(start + MS(20), MS(50)) < MS(7));
        // Nobody has written for a while.
        assert_eq!(courtesy.max_lock(start + EXPECTED, MS(50)), MS(50));
    }
}
