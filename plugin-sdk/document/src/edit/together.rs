//! Making many edits in one pass over the body, where none of them touches what another one does.
//!
//! The result is that of one edit after the other, as a property test shows. So a body of megabytes in which thousands
//! of values change, as [`diff`](crate::diff()) tells them, is gone over once for every level of it, and not once
//! for every change.

use std::borrow::Cow;

use super::{Allowance, EditError, Spacing, append, check_value, too_much};
use crate::json::{self, Entry, Span};
use crate::model::Edit;

/// An edit, and what is left of its pointer from the container on that is looked at.
#[derive(Clone, Copy)]
struct Item<'e> {
    /// Its number.
    edit: usize,
    /// Begins with a slash.
    rest: &'e str,
}

impl<'e> Item<'e> {
    /// The next token as it is spelled, and what comes behind it.
    fn split(self) -> (&'e str, &'e str) {
        let rest = self.rest.get(1..).unwrap_or_default();
        rest.split_at(rest.find('/').unwrap_or(rest.len()))
    }
}

/// The edits that lead to or into one child of a container.
struct Group<'i, 'e> {
    token: &'e str,
    items: &'i mut [Item<'e>],
    /// Where the child is; the last one, where a key stands twice.
    found: Option<Span>,
    removes: bool,
}

/// Part of the body that gives way to another text.
struct Cut<'e> {
    span: Span,
    text: Cow<'e, str>,
}

/// What comes of looking at a container.
enum Seen {
    Done,
    /// Its edits depend on each other.
    Tangled,
}

/// Makes the edits, if that comes to the same as making one after the other; else there is none.
///
/// # Errors
/// The first edit that does not apply, or too much work.
pub(super) fn together(
    body: &str,
    edits: &[Edit],
    allowance: &mut Allowance,
) -> Result<Option<String>, EditError> {
    let Some(mut items) = apart(edits) else {
        return Ok(None);
    };
    let mut pass = Pass {
        body,
        edits,
        cuts: Vec::with_capacity(edits.len()),
        failed: None,
    };
    for (number, edit) in edits.iter().enumerate() {
        if let Edit::Set { at, value } = edit
            && let Err(error) = check_value(at, value)
        {
            pass.fails(number, error);
            break;
        }
    }
    // What is nested is kept here and not on the stack: a body may be nested deeper than that has room for.
    let mut open = vec![(json::root(body)?, &mut items[..])];
    while let Some((span, items)) = open.pop() {
        if !allowance.spend(span.end - span.start) {
            return Err(too_much(body, edits));
        }
        match pass.look(span, items, &mut open)? {
            Seen::Done => {}
            Seen::Tangled => return Ok(None),
        }
    }
    match pass.failed {
        Some((_, error)) => Err(error),
        None => Ok(Some(pass.written())),
    }
}

/// The edits, sorted by their pointers such that those that lead into one value stand together; None if one of them
/// may touch what another one does, by being a rename or by leading to the same place or into it.
fn apart<'e>(edits: &'e [Edit<'_>]) -> Option<Vec<Item<'e>>> {
    let mut items = Vec::with_capacity(edits.len());
    for (edit, what) in edits.iter().enumerate() {
        let (Edit::Set { at: rest, .. } | Edit::Remove { at: rest }) = what else {
            return None;
        };
        if rest.is_empty() || json::check_pointer(rest).is_err() {
            return None;
        }
        items.push(Item { edit, rest });
    }
    // The slash comes before all else, so that what leads into a value follows the value itself.
    let rank = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    items.sort_by(|one, other| one.rest.bytes().map(rank).cmp(other.rest.bytes().map(rank)));
    let depends = |pair: &[Item<'_>]| match pair {
        [one, other] => other
            .rest
            .strip_prefix(one.rest)
            .is_some_and(|behind| behind.is_empty() || behind.starts_with('/')),
        _ => false,
    };
    (!items.windows(2).any(depends)).then_some(items)
}

struct Pass<'e> {
    body: &'e str,
    edits: &'e [Edit<'e>],
    cuts: Vec<Cut<'e>>,
    /// The first edit that does not apply.
    failed: Option<(usize, EditError)>,
}

