//! Reading pages, and looking documents up.

use std::sync::Arc;

use migration_document::Filter;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Statement, params_from_iter};

use super::codec::{self, Decoded, Generated, Wanted};
use super::deadline::Deadline;
use super::layout::Layout;
use super::query::{self, Conditions, Planner, Purpose};
use super::sql::sqlite_error;
use super::{Layouts, known_layout};
use crate::ledger::Checkpoint;
use crate::store::{
    Advice, Budget, Document, Gathering, Kind, Page, Place, Range, Reach, Reader, Result,
    StoreError, Table, WriteError,
};

pub(super) struct SqliteReader {
    pub(super) connection: Connection,
    /// Of the lookup in hand.
    deadline: Deadline,
    layouts: Layouts,
    planner: Planner,
    advice: Vec<Advice>,
    /// How many bytes the texts of the last page had: the next one's will have as many.
    room: usize,
}

impl SqliteReader {
    pub fn new(mut connection: Connection, layouts: Layouts) -> Result<Self> {
        let deadline = Deadline::of(&mut connection)
            .map_err(|error| sqlite_error("opening the database", error))?;
        Ok(Self {
            connection,
            deadline,
            layouts,
            planner: Planner::default(),
            advice: Vec::new(),
            room: 0,
        })
    }

    fn layout(&self, table: &Table) -> Result<Arc<Layout>> {
        known_layout(&self.layouts, table)
    }
}

/// The terms that keep a query within a range of places.
fn bounds(layout: &Layout, range: Range<'_>) -> Conditions {
    let mut conditions = Conditions::default();
    for (place, operator) in [(range.after, ">"), (range.until, "<=")] {
        let Some(place) = place else {
            continue;
        };
        let columns = layout.place_columns();
        let marks = vec!["?"; columns.len()].join(", ");
        conditions
            .terms
            .push(format!("({}) {operator} ({marks})", columns.join(", ")));
        conditions.values.extend(codec::place_values(place));
    }
    conditions
}

/// Reads one document by its key.
pub(super) fn by_id(
    connection: &Connection,
    layout: &Layout,
    id: &str,
) -> Result<Option<Document>> {
    let Some(key) = codec::key_of_text(layout, id) else {
        return Ok(None);
    };
    let mut found = None;
    let everything = Filter::default();
    each(
        connection,
        layout,
        &layout.read_key,
        &key,
        Wanted::Meeting(&everything),
        |row| {
            match row {
                // A column's collation may take another key for the same.
                Decoded::Document(document) if document.id == id => found = Some(Ok(document)),
                Decoded::Unreadable(unreadable) if unreadable.id == id => {
                    found = Some(Err(unreadable))
                }
                _ => return Ok(true),
            }
            Ok(false)
        },
    )?;
    match found {
        None => Ok(None),
        Some(Ok(document)) => Ok(Some(document)),
        Some(Err(unreadable)) => Err(StoreError::Unreadable {
            table: layout.table.name.clone(),
            id: unreadable.id,
            failure: unreadable.failure,
        }),
    }
}

pub(super) fn reading_error(layout: &Layout, error: rusqlite::Error) -> StoreError {
    sqlite_error(&format!("reading table `{}`", layout.table.name), error)
}

/// Reads the document at a place by [`Layout::read_place`].
pub(super) fn at_place(
    connection: &Connection,
    statement: &mut Statement<'_>,
    layout: &Layout,
    place: &Place,
    wanted: Wanted<'_>,
) -> Result<Option<Decoded>> {
    let mut found = None;
    let place = codec::place_values(place);
    each_of(connection, statement, layout, &place, wanted, |row| {
        found = Some(row);
        Ok(false)
    })?;
    Ok(found)
}

/// Reads the document with this key, looked for first where it stood, by [`Layout::read_place`].
pub(super) fn find_again(
    connection: &Connection,
    statement: &mut Statement<'_>,
    layout: &Layout,
    id: &str,
    place: Option<&Place>,
) -> Result<Option<Document>> {
    if let Some(place) = place
        && let Some(Decoded::Document(found)) =
            at_place(connection, statement, layout, place, Wanted::Unchecked)?
        && found.id == id
    {
        return Ok(Some(found));
    }
    by_id(connection, layout, id)
}

