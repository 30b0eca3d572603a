//! Names, paths and errors of SQLite.

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::store::{Excess, StoreError, WriteError};

/// A name as SQL writes it, whatever it contains.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A JSON path for a pointer's tokens, as SQL writes it in quotes; None where SQLite has no path that
/// surely leads where the pointer leads.
///
/// Plain words stand unquoted, for this is how people write the paths of their indexes, and an index on an
/// expression is used only where the query spells that expression.
pub(super) fn json_path(tokens: &[String]) -> Option<String> {
    let mut path = String::from("$");
    for token in tokens {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        // Digits may be an index or a key; SQLite has a path for either, but none for both.
        if token.is_empty() || token.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if token.bytes().all(word) {
            path.push('.');
            path.push_str(token);
        } else if token
            .bytes()
            .any(|byte| byte == b'"' || byte == b'\\' || byte < b' ')
        {
            return None;
        } else {
            path.push_str(&format!(".\"{token}\""));
        }
    }
    Some(format!("'{}'", path.replace('\'', "''")))
}

/// What a failure of SQLite means for the user.
pub(super) fn sqlite_error(doing: &str, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged {
            detail: error.to_string(),
        },
        Some(ErrorCode::DiskFull) => StoreError::Full,
        // Only a lookup's deadline interrupts.
        Some(ErrorCode::OperationInterrupted) => StoreError::Beyond(Excess::Time),
        // The memory that processes share in WAL mode is a file, too, and could not grow.
        _ if error.sqlite_extended_error_code() == Some(ffi::SQLITE_IOERR_SHMSIZE) => {
            StoreError::Full
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly {
                detail: error.to_string(),
            }
        }
        _ => StoreError::Backend {
            doing: doing.into(),
            source: Box::new(error),
        },
    }
}

/// What a failure to write one document means: a refusal where only this document is to blame.
pub(super) fn write_error(doing: &str, error: rusqlite::Error) -> WriteError {
    let rusqlite::Error::SqliteFailure(failure, message) = &error else {
        return sqlite_error(doing, error).into();
    };
    let said = message.clone().unwrap_or_else(|| failure.to_string());
    let code = match failure.code {
        ErrorCode::ConstraintViolation => match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => "duplicate-id",
            ffi::SQLITE_CONSTRAINT_UNIQUE => "unique",
            ffi::SQLITE_CONSTRAINT_NOTNULL => "required",
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "foreign-key",
            ffi::SQLITE_CONSTRAINT_CHECK => "check",
            ffi::SQLITE_CONSTRAINT_DATATYPE => "type",
            ffi::SQLITE_CONSTRAINT_TRIGGER => "trigger",
            _ => "constraint",
        },
        ErrorCode::TypeMismatch => "type",
        ErrorCode::TooBig => "too-big",
        _ => return sqlite_error(doing, error).into(),
    };
    WriteError::refused(code, format!("the database refuses it: {said}"), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(quote("users"), r#""users""#);
        assert_eq!(quote(r#"a"; DROP TABLE b"#), r#""a""; DROP TABLE b""#);
    }

    #[test]
    fn paths_are_written_as_people_write_them() {
        let path = |tokens: &[&str]| {
            json_path(
                &tokens
                    .iter()
                    .map(|token| (*token).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(path(&["tier"]).unwrap(), "'$.tier'");
        assert_eq!(
            path(&["address", "zip code"]).unwrap(),
            "'$.address.\"zip code\"'"
        );
        assert_eq!(path(&["it's"]).unwrap(), "'$.\"it''s\"'");
        assert_eq!(path(&["0"]), None);
        assert_eq!(path(&["a\"b"]), None);
        assert_eq!(path(&[""]), None);
    }
}
