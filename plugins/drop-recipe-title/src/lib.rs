//! Removes `title`, once `recipeTitle` has taken its place.

use plugin_sdk::prelude::*;

struct DropRecipeTitle;

impl Migration for DropRecipeTitle {
    fn manifest() -> Manifest {
        Manifest::new("drop-recipe-title", "recipes")
            .version(2)
            .description("Removes title, once recipeTitle has taken its place")
            .run_after("rename-recipe-title")
            .only_if(at("/title").present())
    }

    fn transform(recipe: &Document, _: &Context) -> Result<Outcome, Failure> {
        // Old code that was still running may have written recipes after the copy was made.
        if !recipe.has("/recipeTitle")? {
            let message = "title was never copied to recipeTitle: run rename-recipe-title again";
            return Err(Failure::new("not-copied", message).at("/recipeTitle"));
        }
        Ok(Edits::new().remove("/title").into())
    }
}

plugin_sdk::export!(DropRecipeTitle);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store, json};

    use super::*;

    #[test]
    fn a_title_that_was_never_copied_is_kept() {
        let mut store = Store::new().with(
            "recipes",
            [
                ("a", json!({"title": "Soup", "recipeTitle": "Soup"})),
                ("b", json!({"title": "Bread"})),
                ("c", json!({"recipeTitle": "Cake"})),
            ],
        );
        let report = Run::new().migrate::<DropRecipeTitle>(&mut store);
        assert_eq!((report.total, report.updated, report.failed), (2, 1, 1));
        assert_eq!(report.errors[0].code, "not-copied");
        assert_eq!(
            store.get("recipes", "a"),
            Some(json!({"recipeTitle": "Soup"}))
        );
        assert_eq!(store.get("recipes", "b"), Some(json!({"title": "Bread"})));
    }
}
