//! Users with the role `teacher` become `instructor`.

use plugin_sdk::prelude::*;

struct InstructorRole;

impl Migration for InstructorRole {
    fn manifest() -> Manifest {
        Manifest::new("instructor-role", "users")
            .version(1)
            .description("Users with the role teacher become instructor")
            .only_if(at("/role").equals("teacher"))
    }

    fn transform(_: &Document, _: &Context) -> Result<Outcome, Failure> {
        Ok(Edits::new().set("/role", "instructor").into())
    }
}

plugin_sdk::export!(InstructorRole);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store, json};

    use super::*;

    #[test]
    fn only_teachers() {
        let mut store = Store::new().with(
            "users",
            [
                ("a", json!({"role": "teacher"})),
                ("b", json!({"role": "student"})),
                ("c", json!({})),
            ],
        );
        let report = Run::new().migrate::<InstructorRole>(&mut store);
        assert_eq!((report.total, report.updated), (1, 1));
        assert_eq!(store.get("users", "a"), Some(json!({"role": "instructor"})));
        assert_eq!(Run::new().migrate::<InstructorRole>(&mut store).total, 0);
    }
}
