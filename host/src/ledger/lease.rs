//! Claims to a table: one process migrates it at a time, and a dead one's claim does not last.

use std::time::Duration;

use super::{Holder, Lease};

/// How long a claim lasts that is not renewed.
pub const DURATION: Duration = Duration::from_secs(30);

/// How often a claim is renewed while nothing else is written.
pub const RENEWAL: Duration = Duration::from_secs(5);

impl Holder {
    /// This process.
    #[must_use]
    pub fn this() -> Self {
        let process = std::process::id();
        Self {
            machine: gethostname::gethostname().to_string_lossy().into_owned(),
            process,
            since: began(process).unwrap_or_default(),
        }
    }

    /// Whether the process is surely dead: it was one of this machine, and is not there any more.
    fn is_dead(&self) -> bool {
        let this = Self::this();
        // Where processes cannot be looked at, only time tells.
        this.since != 0 && self.machine == this.machine && began(self.process) != Some(self.since)
    }
}

/// When a process of this machine began, in ticks since the machine did; None if there is none, or no way
/// to tell. The 22nd field of `/proc/PID/stat`, see proc(5).
fn began(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name, in brackets, and may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let state = rest.split(' ').next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    rest.split(' ').nth(19)?.parse().ok()
}

impl Lease {
    /// A claim of this process from now on.
    #[must_use]
    pub fn new(now: u64) -> Self {
        Self {
            holder: Holder::this(),
            until: now + u64::try_from(DURATION.as_millis()).unwrap_or(u64::MAX / 2),
        }
    }

    /// Whether it keeps this process away.
    #[must_use]
    pub fn holds_against_this(&self, now: u64) -> bool {
        self.until > now && self.holder != Holder::this() && !self.holder.is_dead()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_holds_against_others_until_it_ends_or_its_holder_does() {
        let mine = Lease::new(1_000);
        assert!(!mine.holds_against_this(1_000));
        let elsewhere = Lease {
            holder: Holder {
                machine: "elsewhere".into(),
                ..Holder::this()
            },
            ..mine.clone()
        };
        assert!(elsewhere.holds_against_this(1_000));
        assert!(!elsewhere.holds_against_this(mine.until));
        let dead = Lease {
            holder: Holder {
                // No process has this number: it is beyond Linux's largest.
                process: u32::MAX,
                ..Holder::this()
            },
            ..mine.clone()
        };
        assert!(!dead.holds_against_this(1_000));
    }
}
