//! What a migration is and all that it may touch.

use migration_document::Condition;

/// What a migration is and all that it may touch. The host refuses whatever is not declared here.
///
/// ```
/// use plugin_sdk::{Manifest, at};
///
/// let manifest = Manifest::new("link-primary-sites", "participants")
///     .version(3)
///     .description("Gives participants without a site their company's primary one")
///     .run_after("create-primary-sites")
///     .only_if(at("/site_id").missing())
///     .reads("sites");
/// assert_eq!(manifest.as_model().reads, ["sites"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest(migration_document::Manifest);

impl Manifest {
    /// A manifest of the migration `name` (its identity in the store's history: lower-case words
    /// joined by hyphens) over the documents of `table`.
    ///
    /// ```
    /// let manifest = plugin_sdk::Manifest::new("split-name", "people");
    /// assert_eq!(manifest.as_model().version, 0);
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, table: impl Into<String>) -> Self {
        Self(migration_document::Manifest {
            name: name.into(),
            table: table.into(),
            ..Default::default()
        })
    }

    /// The schema version that the store has once this migration is done. Without it: 0, which
    /// raises no version.
    ///
    /// ```
    /// let manifest = plugin_sdk::Manifest::new("split-name", "people").version(7);
    /// assert_eq!(manifest.as_model().version, 7);
    /// ```
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.0.version = version;
        self
    }

    /// One sentence for people.
    ///
    /// ```
    /// let manifest = plugin_sdk::Manifest::new("split-name", "people").description("Splits name in two");
    /// assert_eq!(manifest.as_model().description, "Splits name in two");
    /// ```
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.0.description = text.into();
        self
    }

    /// Another migration, by name, that must have been applied before.
    ///
    /// ```
    /// let manifest = plugin_sdk::Manifest::new("drop-title", "recipes").run_after("copy-title");
    /// assert_eq!(manifest.as_model().run_after, ["copy-title"]);
    /// ```
    #[must_use]
    pub fn run_after(mut self, migration: impl Into<String>) -> Self {
        self.0.run_after.push(migration.into());
        self
    }

    /// Only documents that meet this condition, and all others given so, are passed to the
    /// migration.
    ///
    /// Choose it so that a migrated document does not meet it: then a second run finds nothing to
    /// do, at no cost, and a run that was interrupted goes on where it stood.
    ///
    /// ```
    /// use plugin_sdk::{Manifest, at};
    /// let manifest = Manifest::new("premium-since", "users")
    ///     .only_if(at("/tier").equals("premium"))
    ///     .only_if(at("/premiumSince").missing());
    /// assert_eq!(manifest.as_model().filter.len(), 2);
    /// ```
    #[must_use]
    pub fn only_if(mut self, condition: Condition) -> Self {
        self.0.filter.push(condition);
        self
    }

    /// A table in which the migration looks documents up. The user must grant it.
    ///
    /// ```
    /// let manifest = plugin_sdk::Manifest::new("name-authors", "posts").reads("users");
    /// assert_eq!(manifest.as_model().reads, ["users"]);
    /// ```
    #[must_use]
    pub fn reads(mut self, table: impl Into<String>) -> Self {
        self.0.reads.push(table.into());
        self
    }

    /// A table that the migration changes, besides its own. The user must grant it.
    ///
    /// ```
    /// let manifest = plugin_sdk::Manifest::new("rename-table", "oldTable").writes("newTable");
    /// assert_eq!(manifest.as_model().writes, ["newTable"]);
    /// ```
    #[must_use]
    pub fn writes(mut self, table: impl Into<String>) -> Self {
        self.0.writes.push(table.into());
        self
    }

    /// A secret that the migration asks for, by name. The user must grant it.
    ///
    /// ```
    /// let manifest = plugin_sdk::Manifest::new("encrypt-keys", "apiKeys").secret("encryption-key");
    /// assert_eq!(manifest.as_model().secrets, ["encryption-key"]);
    /// ```
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>) -> Self {
        self.0.secrets.push(name.into());
        self
    }

    /// The manifest as the interface's plain data.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::Manifest::new("a", "b").as_model().name, "a");
    /// ```
    #[must_use]
    pub fn as_model(&self) -> &migration_document::Manifest {
        &self.0
    }

    /// The same, without a copy.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::Manifest::new("a", "b").into_model().table, "b");
    /// ```
    #[must_use]
    pub fn into_model(self) -> migration_document::Manifest {
        self.0
    }
}
