//! Statements that stay prepared, for those that are executed for each document.
//!
//! A connection's own cache takes a statement out by its text and puts it back each time, which costs a twentieth of writing a
//! document.

use std::rc::Rc;

use rusqlite::{Connection, PrepFlags, Statement};
use self_cell::self_cell;

self_cell!(
    /// A statement, and the connection that it belongs to.
    struct Prepared {
        owner: Rc<Connection>,
        #[covariant]
        dependent: Statement,
    }
);

/// A few statements of one connection.
pub(super) struct Held {
    connection: Rc<Connection>,
    /// By their texts, the one that was used last at the end.
    statements: Vec<(String, Prepared)>,
}

impl Held {
    /// How many are held. They are looked for one after the other.
    const MOST: usize = 4;

    pub fn new(connection: Rc<Connection>) -> Self {
        Self {
            connection,
            statements: Vec::with_capacity(Self::MOST),
        }
    }

    /// Does something with a statement, which is prepared if it is not held yet.
    ///
    /// # Errors
    /// If it cannot be prepared.
    pub fn with<T>(
        &mut self,
        sql: &str,
        work: impl FnOnce(&mut Statement<'_>) -> T,
    ) -> rusqlite::Result<T> {
        let place = self.statements.iter().position(|(text, _)| text == sql);
        let (text, mut prepared) = match place {
            Some(place) => self.statements.remove(place),
            None => {
                let prepared = Prepared::try_new(Rc::clone(&self.connection), |connection| {
                    connection.prepare_with_flags(sql, PrepFlags::SQLITE_PREPARE_PERSISTENT)
                })?;
                (sql.to_owned(), prepared)
            }
        };
        let done = prepared.with_dependent_mut(|_, statement| work(statement));
        if self.statements.len() == Self::MOST {
            self.statements.remove(0);
        }
        self.statements.push((text, prepared));
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_what_its_text_says_however_many_there_are() {
        let connection = Rc::new(Connection::open_in_memory().unwrap());
        let mut held = Held::new(Rc::clone(&connection));
        for number in (0..10).chain([9, 3, 9]) {
            let found = held.with(&format!("SELECT {number}"), |statement| {
                statement.query_row([], |row| row.get::<_, i64>(0))
            });
            assert_eq!(found.flatten(), Ok(number));
        }
        assert!(
            held.with("SELECT nothing", |statement| statement.execute([]))
                .is_err()
        );
    }

    #[test]
    fn a_statement_follows_its_table() {
        let connection = Rc::new(Connection::open_in_memory().unwrap());
        let mut held = Held::new(Rc::clone(&connection));
        for columns in ["a", "b, a"] {
            connection
                .execute_batch(&format!(
                    "DROP TABLE IF EXISTS t; CREATE TABLE t ({columns});"
                ))
                .unwrap();
            held.with("INSERT INTO t (a) VALUES (?1)", |statement| {
                statement.execute([7])
            })
            .flatten()
            .unwrap();
            assert_eq!(
                connection.query_row("SELECT a FROM t", [], |row| row.get(0)),
                Ok(7)
            );
        }
    }
}