impl<'e> Pass<'e> {
    fn fails(&mut self, edit: usize, error: EditError) {
        if self.failed.as_ref().is_none_or(|(first, _)| edit < *first) {
            self.failed = Some((edit, error));
        }
    }

    /// Notes that an edit leads nowhere. `held` says whether there is an object or array at its end.
    fn leads_nowhere(&mut self, edit: usize, held: bool) {
        let error = match self.edits.get(edit) {
            Some(Edit::Set { at, .. }) if !held => EditError::NoParent { at: at.to_string() },
            Some(Edit::Set { at, .. } | Edit::Remove { at }) => {
                EditError::Nowhere { at: at.to_string() }
            }
            Some(Edit::Rename { .. }) | None => return,
        };
        self.fails(edit, error);
    }

    /// Goes over one container, and notes what its edits cut. What lies deeper is left for later.
    fn look<'i>(
        &mut self,
        span: Span,
        items: &'i mut [Item<'e>],
        open: &mut Vec<(Span, &'i mut [Item<'e>])>,
    ) -> Result<Seen, EditError> {
        let Some(mut entries) = json::entries(self.body, span)? else {
            for item in items {
                self.leads_nowhere(item.edit, false);
            }
            return Ok(Seen::Done);
        };
        let mut groups = grouped(items, self.edits);
        let removes = groups.iter().any(|group| group.removes);
        if removes && !entries.keyed {
            // The elements behind it move.
            return Ok(Seen::Tangled);
        }
        let mut places = Places::new(entries.keyed, &groups);
        let mut left = Left::new(self.body, span, removes);
        while let Some(entry) = entries.next_entry()? {
            let group = places
                .next(entry.key.map(|key| key.of(self.body)))
                .and_then(|group| groups.get_mut(group));
            let removed = group.as_ref().is_some_and(|group| group.removes);
            if let Some(group) = group {
                group.found = Some(entry.value);
            }
            if let Some(span) = left.pass(entry, removed) {
                self.cut(span, Cow::Borrowed(""));
            }
        }
        let (keyed, length) = (entries.keyed, places.passed);
        let last_removed = groups
            .iter()
            .filter(|group| group.removes)
            .filter_map(|group| Some(group.items.first()?.edit))
            .max();
        // Where there is more to find than an array has, one may lead to what another one adds.
        if !keyed && groups.iter().filter(|group| group.found.is_none()).count() > 1 {
            return Ok(Seen::Tangled);
        }
        let mut added = Vec::new();
        for group in groups {
            let deeper = group
                .items
                .first()
                .is_some_and(|item| !item.split().1.is_empty());
            match group.found {
                Some(_) if group.removes => {}
                Some(span) if deeper => {
                    for item in group.items.iter_mut() {
                        item.rest = item.split().1;
                    }
                    open.push((span, group.items));
                }
                Some(span) => {
                    for item in group.items {
                        self.cut(span, Cow::Borrowed(value(self.edits, item.edit)));
                    }
                }
                None if deeper || group.removes => {
                    for item in group.items {
                        self.leads_nowhere(item.edit, false);
                    }
                }
                None => added.extend(group.items.iter().map(|item| (item.edit, group.token))),
            }
        }
        added.sort_unstable();
        // What is added is spaced as the last entry is, and that may be one that is removed only later.
        let removed_later =
            |first: &(usize, &str)| last_removed.is_some_and(|removed| first.0 < removed);
        if added.first().is_some_and(removed_later) && !left.is_spaced_alike() {
            return Ok(Seen::Tangled);
        }
        self.end(&left, keyed, length, &added);
        Ok(Seen::Done)
    }

    /// Notes what is added behind the last entry, and cut off there.
    fn end(&mut self, left: &Left<'_>, keyed: bool, length: usize, added: &[(usize, &str)]) {
        let mut text = String::new();
        let mut first = left.is_empty();
        let spacing = left.spacing();
        for (edit, token) in added {
            if !keyed && *token != "-" && json::array_index(token) != Some(length) {
                self.leads_nowhere(*edit, true);
                continue;
            }
            let key = keyed.then(|| json::quoted(&json::token(token)));
            append(
                &mut text,
                &spacing,
                first,
                key.as_deref(),
                value(self.edits, *edit),
            );
            first = false;
        }
        let place = left.place();
        let tail = left.tail();
        if !text.is_empty() {
            let end = tail
                .filter(|tail| tail.start == place)
                .map_or(place, |tail| tail.end);
            self.cut(Span { start: place, end }, Cow::Owned(text));
            if let Some(tail) = tail.filter(|tail| tail.start != place) {
                self.cut(tail, Cow::Borrowed(""));
            }
        } else if let Some(tail) = tail {
            self.cut(tail, Cow::Borrowed(""));
        }
    }

    fn cut(&mut self, span: Span, text: Cow<'e, str>) {
        self.cuts.push(Cut { span, text });
    }

    /// The body with all that was cut replaced.
    fn written(mut self) -> String {
        self.cuts.sort_unstable_by_key(|cut| cut.span.start);
        let (mut added, mut taken) = (0, 0);
        for cut in &self.cuts {
            added += cut.text.len();
            taken += cut.span.end - cut.span.start;
        }
        let mut text = String::with_capacity((self.body.len() + added).saturating_sub(taken));
        let mut copied = 0;
        for cut in &self.cuts {
            text.push_str(self.body.get(copied..cut.span.start).unwrap_or_default());
            text.push_str(&cut.text);
            copied = cut.span.end;
        }
        text.push_str(self.body.get(copied..).unwrap_or_default());
        text
    }
}

