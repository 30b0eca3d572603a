//! Conditions become SQL.
//!
//! The SQL made here lets through *at least* the documents that meet the conditions; [`Filter`] judges
//! what it lets through. So a query may leave a condition out where SQLite sees values otherwise than
//! JSON does, and the answer is still exact.
//!
//! On a document table a condition becomes SQL only where an index serves it: `json_extract` fails a
//! whole query at the first body that is no JSON, and one bad document must not stop the others. An index
//! on an expression cannot hold such a body.

use std::collections::HashMap;

use migration_document::Filter;
use migration_document::filter::{Clause, Expected, Scalar};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::layout::{Affinity, Layout};
use super::sql::{json_path, quote, sqlite_error};
use crate::store::{Kind, Result};

/// Part of a WHERE clause, and what to bind.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Conditions {
    /// SQL texts, to be joined by AND; their parameters are `?`.
    pub terms: Vec<String>,
    /// What to bind, in order.
    pub values: Vec<Value>,
}

/// How people write the value at a path; the way that an index has been made must be met to the letter.
const SPELLINGS: [fn(&str, &str) -> String; 2] =
    [extract, |body, path| format!("{body} ->> {path}")];

/// The value at a path of a body, as the host's own indexes spell it.
pub(super) fn extract(body: &str, path: &str) -> String {
    format!("json_extract({body}, {path})")
}

/// What a query is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Going over a table, in the order of its places.
    Scan,
    /// Looking a few documents up.
    Find,
}

/// How conditions of one shape are best written for one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// As columns, which an index may serve.
    Columns,
    /// As columns, with no index: one would deliver in another order than the table is gone over in.
    PlainColumns,
    /// As expressions over the body in this spelling, served by an index.
    Expressions(usize),
    /// Not at all.
    None,
}

/// Plans, worked out once for each table and shape of conditions.
#[derive(Debug, Default)]
pub(super) struct Planner {
    plans: HashMap<(String, Purpose, String), (Plan, bool)>,
}

/// A query's conditions, and whether an index serves them.
pub(super) struct Planned {
    pub conditions: Conditions,
    pub indexed: bool,
    /// The plan was worked out just now.
    pub fresh: bool,
}

impl Planner {
    /// Writes a filter for a table. `order` are the columns to sort by, `bound` the terms of the range.
    pub fn plan(
        &mut self,
        connection: &Connection,
        layout: &Layout,
        filter: &Filter,
        purpose: Purpose,
        bound: &Conditions,
    ) -> Result<Planned> {
        if filter.clauses().is_empty() {
            return Ok(Planned {
                conditions: Conditions::default(),
                indexed: true,
                fresh: false,
            });
        }
        let shape = shape(filter, bound);
        let known = (layout.table.name.clone(), purpose, shape);
        let fresh = !self.plans.contains_key(&known);
        let (plan, indexed) = match self.plans.get(&known) {
            Some(found) => *found,
            None => {
                let made = make(connection, layout, filter, purpose, bound)?;
                self.plans.insert(known, made);
                made
            }
        };
        Ok(Planned {
            conditions: write(layout, filter, plan),
            indexed,
            fresh,
        })
    }
}

/// What two filters share that are planned alike.
fn shape(filter: &Filter, bound: &Conditions) -> String {
    let mut shape = bound.terms.join(" AND ");
    for clause in filter.clauses() {
        let (kind, count) = match clause.expected() {
            Expected::Present => ("present", 0),
            Expected::Missing => ("missing", 0),
            Expected::Equals(Scalar::Null) => ("null", 0),
            Expected::Equals(_) => ("equals", 1),
            Expected::NotEquals(_) => ("not", 0),
            Expected::LessThan(_) => ("less", 1),
            Expected::AtLeast(_) => ("least", 1),
            Expected::OneOf(values) => ("one", values.len()),
        };
        shape.push_str(&format!("\n{kind} {count} {:?}", clause.tokens()));
    }
    shape
}

fn make(
    connection: &Connection,
    layout: &Layout,
    filter: &Filter,
    purpose: Purpose,
    bound: &Conditions,
) -> Result<(Plan, bool)> {
    let candidates: &[Plan] = match layout.table.kind {
        Kind::Row => &[Plan::Columns],
        Kind::Document { .. } => &[Plan::Expressions(0), Plan::Expressions(1)],
    };
    for plan in candidates {
        let conditions = write(layout, filter, *plan);
        if conditions.terms.is_empty() {
            continue;
        }
        if served(connection, layout, &conditions, purpose, bound)? {
            return Ok((*plan, true));
        }
    }
    Ok(match (&layout.table.kind, purpose) {
        (Kind::Row, Purpose::Scan) => (Plan::PlainColumns, false),
        (Kind::Row, Purpose::Find) => (Plan::Columns, false),
        (Kind::Document { .. }, _) => (Plan::None, false),
    })
}

