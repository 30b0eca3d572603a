//! Where a store is, as people write it.

use std::path::PathBuf;
use std::str::FromStr;

use super::StoreError;

/// A store's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `sqlite:PATH`: a SQLite database file.
    Sqlite(PathBuf),
}

impl FromStr for Address {
    type Err = StoreError;

    /// Reads an address.
    ///
    /// ```
    /// use host::store::Address;
    /// let address: Address = "sqlite:data/app.db".parse().unwrap();
    /// assert_eq!(address, Address::Sqlite("data/app.db".into()));
    /// assert!("app.db".parse::<Address>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, StoreError> {
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err(StoreError::Address(text.into())),
        }
    }
}
