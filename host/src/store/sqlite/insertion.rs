//! The statement that adds a row.

use std::sync::Arc;

use super::codec::NewRow;
use super::layout::Layout;
use super::writer::mark;

/// The statement that last added a row. Most rows have the same columns as the one before, and making the statement
/// takes longer than finding that it fits.
pub(super) struct Insertion {
    layout: Arc<Layout>,
    columns: Vec<usize>,
    numbered: bool,
    binary: bool,
    sql: String,
}

impl Insertion {
    pub fn new(layout: &Arc<Layout>, row: &NewRow, binary: bool) -> Self {
        let indexes = || row.assignments.iter().map(|(index, _)| *index);
        let mut columns: Vec<_> = indexes().map(|index| layout.column(index)).collect();
        let mut marks: Vec<_> = indexes().map(|index| mark(layout, index, binary)).collect();
        if let (Some(rowid), Some(_)) = (layout.rowid, &row.number) {
            columns.push(rowid.to_owned());
            marks.push("?");
        }
        let sql = if columns.is_empty() {
            format!("INSERT INTO {} DEFAULT VALUES", layout.from)
        } else {
            format!(
                "INSERT INTO {} ({}) VALUES ({})",
                layout.from,
                columns.join(", "),
                marks.join(", ")
            )
        };
        Self {
            layout: Arc::clone(layout),
            columns: indexes().collect(),
            numbered: row.number.is_some(),
            binary,
            sql,
        }
    }

    /// Whether it adds this row, too.
    pub fn fits(&self, layout: &Arc<Layout>, row: &NewRow, binary: bool) -> bool {
        Arc::ptr_eq(&self.layout, layout)
            && self.binary == binary
            && self.numbered == row.number.is_some()
            && self
                .columns
                .iter()
                .eq(row.assignments.iter().map(|(index, _)| index))
    }

    pub fn sql(&self) -> &str {
        &self.sql
    }
}