/// Whether SQLite would find the documents by an index, in the order that is wanted.
fn served(
    connection: &Connection,
    layout: &Layout,
    conditions: &Conditions,
    purpose: Purpose,
    bound: &Conditions,
) -> Result<bool> {
    let doing = "planning a query";
    let order = match purpose {
        Purpose::Scan => layout.place_columns(),
        Purpose::Find => layout.key_columns(),
    };
    let query = format!(
        "EXPLAIN QUERY PLAN {}",
        select(layout, &[bound, conditions], &order)
    );
    let mut statement = connection
        .prepare(&query)
        .map_err(|error| sqlite_error(doing, error))?;
    let values = bound.values.iter().chain(&conditions.values);
    let mut rows = statement
        .query(rusqlite::params_from_iter(values))
        .map_err(|error| sqlite_error(doing, error))?;
    let (mut found, mut sorted) = (false, false);
    while let Some(row) = rows.next().map_err(|error| sqlite_error(doing, error))? {
        let detail: String = row.get(3).map_err(|error| sqlite_error(doing, error))?;
        // Going over the table is a search too, by its range of places; only an index beyond that counts.
        let by_key = purpose == Purpose::Find
            && detail.starts_with("SEARCH")
            && detail.contains("USING INTEGER PRIMARY KEY (rowid=?)");
        found |= by_key
            || detail.starts_with("SEARCH")
                && (detail.contains("USING INDEX") || detail.contains("USING COVERING INDEX"))
            || purpose == Purpose::Find
                && detail.starts_with("SEARCH")
                && detail.contains("USING PRIMARY KEY");
        sorted |= detail.contains("TEMP B-TREE");
    }
    // Sorting what an index finds, page by page, would cost the square of the table.
    Ok(found && (purpose == Purpose::Find || !sorted))
}

/// A whole query over a table.
pub(super) fn select(layout: &Layout, conditions: &[&Conditions], order: &[String]) -> String {
    let terms: Vec<_> = conditions
        .iter()
        .flat_map(|conditions| &conditions.terms)
        .map(String::as_str)
        .collect();
    let filter = if terms.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", terms.join(" AND "))
    };
    format!(
        "SELECT {} FROM {}{filter} ORDER BY {}",
        layout.select(),
        layout.from,
        order.join(", ")
    )
}

fn write(layout: &Layout, filter: &Filter, plan: Plan) -> Conditions {
    let mut conditions = Conditions::default();
    for clause in filter.clauses() {
        match plan {
            Plan::None => {}
            Plan::Columns => column_term(layout, filter, clause, "", &mut conditions),
            Plan::PlainColumns => column_term(layout, filter, clause, "+", &mut conditions),
            Plan::Expressions(spelling) => {
                body_term(layout, clause, SPELLINGS.get(spelling), &mut conditions);
            }
        }
    }
    conditions
}

/// A condition over a column. `mark` keeps indexes away where it is `+`.
fn column_term(
    layout: &Layout,
    filter: &Filter,
    clause: &Clause,
    mark: &str,
    conditions: &mut Conditions,
) {
    let [name] = clause.tokens() else {
        return;
    };
    let columns = &layout.table.columns;
    let Some(index) = columns.iter().position(|column| column.name == *name) else {
        return;
    };
    // Before it compares, SQLite makes a number of a text that looks like one if the column is for numbers;
    // then no text of that column would come before it.
    let numeric = matches!(
        layout.affinities.get(index),
        Some(Affinity::Integer | Affinity::Real | Affinity::Numeric)
    );
    let column = format!("{mark}{}", layout.column(index));
    let mut binary = |operator: &str, value: &Scalar, collation: &str| {
        // Booleans are no values of SQLite's, and an integer that it cannot hold equals none that it holds.
        if let Some(value) = sql_value(value) {
            conditions
                .terms
                .push(format!("{column}{collation} {operator} ?"));
            conditions.values.push(value);
        }
    };
    match clause.expected() {
        Expected::Equals(Scalar::Null) => conditions.terms.push(format!("{column} IS NULL")),
        Expected::Missing if filter.takes_null_for_missing() => {
            conditions.terms.push(format!("{column} IS NULL"));
        }
        // A column's own collation may find more than the same bytes, never less.
        Expected::Equals(value) => binary("=", value, ""),
        Expected::LessThan(Scalar::String(_)) | Expected::AtLeast(Scalar::String(_)) if numeric => {
        }
        Expected::LessThan(value) => binary("<=", value, " COLLATE BINARY"),
        Expected::AtLeast(value) => binary(">=", value, " COLLATE BINARY"),
        Expected::OneOf(values) => {
            let bound: Option<Vec<_>> = values.iter().map(sql_value).collect();
            if let Some(bound) = bound {
                let marks = vec!["?"; bound.len()].join(", ");
                conditions.terms.push(format!("{column} IN ({marks})"));
                conditions.values.extend(bound);
            }
        }
        // Most columns are there, and other values than one are most of them.
        Expected::Present | Expected::Missing | Expected::NotEquals(_) => {}
    }
}