/// Reads the rows of a query until `take` says that it has enough.
fn each(
    connection: &Connection,
    layout: &Layout,
    sql: &str,
    values: &[Value],
    wanted: Wanted<'_>,
    take: impl FnMut(Decoded) -> Result<bool>,
) -> Result<()> {
    let mut statement = connection
        .prepare_cached(sql)
        .map_err(|error| reading_error(layout, error))?;
    each_of(connection, &mut statement, layout, values, wanted, take)
}

fn each_of(
    connection: &Connection,
    statement: &mut Statement<'_>,
    layout: &Layout,
    values: &[Value],
    wanted: Wanted<'_>,
    mut take: impl FnMut(Decoded) -> Result<bool>,
) -> Result<()> {
    let mut rows = statement
        .query(params_from_iter(values))
        .map_err(|error| reading_error(layout, error))?;
    while let Some(row) = rows.next().map_err(|error| reading_error(layout, error))? {
        if !take(codec::decode_one(connection, layout, row, wanted)?)? {
            break;
        }
    }
    Ok(())
}

impl Reader for SqliteReader {
    fn begin(&mut self) -> Result<()> {
        self.connection
            .execute_batch("BEGIN")
            .map_err(|error| sqlite_error("starting a snapshot", error))
    }

    fn end(&mut self) -> Result<()> {
        self.connection
            .execute_batch("COMMIT")
            .map_err(|error| sqlite_error("ending a snapshot", error))
    }

    fn page(
        &mut self,
        table: &Table,
        filter: &Filter,
        range: Range<'_>,
        budget: Budget,
    ) -> Result<Page> {
        let layout = self.layout(table)?;
        let bounds = bounds(&layout, range);
        let planned =
            self.planner
                .plan(&self.connection, &layout, filter, Purpose::Scan, &bounds)?;
        let sql = query::select(
            &layout,
            &[&bounds, &planned.conditions],
            &layout.place_columns(),
        );
        let mut statement = self
            .connection
            .prepare_cached(&sql)
            .map_err(|error| reading_error(&layout, error))?;
        let values = bounds.values.iter().chain(&planned.conditions.values);
        let mut rows = statement
            .query(params_from_iter(values))
            .map_err(|error| reading_error(&layout, error))?;
        let mut page = Page::default();
        let mut gathering = Gathering::with_room(self.room);
        let mut bytes = 0;
        loop {
            let Some(row) = rows.next().map_err(|error| reading_error(&layout, error))? else {
                page.end = true;
                break;
            };
            page.looked_at += 1;
            let decoded = codec::decode(
                &self.connection,
                &layout,
                row,
                Wanted::Meeting(filter),
                |id, body, place, format| {
                    bytes += body.len();
                    gathering.push(&id, &body, place, format);
                },
            )?;
            let enough = match decoded {
                Decoded::Document(()) => {
                    // It is the last by now, and tells its place when the page ends.
                    page.last = None;
                    gathering.documents() + page.unreadable.len() >= budget.documents
                        || bytes >= budget.bytes
                }
                Decoded::Unreadable(unreadable) => {
                    page.last = Some(Checkpoint {
                        place: codec::place(&layout, row)?,
                        id: unreadable.id.clone(),
                    });
                    page.unreadable.push((gathering.documents(), unreadable));
                    gathering.documents() + page.unreadable.len() >= budget.documents
                }
                Decoded::Other => {
                    let enough = page.looked_at >= budget.looked_at as u64;
                    if enough {
                        page.last = Some(codec::checkpoint(&layout, row)?);
                    }
                    enough
                }
            };
            if enough {
                break;
            }
        }
        self.room = gathering.bytes();
        page.documents = gathering.into_documents();
        // What came behind the last document has told its place itself.
        if let (None, Some(document)) = (&page.last, page.documents.last()) {
            page.last = Some(Checkpoint {
                place: document.place.clone(),
                id: document.id.to_string(),
            });
        }
        Ok(page)
    }

