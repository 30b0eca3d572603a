//! Documents in memory, for those who try a plugin without a database. Nobody writes to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use migration_document::{Filter, json};

use super::shelf::{Shelf, ShelfEntry};
use super::{
    Advice, Budget, Column, Document, Format, Key, Kind, Page, Place, Range, Reach, Reader, Result,
    Table, WriteError,
};
use crate::convex::TableNumber;
use crate::ledger::Checkpoint;

/// Document tables with texts as keys.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    tables: BTreeMap<String, BTreeMap<String, String>>,
}

impl Memory {
    /// Puts a document in the place of the one with its id, if there is one.
    pub fn put(&mut self, table: &str, id: &str, body: &str) {
        self.tables
            .entry(table.into())
            .or_default()
            .insert(id.into(), body.into());
    }

    /// What there is to know of a table, whether it has documents or not.
    #[must_use]
    pub fn table(name: &str) -> Arc<Table> {
        let column = |name: &str, declared: &str| Column {
            name: name.into(),
            declared: declared.into(),
            required: true,
            has_default: false,
            generated: false,
        };
        Arc::new(Table {
            name: name.into(),
            kind: Kind::Document { body: 1 },
            columns: vec![column("_id", "TEXT"), column("doc", "JSON")],
            key: vec![0],
            number: None,
        })
    }

    /// Every document of a table, by id.
    fn documents<'a>(&'a self, table: &Table) -> impl Iterator<Item = Document> + use<'a> {
        let documents = self.tables.get(&table.name).into_iter().flatten();
        documents.map(|(id, body)| document(id, body))
    }

    /// The documents of a range, by id.
    fn within<'a>(
        &'a self,
        table: &Table,
        range: Range<'a>,
    ) -> impl Iterator<Item = Document> + use<'a> {
        let bound = |place: Option<&'a Place>| place.and_then(id_of);
        let (after, until) = (bound(range.after), bound(range.until));
        self.documents(table)
            .skip_while(move |found| after.is_some_and(|after| found.id.as_str() <= after))
            .take_while(move |found| until.is_none_or(|until| found.id.as_str() <= until))
    }
}

fn document(id: &str, body: &str) -> Document {
    Document {
        id: id.into(),
        body: body.into(),
        place: Place::Key(vec![Key::Text(id.into())]),
        format: Format::Plain,
    }
}

fn id_of(place: &Place) -> Option<&str> {
    match place {
        Place::Key(key) => match key.as_slice() {
            [Key::Text(id)] => Some(id),
            _ => None,
        },
        Place::Row(_) => None,
    }
}

fn checkpoint(document: &Document) -> Checkpoint {
    Checkpoint {
        place: document.place.clone(),
        id: document.id.to_string(),
    }
}

impl Reader for Memory {
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }

    fn page(
        &mut self,
        table: &Table,
        filter: &Filter,
        range: Range<'_>,
        budget: Budget,
    ) -> Result<Page> {
        let mut page = Page {
            end: true,
            ..Page::default()
        };
        let (mut looked_at, mut bytes) = (0, 0);
        for found in self.within(table, range) {
            if looked_at == budget.looked_at
                || page.documents.len() == budget.documents
                || bytes >= budget.bytes
            {
                page.end = false;
                break;
            }
            looked_at += 1;
            page.last = Some(checkpoint(&found));
            if filter.matches(&found.body).unwrap_or(true) {
                bytes += found.body.len();
                page.documents.push(found);
            }
        }
        page.looked_at = looked_at as u64;
        Ok(page)
    }

    fn end_of(&mut self, table: &Table) -> Result<Option<Checkpoint>> {
        Ok(self.documents(table).last().as_ref().map(checkpoint))
    }

    fn place_of(&mut self, table: &Table, id: &str) -> Result<Option<Place>> {
        let found = self.get(table, &[id.to_owned()], Reach::ANY)?;
        Ok(found.into_iter().flatten().next().map(|found| found.place))
    }

    fn get(
        &mut self,
        table: &Table,
        ids: &[String],
        mut reach: Reach,
    ) -> Result<Vec<Option<Document>>> {
        let documents = self.tables.get(&table.name);
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            reach.in_time()?;
            let body = documents.and_then(|documents| documents.get(id));
            let document = body.map(|body| document(id, body));
            if let Some(document) = &document {
                reach.take(document)?;
            }
            found.push(document);
        }
        Ok(found)
    }

    fn find(
        &mut self,
        table: &Table,
        filter: &Filter,
        limit: usize,
        mut reach: Reach,
    ) -> Result<Vec<Document>> {
        let mut found = Vec::new();
        for document in self.documents(table) {
            reach.in_time()?;
            if found.len() == limit {
                break;
            }
            if filter.matches(&document.body).unwrap_or(false) {
                reach.take(&document)?;
                found.push(document);
            }
        }
        Ok(found)
    }

    fn count(&mut self, table: &Table, range: Range<'_>) -> Result<u64> {
        Ok(self.within(table, range).count() as u64)
    }

    fn check_update(&mut self, _: &Table, _: &Document, _: &str) -> Result<(), WriteError> {
        Ok(())
    }

    fn check_insert(&mut self, _: &Table, _: &str, body: &str) -> Result<(), WriteError> {
        json::check(body).map_err(|error| {
            WriteError::refused("invalid-json", format!("the new document is {error}"), None)
        })
    }

    fn take_advice(&mut self) -> Vec<Advice> {
        Vec::new()
    }
}

/// Nothing is kept in memory besides documents.
impl Shelf for Memory {
    fn shelf_entries(&mut self) -> Result<Vec<ShelfEntry>> {
        Ok(Vec::new())
    }

    fn shelf_part(&mut self, _: i64, _: u32) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn table_numbers(&mut self) -> Result<BTreeMap<String, TableNumber>> {
        Ok(BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(page: &Page) -> Vec<&str> {
        page.documents
            .iter()
            .map(|found| found.id.as_str())
            .collect()
    }

    #[test]
    fn it_is_read_by_id_in_pages() {
        let mut memory = Memory::default();
        for id in ["c", "a", "d", "b"] {
            memory.put("t", id, &format!("{{\"id\":\"{id}\"}}"));
        }
        let table = Memory::table("t");
        let filter = Filter::default();
        let budget = Budget {
            documents: 2,
            bytes: 1_000,
            looked_at: 10,
        };
        let range = Range {
            after: None,
            until: None,
        };
        let first = memory.page(&table, &filter, range, budget).unwrap();
        assert_eq!((ids(&first), first.end), (vec!["a", "b"], false));
        let behind = Range {
            after: first.last.as_ref().map(|last| &last.place),
            until: None,
        };
        assert_eq!(memory.count(&table, behind).unwrap(), 2);
        let second = memory.page(&table, &filter, behind, budget).unwrap();
        assert_eq!((ids(&second), second.end), (vec!["c", "d"], true));
        assert_eq!(memory.end_of(&table).unwrap(), second.last);
        assert_eq!(
            memory.find(&table, &filter, 3, Reach::ANY).unwrap().len(),
            3
        );
        let found = memory
            .get(&table, &["x".into(), "b".into()], Reach::ANY)
            .unwrap();
        assert_eq!(found[0], None);
        assert_eq!(found[1].as_ref().unwrap().body, r#"{"id":"b"}"#);
    }
}