/// The value that an edit sets.
fn value<'e>(edits: &'e [Edit<'_>], edit: usize) -> &'e str {
    match edits.get(edit) {
        Some(Edit::Set { value, .. }) => json::trimmed(value),
        _ => "",
    }
}

/// Edits of one container by the child that they lead to, in the order of their tokens.
fn grouped<'i, 'e>(items: &'i mut [Item<'e>], edits: &[Edit]) -> Vec<Group<'i, 'e>> {
    items
        .chunk_by_mut(|one, other| one.split().0 == other.split().0)
        .filter_map(|items| {
            let first = *items.first()?;
            let (token, behind) = first.split();
            Some(Group {
                token,
                removes: behind.is_empty()
                    && matches!(edits.get(first.edit), Some(Edit::Remove { .. })),
                items,
                found: None,
            })
        })
        .collect()
}

/// Finds the groups of a container's entries, which come one after the other.
struct Places<'e> {
    /// Tokens of an object's members, sorted.
    keys: Vec<(&'e str, usize)>,
    /// Indexes of an array's elements, from the last to the first.
    indexes: Vec<(usize, usize)>,
    /// How many entries have passed.
    passed: usize,
}

impl<'e> Places<'e> {
    fn new(keyed: bool, groups: &[Group<'_, 'e>]) -> Self {
        let tokens = groups
            .iter()
            .enumerate()
            .map(|(group, of)| (of.token, group));
        let (mut keys, mut indexes) = (Vec::new(), Vec::new());
        if keyed {
            keys.extend(tokens);
            keys.sort_unstable();
        } else {
            indexes.extend(
                tokens.filter_map(|(token, group)| Some((json::array_index(token)?, group))),
            );
            indexes.sort_unstable_by(|one, other| other.cmp(one));
        }
        Self {
            keys,
            indexes,
            passed: 0,
        }
    }

    /// The group of the next entry.
    fn next(&mut self, key: Option<&str>) -> Option<usize> {
        let index = self.passed;
        self.passed += 1;
        match key {
            Some(key) => {
                let name = json::decode(key);
                let token = if name.contains(['~', '/']) {
                    Cow::Owned(json::escape(&name))
                } else {
                    name
                };
                let place = self
                    .keys
                    .binary_search_by(|(known, _)| (*known).cmp(&token))
                    .ok()?;
                self.keys.get(place).map(|(_, group)| *group)
            }
            None => {
                let (next, group) = *self.indexes.last()?;
                (next == index).then(|| {
                    self.indexes.pop();
                    group
                })
            }
        }
    }
}