fn sql_value(value: &Scalar) -> Option<Value> {
    match value {
        Scalar::Null | Scalar::Bool(_) => None,
        Scalar::String(text) => Some(Value::Text(text.clone())),
        Scalar::Number(number) => match number.text().parse::<i64>() {
            Ok(number) => Some(Value::Integer(number)),
            Err(_) => number.text().parse().ok().map(Value::Real),
        },
    }
}

/// A condition over the body of a document table.
fn body_term(
    layout: &Layout,
    clause: &Clause,
    spelling: Option<&fn(&str, &str) -> String>,
    conditions: &mut Conditions,
) {
    let (Kind::Document { body }, Some(path), Some(spelling)) =
        (&layout.table.kind, json_path(clause.tokens()), spelling)
    else {
        return;
    };
    let at = spelling(&layout.column(*body), &path);
    // The value goes the same way as the document's, so that both are converted alike.
    let value = "json_extract(?, '$')";
    let mut binary = |operator: &str, scalar: &Scalar| {
        conditions.terms.push(format!("{at} {operator} {value}"));
        conditions.values.push(Value::Text(json_text(scalar)));
    };
    match clause.expected() {
        Expected::Missing | Expected::Equals(Scalar::Null) => {
            conditions.terms.push(format!("{at} IS NULL"));
        }
        Expected::Equals(scalar) => binary("=", scalar),
        // Two numbers may differ by less than SQLite's conversion tells.
        Expected::LessThan(scalar) => binary("<=", scalar),
        Expected::AtLeast(scalar) => binary(">=", scalar),
        Expected::OneOf(scalars) if !scalars.contains(&Scalar::Null) => {
            let marks = vec![value; scalars.len()].join(", ");
            conditions.terms.push(format!("{at} IN ({marks})"));
            conditions
                .values
                .extend(scalars.iter().map(|scalar| Value::Text(json_text(scalar))));
        }
        Expected::Present | Expected::NotEquals(_) | Expected::OneOf(_) => {}
    }
}

fn json_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Null => "null".into(),
        Scalar::Bool(flag) => flag.to_string(),
        Scalar::Number(number) => number.text().into(),
        Scalar::String(text) => serde_json::Value::from(text.as_str()).to_string(),
    }
}

/// The statement that would make an index for these conditions; None where none would help.
pub(super) fn index_for(layout: &Layout, filter: &Filter) -> Option<String> {
    let mut names = Vec::new();
    let mut parts = Vec::new();
    // Columns that are compared for equality come first: behind a range an index finds nothing more.
    let equal = |clause: &&Clause| {
        matches!(
            clause.expected(),
            Expected::Equals(_) | Expected::OneOf(_) | Expected::Missing
        )
    };
    let ranges = |clause: &&Clause| {
        matches!(
            clause.expected(),
            Expected::LessThan(_) | Expected::AtLeast(_)
        )
    };
    let clauses = filter.clauses();
    for clause in clauses
        .iter()
        .filter(equal)
        .chain(clauses.iter().filter(ranges))
    {
        let part = match layout.table.kind {
            Kind::Document { body } => {
                let path = json_path(clause.tokens())?;
                let [first, ..] = SPELLINGS;
                first(&layout.column(body), &path)
            }
            Kind::Row => match clause.tokens() {
                [name] => quote(name),
                _ => return None,
            },
        };
        if !parts.contains(&part) {
            parts.push(part);
            names.push(clause.tokens().join("_"));
        }
    }
    let name = format!("{}_by_{}", layout.table.name, names.join("_"));
    (!parts.is_empty()).then(|| {
        format!(
            "CREATE INDEX {} ON {} ({});",
            quote(&name),
            quote(&layout.table.name),
            parts.join(", ")
        )
    })
}
