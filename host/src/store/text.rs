//! The texts of documents.

use std::fmt::{self, Debug, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::{Document, Format, Place};

/// A text of a document, as it was read.
///
/// The texts of a page are parts of one that they keep together: so many small ones would be made by one thread and
/// freed by another, and a sandbox would be given a copy of their copy. One of them that is kept keeps the page, so
/// what outlives its batch is better turned into a `String`.
#[derive(Clone)]
pub struct Text {
    page: Arc<String>,
    /// Which part it is, in bytes, from one character to another.
    part: Range<usize>,
}

impl Text {
    /// The text as such.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self
    }

    /// The text that begins with the first of these and ends with the last, if each stands in the same page where the one
    /// before it ends.
    pub(crate) fn joined<'t>(texts: impl IntoIterator<Item = &'t Self>) -> Option<&'t str> {
        let mut texts = texts.into_iter();
        let first = texts.next()?;
        let mut end = first.part.end;
        for text in texts {
            if !Arc::ptr_eq(&text.page, &first.page) || text.part.start != end {
                return None;
            }
            end = text.part.end;
        }
        first.page.get(first.part.start..end)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        // There is such a part: all that makes a text from a page puts whole texts there, and notes where they end. Nobody
        // changes the page afterwards.
        self.page.get(self.part.clone()).unwrap_or_default()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        let part = 0..text.len();
        Self {
            page: Arc::new(text),
            part,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Text> for String {
    /// Copies nothing where the text is a whole one that nobody else has.
    fn from(text: Text) -> Self {
        if text.part == (0..text.page.len()) {
            return Arc::unwrap_or_clone(text.page);
        }
        text.as_str().to_owned()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl Debug for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&**self, f)
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

/// Documents that are read together, and come to keep their texts together.
///
/// ```
/// use host::store::{Format, Gathering, Place};
/// let mut page = Gathering::with_room(100);
/// page.push("a", "{}", Place::Row(1), Format::Plain);
/// page.push("b", "[]", Place::Row(2), Format::Plain);
/// let documents = page.into_documents();
/// assert_eq!((&*documents[1].id, &*documents[1].body), ("b", "[]"));
/// ```
#[derive(Debug, Default)]
pub struct Gathering {
    page: String,
    /// Where the id and the body of each end, of which one begins where the other ends.
    documents: Vec<(usize, usize, Place, Format)>,
}

impl Gathering {
    /// With room for texts of so many bytes, to begin with.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self {
            page: String::with_capacity(bytes),
            documents: Vec::new(),
        }
    }

    /// Adds a document.
    pub fn push(&mut self, id: &str, body: &str, place: Place, format: Format) {
        self.page.push_str(id);
        let end_of_id = self.page.len();
        self.page.push_str(body);
        self.documents
            .push((end_of_id, self.page.len(), place, format));
    }

    /// How many there are.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// How many bytes their texts have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.page.len()
    }

    /// The documents, in order.
    #[must_use]
    pub fn into_documents(self) -> Vec<Document> {
        let page = Arc::new(self.page);
        let text = |part| Text {
            page: Arc::clone(&page),
            part,
        };
        let mut start = 0;
        self.documents
            .into_iter()
            .map(|(end_of_id, end, place, format)| {
                let id = start..end_of_id;
                start = end;
                Document {
                    id: text(id),
                    body: text(end_of_id..end),
                    place,
                    format,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gathered(texts: &[(String, String)]) -> Vec<Document> {
        let mut page = Gathering::with_room(10);
        for (number, (id, body)) in texts.iter().enumerate() {
            page.push(id, body, Place::Row(number as i64), Format::Plain);
        }
        page.into_documents()
    }

    /// All texts of documents, in order.
    fn texts(documents: &[Document]) -> Vec<&Text> {
        documents
            .iter()
            .flat_map(|document| [&document.id, &document.body])
            .collect()
    }

    proptest! {
        #[test]
        fn documents_are_what_was_gathered_and_stand_in_one_piece(
            pairs in proptest::collection::vec(("[aé€]{0,5}", "[{é\"}]{0,20}"), 0..20),
            missing in any::<prop::sample::Index>(),
        ) {
            let mut documents = gathered(&pairs);
            prop_assert_eq!(documents.len(), pairs.len());
            for (number, (document, (id, body))) in documents.iter().zip(&pairs).enumerate() {
                prop_assert_eq!(&document.id, id);
                prop_assert_eq!(&document.body, body);
                prop_assert_eq!(&document.place, &Place::Row(number as i64));
            }
            let whole: String = pairs.iter().flat_map(|(id, body)| [id.as_str(), body]).collect();
            let joined = Text::joined(texts(&documents));
            prop_assert_eq!(joined, (!pairs.is_empty()).then_some(whole.as_str()));

            // Where one is left out, or is another's, they do not stand behind each other any more.
            if pairs.len() > 2 {
                let place = 1 + missing.index(pairs.len() - 2);
                let taken = documents.remove(place);
                let gone = taken.id.is_empty() && taken.body.is_empty();
                prop_assert_eq!(Text::joined(texts(&documents)).is_some(), gone);
                let foreign = Document { id: taken.id.as_str().into(), ..taken };
                documents.insert(place, foreign);
                prop_assert_eq!(Text::joined(texts(&documents)), None);
            }
        }
    }

    #[test]
    fn texts_are_compared_by_what_they_say() {
        let documents = gathered(&[("a".into(), "b".into()), ("b".into(), "a".into())]);
        let [one, other] = &documents[..] else {
            panic!("two were gathered");
        };
        assert_eq!((&one.id, &one.body), (&other.body, &other.id));
        assert_ne!(one.id, one.body);
        assert_eq!(String::from(one.id.clone()), "a");
        assert_eq!(String::from(Text::from("ab")), "ab");
        assert_eq!(format!("{:?} {:>2}", one.id, one.body), "\"a\"  b");
    }
}