/// What is left of a container while its entries pass.
struct Left<'t> {
    body: &'t str,
    /// Just behind the opening bracket.
    open: usize,
    /// Whether any are removed. If none are, there is less to be known.
    removes: bool,
    /// The last entry that is left, and where it starts by now: the first of those that were removed before it stood
    /// there.
    last: Option<(Entry, usize)>,
    /// From the first that is removed behind the last one that is left, to the end of the last one's value.
    removed: Option<Span>,
    /// The last entry that has passed.
    passed: Option<Entry>,
    /// Whether those that were removed just before the last one that is left were spaced as it is.
    alike_before: bool,
    /// Whether those that are removed behind it are spaced alike, and whether as it is.
    alike_behind: (bool, bool),
}

impl<'t> Left<'t> {
    fn new(body: &'t str, within: Span, removes: bool) -> Self {
        Self {
            body,
            open: within.start + 1,
            removes,
            last: None,
            removed: None,
            passed: None,
            alike_before: true,
            alike_behind: (true, true),
        }
    }

    /// Has an entry pass. Returns what is cut out before it.
    fn pass(&mut self, entry: Entry, removed: bool) -> Option<Span> {
        if !self.removes {
            self.last = Some((entry, entry.start()));
            return None;
        }
        let before = self.passed.replace(entry);
        if !removed && self.removed.is_none() {
            self.last = Some((entry, entry.start()));
            self.alike_before = true;
            return None;
        }
        let alike = before.is_some_and(|before| {
            self.spacing_of(&before, before.start()) == self.spacing_of(&entry, entry.start())
        });
        if removed {
            self.alike_behind = match (self.removed, self.last) {
                (Some(_), _) => (self.alike_behind.0 && alike, self.alike_behind.1),
                // The space before its comma stays where something has been added behind the others.
                (None, Some((last, _))) => {
                    let comma = self.body.as_bytes().get(last.value.end) == Some(&b',');
                    (true, alike && comma)
                }
                (None, None) => (true, false),
            };
            let start = self.removed.map_or(entry.start(), |removed| removed.start);
            self.removed = Some(Span {
                start,
                end: entry.value.end,
            });
            return None;
        }
        let start = self.removed.take()?.start;
        self.alike_before = self.alike_behind.0 && alike;
        self.last = Some((entry, start));
        Some(Span {
            start,
            end: entry.start(),
        })
    }

    /// Whether a further entry is spaced the same, and leaves the same, at whatever time it comes.
    fn is_spaced_alike(&self) -> bool {
        let behind = self.alike_behind.0 && self.alike_behind.1;
        self.alike_before && (self.removed.is_none() || behind)
    }

    fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// Where a further entry goes.
    fn place(&self) -> usize {
        self.last.map_or(self.open, |(last, _)| last.value.end)
    }

    /// What is cut off at the end: with the comma behind the last entry that is left.
    fn tail(&self) -> Option<Span> {
        let removed = self.removed?;
        Some(match self.last {
            Some((last, _)) => Span {
                start: last.value.end,
                end: removed.end,
            },
            None => removed,
        })
    }