    fn end_of(&mut self, table: &Table) -> Result<Option<Checkpoint>> {
        let layout = self.layout(table)?;
        let order: Vec<_> = layout
            .place_columns()
            .iter()
            .map(|column| format!("{column} DESC"))
            .collect();
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {} LIMIT 1",
            layout.select(),
            layout.from,
            order.join(", ")
        );
        self.connection
            .query_row(&sql, [], |row| Ok(codec::checkpoint(&layout, row)))
            .optional()
            .map_err(|error| sqlite_error("looking for the end of the table", error))?
            .transpose()
    }

    fn place_of(&mut self, table: &Table, id: &str) -> Result<Option<Place>> {
        let layout = self.layout(table)?;
        match by_id(&self.connection, &layout, id) {
            Ok(document) => Ok(document.map(|document| document.place)),
            // A document that cannot be read keeps its key, but tells no place.
            Err(StoreError::Unreadable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn get(
        &mut self,
        table: &Table,
        ids: &[String],
        reach: Reach,
    ) -> Result<Vec<Option<Document>>> {
        let layout = self.layout(table)?;
        let _deadline = self.deadline.set(reach.until);
        let mut left = reach;
        ids.iter()
            .map(|id| {
                let found = by_id(&self.connection, &layout, id)?;
                left.in_time()?;
                found.iter().try_for_each(|found| left.take(found))?;
                Ok(found)
            })
            .collect()
    }

    fn find_again(
        &mut self,
        table: &Table,
        wanted: &[(&str, Option<&Place>)],
    ) -> Result<Vec<Option<Document>>> {
        let layout = self.layout(table)?;
        let connection = &self.connection;
        let mut statement = connection
            .prepare_cached(&layout.read_place)
            .map_err(|error| reading_error(&layout, error))?;
        wanted
            .iter()
            .map(|(id, place)| find_again(connection, &mut statement, &layout, id, *place))
            .collect()
    }

    fn find(
        &mut self,
        table: &Table,
        filter: &Filter,
        limit: usize,
        reach: Reach,
    ) -> Result<Vec<Document>> {
        let layout = self.layout(table)?;
        let unbounded = Conditions::default();
        let planned =
            self.planner
                .plan(&self.connection, &layout, filter, Purpose::Find, &unbounded)?;
        if planned.fresh
            && !planned.indexed
            && let Some(index) = query::index_for(&layout, filter)
        {
            self.advice.push(Advice {
                message: format!(
                    "each lookup in `{}` goes over the whole table: no index serves its conditions",
                    layout.table.name
                ),
                hint: index,
            });
        }
        let sql = query::select(&layout, &[&planned.conditions], &layout.key_columns());
        let mut found = Vec::new();
        let mut unreadable = None;
        let mut left = reach;
        if limit == 0 {
            return Ok(found);
        }
        let _deadline = self.deadline.set(reach.until);
        each(
            &self.connection,
            &layout,
            &sql,
            &planned.conditions.values,
            Wanted::Meeting(filter),
            |row| {
                left.in_time()?;
                match row {
                    Decoded::Document(document) => {
                        left.take(&document)?;
                        found.push(document);
                    }
                    // Whether it meets the conditions cannot be told, so no answer would be right.
                    Decoded::Unreadable(row) => unreadable = Some(row),
                    Decoded::Other => {}
                }
                Ok(found.len() < limit && unreadable.is_none())
            },
        )?;
        match unreadable {
            None => Ok(found),
            Some(row) => Err(StoreError::Unreadable {
                table: layout.table.name.clone(),
                id: row.id,
                failure: row.failure,
            }),
        }
    }

    fn count(&mut self, table: &Table, range: Range<'_>) -> Result<u64> {
        let layout = self.layout(table)?;
        let bounds = bounds(&layout, range);
        let filter = if bounds.terms.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", bounds.terms.join(" AND "))
        };
        self.connection
            .query_row(
                &format!("SELECT count(*) FROM {}{filter}", layout.from),
                params_from_iter(&bounds.values),
                |row| row.get::<_, i64>(0),
            )
            .map(|count| u64::try_from(count).unwrap_or_default())
            .map_err(|error| sqlite_error("counting the documents", error))
    }

    fn check_update(
        &mut self,
        table: &Table,
        document: &Document,
        body: &str,
    ) -> Result<(), WriteError> {
        let layout = self.layout(table)?;
        match layout.table.kind {
            Kind::Document { .. } => Ok(()),
            Kind::Row => {
                codec::changed_columns(&layout, &document.body, body, Generated::Refuse).map(|_| ())
            }
        }
    }

    fn check_insert(&mut self, table: &Table, id: &str, body: &str) -> Result<(), WriteError> {
        let layout = self.layout(table)?;
        codec::new_row(&layout, Some(id), body).map(|_| ())
    }

    fn take_advice(&mut self) -> Vec<Advice> {
        std::mem::take(&mut self.advice)
    }
}
