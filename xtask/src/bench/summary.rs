//! Medians, ratios, and tables of them (in Markdown, for `docs/performance.md`).

use std::fmt;

use super::competitors::{Competitor, Goal};
use super::tools::Measurement;

/// What a competitor took, over all its runs.
#[derive(Debug, Clone)]
pub struct Row {
    name: &'static str,
    is_host: bool,
    goal: Goal,
    seconds: f64,
    fastest: f64,
    slowest: f64,
    cpu_seconds: f64,
    peak_bytes: f64,
    stolen: Option<f64>,
}

impl Row {
    /// Sums the runs of a competitor up.
    pub fn new(competitor: &Competitor, runs: &[Measurement]) -> Self {
        let all = |value: fn(&Measurement) -> f64| runs.iter().map(value).collect::<Vec<_>>();
        let seconds = all(|run| run.seconds);
        Self {
            name: competitor.name,
            is_host: competitor.is_host(),
            goal: competitor.goal,
            seconds: median(&seconds),
            fastest: seconds.iter().copied().fold(f64::INFINITY, f64::min),
            slowest: seconds.iter().copied().fold(0.0, f64::max),
            cpu_seconds: median(&all(|run| run.cpu_seconds)),
            // The highest, not the median: it is a peak.
            peak_bytes: all(|run| run.peak_bytes).into_iter().fold(0.0, f64::max),
            stolen: runs
                .iter()
                .map(|run| run.stolen)
                .collect::<Option<Vec<_>>>()
                .map(|stolen| median(&stolen)),
        }
    }

    /// Whether the others are compared with this one.
    pub fn is_host(&self) -> bool {
        self.is_host
    }

    /// The median of its runs' times.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// A figure with a name.
pub struct Figure {
    name: String,
    value: String,
    goal: String,
}

impl Figure {
    /// A figure that nothing is promised of.
    pub fn new(name: impl Into<String>, value: String) -> Self {
        Self {
            name: name.into(),
            value,
            goal: String::new(),
        }
    }

    /// A figure that shall be no higher than this.
    pub fn at_most(self, value: f64, goal: f64, shown: &str) -> Self {
        Self {
            goal: verdict(format!("≤ {shown}"), value <= goal),
            ..self
        }
    }
}

fn verdict(goal: String, is_reached: bool) -> String {
    format!("{goal}: {}", if is_reached { "reached" } else { "missed" })
}

/// How long the updates of an application took.
#[derive(Debug, Clone, Copy)]
pub struct Latencies {
    /// How many there were.
    pub updates: f64,
    /// Half of them took no longer than this.
    pub median_ms: f64,
    /// 99 of a hundred took no longer than this.
    pub p99_ms: f64,
    /// None took longer than this.
    pub slowest_ms: f64,
}

impl Latencies {
    /// What is promised of them beside the host, and whether it was reached.
    pub fn goals(&self) -> String {
        let p99 = verdict("99th ≤ 25 ms".to_owned(), self.p99_ms <= 25.0);
        let slowest = verdict("slowest ≤ 100 ms".to_owned(), self.slowest_ms <= 100.0);
        format!("{p99}, {slowest}")
    }
}

/// A table in Markdown, with a line for each row and aligned columns.
pub struct Table {
    cells: Vec<Vec<String>>,
}

impl Table {
    /// Rows of cells, of which the first has the titles.
    pub fn new(cells: Vec<Vec<String>>) -> Self {
        Self { cells }
    }

