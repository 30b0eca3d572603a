//! The name of a member, as JSON spells it.

use memchr::memmem::Finder;

use super::quoted;

/// A key as it stands in a text that has no backslashes, ready to be looked for in many.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// With its quotes.
    pub(crate) spelled: String,
    finder: Finder<'static>,
}

impl Key {
    pub(crate) fn of(name: &str) -> Self {
        let spelled = quoted(name);
        Self {
            finder: Finder::new(&spelled).into_owned(),
            spelled,
        }
    }

    /// Whether it stands anywhere in a text, as this key or as another value.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.finder.find(text.as_bytes()).is_some()
    }
}