    /// How a further entry is spaced.
    fn spacing(&self) -> Spacing<'t> {
        match &self.last {
            None => Spacing::NONE,
            Some((last, start)) => self.spacing_of(last, *start),
        }
    }

    fn spacing_of(&self, entry: &Entry, start: usize) -> Spacing<'t> {
        Spacing::of(self.body, self.open..start, entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::{WORK, one};
    use proptest::prelude::*;

    fn one_by_one(body: &str, edits: &[Edit]) -> Result<String, EditError> {
        edits
            .iter()
            .try_fold(body.to_owned(), |body, edit| one(&body, edit))
    }

    fn at_once(body: &str, edits: &[Edit]) -> Result<Option<String>, EditError> {
        together(body, edits, &mut Allowance::of(WORK))
    }

    /// JSON with few different keys, some of them twice in one object, and odd spacing.
    fn body() -> impl Strategy<Value = String> {
        let space = || "[ \n]{0,2}";
        let leaf = r#"1\.0|"x\\"y"|null"#.prop_map(|text: String| text);
        leaf.prop_recursive(4, 40, 5, move |inner| {
            let key = r#"[a-c]|b\\u0063|~|/|"#;
            let entry = (space(), inner, space());
            let list = (proptest::collection::vec(entry.clone(), 0..5), space()).prop_map(
                |(items, inside)| {
                    bracketed(
                        "[",
                        items.into_iter().map(|(a, b, c)| a + &b + &c).collect(),
                        &inside,
                        "]",
                    )
                },
            );
            let member = (space(), key, space(), space(), entry).prop_map(
                |(lead, key, before, behind, (_, value, trail))| {
                    format!("{lead}\"{key}\"{before}:{behind}{value}{trail}")
                },
            );
            let object = (proptest::collection::vec(member, 0..5), space())
                .prop_map(|(members, inside)| bracketed("{", members, &inside, "}"));
            prop_oneof![list, object]
        })
    }

    fn bracketed(open: &str, entries: Vec<String>, inside: &str, close: &str) -> String {
        if entries.is_empty() {
            [open, inside, close].concat()
        } else {
            [open, &entries.join(","), close].concat()
        }
    }

    fn edit() -> impl Strategy<Value = Edit<'static>> {
        let at = || "(/([a-d]|bc|~0|~1|[0-4]|-|)){1,3}|(/[a-d]){1}";
        let value = r#" ?2|\{"a": 1\}|\[0, \[\]\]|"w" ?"#;
        prop_oneof![
            4 => (at(), value).prop_map(|(at, value)| Edit::Set {
                at: at.into(),
                value: value.into(),
            }),
            2 => at().prop_map(|at| Edit::Remove { at: at.into() }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn together_is_one_after_the_other(
            body in body(),
            edits in proptest::collection::vec(edit(), 0..5),
        ) {
            // Of edits at random few apply; those that do are kept.
            let mut kept = Vec::new();
            let mut now = body.clone();
            for edit in &edits {
                if let Ok(after) = one(&now, edit) {
                    now = after;
                    kept.push(edit.clone());
                }
            }
            for edits in [&kept, &edits] {
                if let Some(made) = at_once(&body, edits).transpose() {
                    prop_assert_eq!(made, one_by_one(&body, edits), "{} {:?}", body, edits);
                }
                prop_assert_eq!(crate::apply(&body, edits), one_by_one(&body, edits));
            }
        }
    }

    #[test]
    fn edits_that_depend_on_each_other_are_not_made_together() {
        let set = |at: &'static str| Edit::Set {
            at: at.into(),
            value: "1".into(),
        };
        let remove = |at: &'static str| Edit::Remove { at: at.into() };
        let body = r#"{"a": {"b": 0, "c-": 0}, "l": [0, 0],"z":0}"#;
        let made = |edits: &[Edit]| at_once(body, edits).unwrap();
        for edits in [
            [set("/a"), set("/a")],
            [set("/a"), set("/a/b")],
            [set("/a/b"), remove("/a")],
            [remove("/l/0"), set("/l/1")],
            [set("/l/-"), set("/l/2")],
            // What is added is spaced as the one that then goes.
            [set("/n"), remove("/z")],
            [set("/l/-"), set("/l/2/a")],
        ] {
            assert_eq!(made(&edits), None, "{edits:?}");
        }
        let alike = r#"{"a":1,"b":2,"c":3}"#;
        let edits = [set("/n"), remove("/b"), remove("/c")];
        let made_alike = at_once(alike, &edits).unwrap();
        assert_eq!(made_alike.as_deref(), Some(r#"{"a":1,"n":1}"#));
        assert_eq!(
            made(&[
                remove("/z"),
                set("/n"),
                set("/a/c-"),
                set("/l/-"),
                set("/a/b")
            ])
            .as_deref(),
            Some(r#"{"a": {"b": 1, "c-": 1}, "l": [0, 0, 1], "n": 1}"#)
        );
    }
}
