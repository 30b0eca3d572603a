//! Conditions on a store that a deployment waits for.

use super::plan::{Entry, Plan};
use super::standing::{Known, State};

/// What must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gate {
    /// These are applied.
    pub applied: Vec<String>,
    /// The schema version is this one, or a later one.
    pub version: Option<u32>,
    /// No document is left that failed.
    pub no_failures: bool,
    /// Everything that is in the folder is applied.
    pub none_pending: bool,
    /// Applied migrations have the bytes that were applied.
    pub unchanged: bool,
}

impl Gate {
    /// Why it stays shut; nothing if it opens.
    #[must_use]
    pub fn reasons(&self, plan: &Plan) -> Vec<String> {
        let mut reasons = Vec::new();
        let find = |name: &str| plan.entries.iter().find(|entry| entry.name == name);
        for name in &self.applied {
            let state = find(name).map(|entry| (entry.standing.state, entry.standing.failed));
            match state {
                None => reasons.push(format!("`{name}` is not known")),
                Some((State::Applied, _)) => {}
                // Failures have a condition of their own.
                Some((State::FailuresLeft, _)) if self.no_failures => {}
                Some((State::FailuresLeft, failed)) => {
                    reasons.push(format!("`{name}` is applied but for {failed} failed"));
                }
                Some((state, _)) => reasons.push(format!("`{name}` is {}", state.name())),
            }
        }
        match (self.version, plan.version()) {
            (Some(wanted), Some(found)) if found < wanted => {
                reasons.push(format!("the schema version is {found}, not {wanted}"));
            }
            (Some(wanted), None) => {
                reasons.push(format!("there is no schema version yet, not {wanted}"));
            }
            _ => {}
        }
        let names = |holds: &dyn Fn(&&Entry) -> bool| {
            let names: Vec<_> = plan
                .entries
                .iter()
                .filter(holds)
                .map(|entry| format!("`{}`", entry.name))
                .collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        if self.no_failures {
            let failed = names(&|entry| entry.standing.failed > 0);
            reasons.extend(failed.map(|names| format!("documents failed in {names}")));
        }
        if self.none_pending {
            let due = names(&|entry| {
                entry.is_due() && !(self.no_failures && entry.standing.state == State::FailuresLeft)
            });
            reasons.extend(due.map(|names| format!("not applied: {names}")));
        }
        if self.unchanged {
            let changed = names(&|entry| entry.changed().is_some());
            reasons
                .extend(changed.map(|names| format!("changed since they were applied: {names}")));
        }
        reasons
    }
}

/// Which of these migrations, each a name and the SHA-256 of its bytes, have not come to their end as they are in
/// the store that `proof` is of.
#[must_use]
pub fn unproven<'a>(
    proof: &Known,
    migrations: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<&'a str> {
    migrations
        .into_iter()
        .filter(|(name, sha256)| !proof.succeeded(name, sha256))
        .map(|(name, _)| name)
        .collect()
}
