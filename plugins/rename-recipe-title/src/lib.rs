//! Copies `title` to `recipeTitle`, so that old and new code can run side by side; and the way back.

use plugin_sdk::prelude::*;

struct RenameRecipeTitle;

impl Migration for RenameRecipeTitle {
    fn manifest() -> Manifest {
        Manifest::new("rename-recipe-title", "recipes")
            .version(1)
            .description("Copies title to recipeTitle; both stay while code is moved")
            .only_if(at("/title").present())
            .only_if(at("/recipeTitle").missing())
    }

    fn transform(recipe: &Document, _: &Context) -> Result<Outcome, Failure> {
        match recipe.raw_at("/title")? {
            Some(title) => Ok(Edits::new().set("/recipeTitle", title).into()),
            None => Ok(Outcome::skip("no title")),
        }
    }
}

impl Revert for RenameRecipeTitle {
    /// New code may have changed the title since, under its new name only: that one is kept.
    fn revert(recipe: &Document, _: &Context) -> Result<Outcome, Failure> {
        if !recipe.has("/recipeTitle")? {
            return Ok(Outcome::skip("never copied"));
        }
        Ok(Edits::new().rename("/recipeTitle", "/title").into())
    }
}

plugin_sdk::export_reversible!(RenameRecipeTitle);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store};

    use super::*;

    #[test]
    fn its_cases_hold() {
        plugin_sdk::testing::reversible_cases::<RenameRecipeTitle>("cases.jsonl");
    }

    #[test]
    fn the_title_is_copied_as_it_is_spelled() {
        let mut store = Store::new()
            .with_raw("recipes", "a", r#"{"title":"Cr\u00eape","n":1.0}"#)
            .with_raw("recipes", "b", r#"{"title":6.10}"#)
            .with_raw("recipes", "c", r#"{"title":"old","recipeTitle":"new"}"#)
            .with_raw("recipes", "d", r#"{"n":1}"#);
        let report = Run::new().migrate::<RenameRecipeTitle>(&mut store);
        assert_eq!((report.total, report.updated), (2, 2));
        let a = r#"{"title":"Cr\u00eape","n":1.0,"recipeTitle":"Cr\u00eape"}"#;
        assert_eq!(store.raw("recipes", "a"), Some(a));
        assert_eq!(
            store.raw("recipes", "b"),
            Some(r#"{"title":6.10,"recipeTitle":6.10}"#)
        );
        assert_eq!(Run::new().migrate::<RenameRecipeTitle>(&mut store).total, 0);
    }

    #[test]
    fn the_way_back_keeps_the_title_that_new_code_has_written() {
        let mut store = Store::new()
            .with_raw(
                "recipes",
                "a",
                r#"{"title":"old","recipeTitle":"new","n":1.0}"#,
            )
            .with_raw("recipes", "b", r#"{"title":6.10}"#)
            .with_raw("recipes", "c", r#"{"recipeTitle":"since"}"#);
        let report = Run::new().revert::<RenameRecipeTitle>(&mut store);
        assert_eq!((report.total, report.updated, report.skipped), (3, 2, 1));
        assert_eq!(
            store.raw("recipes", "a"),
            Some(r#"{"title":"new","n":1.0}"#)
        );
        assert_eq!(store.raw("recipes", "b"), Some(r#"{"title":6.10}"#));
        assert_eq!(store.raw("recipes", "c"), Some(r#"{"title":"since"}"#));
        assert_eq!(
            Run::new().revert::<RenameRecipeTitle>(&mut store).updated,
            0
        );
    }
}