    /// The competition. Ratios and goals are there if the host took part.
    pub fn of_competitors(rows: &[Row], documents: u64) -> Self {
        let host = rows.iter().find(|row| row.is_host);
        let mut cells = vec![
            [
                "",
                "documents/s",
                "median",
                "fastest to slowest",
                "processor",
                "stolen",
                "peak memory",
                "host compared with it",
                "goal",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for row in rows {
            let (ratio, goal) = match host {
                Some(host) if !row.is_host => compared(host.seconds, row.seconds, row.goal),
                _ => (String::new(), String::new()),
            };
            cells.push(vec![
                row.name.to_owned(),
                count(rate(documents, row.seconds)),
                seconds(row.seconds),
                format!("{:.2} to {:.2} s", row.fastest, row.slowest),
                seconds(row.cpu_seconds),
                row.stolen
                    .map_or_else(String::new, |share| format!("{:.0} %", share * 100.0)),
                format!("{:.0} MB", row.peak_bytes / 1e6),
                ratio,
                goal,
            ]);
        }
        Self { cells }
    }

    /// Figures, one below the other.
    pub fn of_figures(figures: &[Figure]) -> Self {
        let mut cells = vec![["", "measured", "goal"].map(str::to_owned).to_vec()];
        cells.extend(figures.iter().map(|figure| {
            vec![
                figure.name.clone(),
                figure.value.clone(),
                figure.goal.clone(),
            ]
        }));
        Self { cells }
    }

    /// The updates of an application on different occasions, with what is promised of them then. None was lost,
    /// or there would be no table.
    pub fn of_latencies(occasions: &[(&str, Latencies, String)]) -> Self {
        let mut cells = vec![
            [
                "an application's updates",
                "number",
                "median",
                "99th percentile",
                "slowest",
                "lost",
                "goal",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for (occasion, latencies, goals) in occasions {
            let milliseconds = |value| format!("{} ms", three_digits(value));
            cells.push(vec![
                (*occasion).to_owned(),
                format!("{:.0}", latencies.updates),
                milliseconds(latencies.median_ms),
                milliseconds(latencies.p99_ms),
                milliseconds(latencies.slowest_ms),
                "0".to_owned(),
                goals.clone(),
            ]);
        }
        Self { cells }
    }
}

/// The host's time beside a competitor's, and what was promised of that.
pub fn compared(host: f64, other: f64, goal: Goal) -> (String, String) {
    let faster = other / host;
    match goal {
        Goal::None => (format!("{} as fast", times(faster)), String::new()),
        Goal::Faster(least) => (
            format!("{} as fast", times(faster)),
            verdict(format!("≥ {least}"), faster >= least),
        ),
        Goal::Within(most) => (
            format!("{} its time", times(1.0 / faster)),
            verdict(format!("≤ {most}"), 1.0 / faster <= most),
        ),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.cells.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.cells.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.cells.iter().enumerate() {
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                // Names to the left, figures to the right.
                if column == 0 {
                    write!(formatter, "| {cell:<width$} ")?;
                } else {
                    write!(formatter, "| {cell:>width$} ")?;
                }
            }
            writeln!(formatter, "|")?;
            if number == 0 {
                for (column, &width) in widths.iter().enumerate() {
                    let end = if column == 0 { "-" } else { ":" };
                    write!(formatter, "|{}{end}", "-".repeat(width + 1))?;
                }
                writeln!(formatter, "|")?;
            }
        }
        Ok(())
    }
}

/// The middle of some values; of an even number of them, the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = sorted.len() / 2;
    match (
        sorted.len() % 2,
        sorted.get(upper.wrapping_sub(1)),
        sorted.get(upper),
    ) {
        (0, Some(low), Some(high)) => f64::midpoint(*low, *high),
        (_, _, Some(middle)) => *middle,
        _ => f64::NAN,
    }
}

/// How many documents a second.
pub fn rate(documents: u64, seconds: f64) -> u64 {
    // Rates are nowhere near the ends of either type.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    let rate = (documents as f64 / seconds).round() as u64;
    rate
}

/// A number with its thousands told apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A ratio.
pub fn times(ratio: f64) -> String {
    format!("{ratio:.2} ×")
}

/// A time in seconds.
pub fn seconds(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

/// A number with at least three digits.
pub fn three_digits(number: f64) -> String {
    let decimals = match number {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, is_host: bool, goal: Goal, seconds: f64) -> Row {
        Row {
            name,
            is_host,
            goal,
            seconds,
            fastest: seconds - 0.5,
            slowest: seconds + 0.5,
            cpu_seconds: seconds,
            peak_bytes: 42e6,
            stolen: (!is_host).then_some(0.034),
        }
    }

    #[test]
    fn the_table_compares_everyone_with_the_host() {
        let rows = [
            row("host", true, Goal::None, 5.0),
            row("node", false, Goal::Faster(3.0), 16.0),
            row("floor", false, Goal::Within(1.25), 2.5),
        ];
        assert_eq!(
            Table::of_competitors(&rows, 1_000_000).to_string(),
            "\
|       | documents/s |  median | fastest to slowest | processor | stolen | peak memory | host compared with it |           goal |
|-------|------------:|--------:|-------------------:|----------:|-------:|------------:|----------------------:|---------------:|
| host  |     200,000 |  5.00 s |     4.50 to 5.50 s |    5.00 s |        |       42 MB |                       |                |
| node  |      62,500 | 16.00 s |   15.50 to 16.50 s |   16.00 s |    3 % |       42 MB |        3.20 × as fast |   ≥ 3: reached |
| floor |     400,000 |  2.50 s |     2.00 to 3.00 s |    2.50 s |    3 % |       42 MB |       2.00 × its time | ≤ 1.25: missed |
"
        );
    }

    #[test]
    fn figures_have_goals_or_none() {
        let figures = [
            Figure::new("undoing", "4.00 s".into()),
            Figure::new("… compared", "0.80 ×".into()).at_most(0.8, 1.0, "1"),
        ];
        assert_eq!(
            Table::of_figures(&figures).to_string(),
            "\
|            | measured |         goal |
|------------|---------:|-------------:|
| undoing    |   4.00 s |              |
| … compared |   0.80 × | ≤ 1: reached |
"
        );
    }

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn numbers_are_spelled_for_people() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0.123, 12.34, 1234.5].map(three_digits),
            ["0.12", "12.3", "1234"]
        );
        assert_eq!(rate(1000, 0.5), 2000);
    }
}
