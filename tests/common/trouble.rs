//! Documents that get a plugin into trouble, each beside one that is sound.

use super::{Lab, Report};

/// What the sound ones are, and become by a plugin that counts `n` up.
const SOUND: [&str; 2] = [r#"{"n":1,"kept":1.0}"#, r#"{"n":2,"kept":1.0}"#];

/// Puts things that each have the plugin do one of these, and as many that are sound.
pub fn put(lab: &Lab, doings: &[&str]) {
    for doing in doings {
        let body = format!(r#"{{"do":"{doing}"}}"#);
        let sound = sound(doing);
        lab.put(
            "things",
            [(*doing, body.as_str()), (sound.as_str(), SOUND[0])],
        );
    }
}

/// Takes it that these failed, and no others: the beginnings of what is said of each, in order. What is sound has been
/// migrated.
#[track_caller]
pub fn is_no_others(lab: &Lab, doings: &[&str], report: &Report, failures: &[&str]) {
    let mut errors = report.errors();
    errors.sort();
    assert_eq!(errors.len(), failures.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(failures) {
        assert!(error.starts_with(expected), "{error}\n{expected}");
    }
    for doing in doings {
        assert_eq!(lab.body("things", &sound(doing)), SOUND[1]);
    }
}

fn sound(doing: &str) -> String {
    format!("{doing}-sound")
}
