//! What a plugin used, in figures for people and for scripts.

use indicatif::HumanBytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::show::{columns, count};
use crate::plugin::Used;
use crate::plugin::gauge::Unit;

/// An amount with its unit.
pub(super) fn amount(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Bytes => HumanBytes(amount).to_string(),
        Unit::Pieces => count(amount),
        Unit::Nanoseconds => time(amount as f64),
    }
}

/// Nanoseconds, in the unit in which they are read best.
fn time(nanoseconds: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let fits = UNITS.into_iter().find(|(unit, _)| nanoseconds >= *unit);
    let (unit, name) = fits.unwrap_or((1e3, "µs"));
    format!("{:.1} {name}", nanoseconds / unit)
}

/// A part of a whole.
fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The limit that is the nearest: what was used of it, by which part and name.
pub(super) fn nearest(limits: &[Used]) -> String {
    let nearest = limits
        .iter()
        .filter(|used| used.unit != Unit::Nanoseconds)
        .max_by(|one, other| one.share().total_cmp(&other.share()));
    match nearest {
        Some(used) if used.used > 0 => format!("{} of {}", percent(used.share()), used.name),
        _ => String::new(),
    }
}

/// A table of what was used of limits. Those of which nothing was used stand below it, by name.
pub(super) fn table(limits: &[Used]) -> String {
    let mut rows = vec![["LIMIT", "MOST USED", "OF", ""].map(str::to_owned).to_vec()];
    let (used, unused): (Vec<_>, Vec<_>) = limits.iter().partition(|used| used.used > 0);
    rows.extend(used.into_iter().map(|used| {
        vec![
            used.name.clone(),
            amount(used.unit, used.used),
            amount(used.unit, used.limit),
            percent(used.share()),
        ]
    }));
    let mut text = columns(&rows, &[1, 2, 3]);
    if !unused.is_empty() {
        let names: Vec<_> = unused.iter().map(|used| used.name.as_str()).collect();
        text.push_str(&format!("Not used: {}\n", names.join(", ")));
    }
    text
}

/// What was used of limits, for scripts.
pub(super) fn json(limits: &[Used]) -> Value {
    limits
        .iter()
        .map(|used| {
            json!({
                "name": used.name,
                "used": used.used,
                "limit": used.limit,
                "unit": Name::from(used.unit),
            })
        })
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Bytes,
    Pieces,
    Nanoseconds,
}

impl From<Unit> for Name {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Bytes => Self::Bytes,
            Unit::Pieces => Self::Pieces,
            Unit::Nanoseconds => Self::Nanoseconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(name: &str, used: u64, limit: u64, unit: Unit) -> Used {
        Used {
            name: name.into(),
            used,
            limit,
            unit,
        }
    }

    #[test]
    fn limits_are_shown_with_what_is_left_of_them() {
        let limits = [
            used("instance-memory", 1_179_648, 268_435_456, Unit::Bytes),
            used("batch-time", 12_300, 10_000_000_000, Unit::Nanoseconds),
            used("json-depth", 64, 128, Unit::Pieces),
            used("lookups", 0, 100_000, Unit::Pieces),
        ];
        assert_eq!(
            table(&limits),
            "LIMIT            MOST USED          OF\n\
             instance-memory   1.12 MiB  256.00 MiB   0.4 %\n\
             batch-time         12.3 µs      10.0 s   0.0 %\n\
             json-depth              64         128  50.0 %\n\
             Not used: lookups\n"
        );
        assert_eq!(nearest(&limits), "50.0 % of json-depth");
        assert_eq!(nearest(&[]), "");
    }
}
