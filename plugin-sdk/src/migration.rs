//! The traits that a plugin implements.

use crate::{Context, Document, Failure, Manifest, Outcome};

/// A migration: a pure function from a document to an outcome, and a manifest.
///
/// There is no `self`. State that lived from one document to the next would make the result depend
/// on how documents are cut into batches, and a run that was killed and resumed would end
/// differently.
///
/// # How lookups are prefetched, and what it costs
/// The host hands over a batch of documents, and `transform` sees one. If each of a thousand
/// documents asked the host for its company's site, a batch would cost a thousand queries. Authors
/// could be given a second method in which to announce what they will need, but then each lookup
/// stands twice in the source, and the two drift apart. So the SDK finds out by itself:
///
/// 1. Every document of the batch is transformed. A lookup whose answer is not known yet is noted,
///    and returns a failure, which `?` passes on: the document *waits*.
/// 2. All that was noted is asked at once: for each table one call for all ids, one for all
///    queries. What is asked twice is fetched once.
/// 3. The documents that wait are transformed again, from the start, now with the answers; until
///    none waits.
///
/// A batch thus costs as many calls as its longest chain of lookups is long, times the tables
/// involved, whether it has ten documents or a thousand.
///
/// The cost: **`transform` may run several times for one document**, so it must be pure: the same
/// document and the same answers give the same outcome and ask the same questions. What an attempt
/// that waits returned or logged is thrown away, even where the source swallowed the failure and
/// went on. A plugin has no clock, no random numbers and no files, so only a `static` or a
/// `thread_local!` could break the rule. Where that makes a transform ask something new each time,
/// the document fails with the code `impure`.
///
/// A lookup that depends on the answer to another one takes a round of its own. Two that do not
/// depend on each other take two rounds as well if they are written one after the other, because
/// the first `?` returns; [`Context::get_many`] asks for several documents of a table in one.
///
/// ```
/// use plugin_sdk::prelude::*;
///
/// struct NameAuthors;
///
/// impl Migration for NameAuthors {
///     fn manifest() -> Manifest {
///         Manifest::new("name-authors", "posts").version(4).reads("users")
///     }
///
///     fn transform(post: &Document, context: &Context) -> Result<Outcome, Failure> {
///         let author: String = post.require("/authorId")?;
///         let Some(user) = context.get("users", &author)? else {
///             return Err(Failure::new("no-author", format!("no user {author}")).at("/authorId"));
///         };
///         Ok(Edits::new().set("/author", user.require::<String>("/name")?).into())
///     }
/// }
///
/// use plugin_sdk::testing::{Run, Store, json};
/// let mut store = Store::new()
///     .with("users", [("u1", json!({"name": "Ada"}))])
///     .with("posts", (0..1000).map(|n| (n, json!({"authorId": "u1"}))));
/// let report = Run::new().batch_size(500).migrate::<NameAuthors>(&mut store);
/// assert_eq!(report.updated, 1000);
/// assert_eq!(report.lookups, 2); // one for each batch
/// ```
pub trait Migration {
    /// The most calls of [`Context::get`], [`get_many`](Context::get_many), [`find`](Context::find)
    /// and [`find_one`](Context::find_one) in the transform of one document. The next one is that
    /// document's failure, code `too-many-lookups`: a chain that never ends (a circle of parents)
    /// must not either hold the batch or spend its time limit. Known answers count too, so that the
    /// limit does not depend on which documents share a batch.
    ///
    /// The default is 100 calls; a migration raises it by setting the constant.
    const LOOKUPS: u32 = 100;

    /// What this migration is, and all that it may touch. Called without any parameter or document
    /// at hand: it must not depend on anything.
    fn manifest() -> Manifest;

    /// What becomes of this document.
    ///
    /// # Errors
    /// A failure quarantines the document, with its code and message, and leaves it as it was; the
    /// run goes on, and the next run tries it again.
    fn transform(document: &Document, context: &Context) -> Result<Outcome, Failure>;
}

/// A migration that can also take its own work back, where undo does not: after the documents have
/// been changed by others. Export it with [`export_reversible!`](crate::export_reversible).
///
/// ```
/// use plugin_sdk::prelude::*;
///
/// struct RenameTitle;
///
/// impl Migration for RenameTitle {
///     fn manifest() -> Manifest {
///         Manifest::new("rename-title", "recipes").only_if(at("/title").present())
///     }
///     fn transform(_: &Document, _: &Context) -> Result<Outcome, Failure> {
///         Ok(Edits::new().rename("/title", "/recipeTitle").into())
///     }
/// }
///
/// impl Revert for RenameTitle {
///     fn revert(recipe: &Document, _: &Context) -> Result<Outcome, Failure> {
///         if !recipe.has("/recipeTitle")? {
///             return Ok(Outcome::skip("never renamed"));
///         }
///         Ok(Edits::new().rename("/recipeTitle", "/title").into())
///     }
/// }
///
/// plugin_sdk::export_reversible!(RenameTitle);
///
/// use plugin_sdk::testing::{Run, Store, json};
/// let mut store = Store::new().with("recipes", [("r", json!({"title": "Soup"}))]);
/// Run::new().migrate::<RenameTitle>(&mut store);
/// Run::new().revert::<RenameTitle>(&mut store);
/// assert_eq!(store.get("recipes", "r"), Some(json!({"title": "Soup"})));
/// ```
pub trait Revert: Migration {
    /// What becomes of this document when the migration is taken back. The manifest's filter does
    /// not apply: it chooses documents that have *not* been migrated.
    ///
    /// # Errors
    /// As in [`Migration::transform`].
    fn revert(document: &Document, context: &Context) -> Result<Outcome, Failure>;
}
