//! Names of members, as edits need them.

use std::cell::RefCell;
use std::rc::Rc;

use crate::json::{self, Key};

/// How many names a thread keeps. The edits of a migration name a few, and the same ones for each document.
const KEPT: usize = 16;

/// How long a pointer may be that is kept, in bytes.
const SHORT: usize = 256;

thread_local! {
    /// What was made of pointers lately.
    static NAMES: RefCell<Vec<Rc<Name>>> = const { RefCell::new(Vec::new()) };
}

/// The name of a member of the root object.
pub(super) struct Name {
    /// The pointer that it was taken from.
    at: String,
    pub(super) text: String,
    pub(super) key: Key,
}

impl Name {
    /// The name that a pointer consists of; None if it is no pointer, or leads elsewhere than to a member of the
    /// root.
    pub(super) fn of(at: &str) -> Option<Rc<Self>> {
        NAMES.with_borrow_mut(|names| {
            if let Some(known) = names.iter().find(|name| name.at == at) {
                return Some(Rc::clone(known));
            }
            let name = Rc::new(Self::new(at)?);
            if at.len() <= SHORT {
                if names.len() == KEPT {
                    names.remove(0);
                }
                names.push(Rc::clone(&name));
            }
            Some(name)
        })
    }

    fn new(at: &str) -> Option<Self> {
        let mut tokens = json::tokens(at).ok()?;
        let (Some(text), None) = (tokens.next(), tokens.next()) else {
            return None;
        };
        Some(Self {
            at: at.into(),
            key: Key::of(&text),
            text: text.into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_names_than_are_kept_are_all_right() {
        for number in (0..3 * KEPT).chain(0..3) {
            let name = Name::of(&format!("/a~1{number}")).unwrap();
            assert_eq!(name.text, format!("a/{number}"));
            assert_eq!(name.key.spelled, format!("\"a/{number}\""));
            assert!(name.key.is_in(&format!("{{\"a/{number}\":1}}")));
            assert!(!name.key.is_in("{}"));
        }
        NAMES.with_borrow(|names| assert_eq!(names.len(), KEPT));
    }

    #[test]
    fn only_members_of_the_root_have_names() {
        for at in ["", "a", "/a/b", "/~2"] {
            assert!(Name::of(at).is_none(), "{at}");
        }
    }
}
