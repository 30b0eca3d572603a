//! What a guest returned becomes the host's only through here, whatever version of the interface it came by:
//! a document whose outcome is over a limit fails alone, and what is said of it holds no secret.

use std::mem;

use migration_document::{
    Change, Condition, Edit, Failure, Insertion, Manifest, Outcome, Reference, Test,
};

use super::gauge::Peak;
use super::limits::{Limit, Limits, Size, Usage, limit};
use super::secrets::{Clean, Secrets};

/// What was over a limit, and the limit.
pub(super) struct Excess {
    found: String,
    limit: Limit,
}

impl std::fmt::Display for Excess {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}, and {}", self.found, self.limit)
    }
}

type Checked = Result<(), Excess>;

/// Keeps an outcome within its limits, and secrets out of what it says: one that is over a limit becomes the
/// document's failure. What it would have written is data, and stays as it is. What it uses of its limits is noted
/// where somebody wants to know.
pub(crate) fn outcome(
    outcome: &mut Outcome<'_>,
    limits: &Limits,
    secrets: &Secrets,
    usage: Option<&mut Usage>,
) {
    if let (Outcome::Edit(edits), None) = (&*outcome, &usage)
        && are_small(edits, limits)
    {
        return;
    }
    let mut check = Check {
        usage,
        ..Check::new(limits)
    };
    let clean = |text: &mut String| secrets.clean(mem::take(text));
    match outcome {
        Outcome::Skip(reason) => *reason = clean(reason.to_mut()).into_string().into(),
        Outcome::Fail(Failure { code, message, at }) => {
            check.note(|usage| usage.message_bytes.count(message.len()));
            *code = clean(code).into_string();
            *message = cut(clean(message), limits);
            if let Some(at) = at {
                *at = clean(at).into_string();
            }
        }
        Outcome::Edit(_) | Outcome::Replace(_) | Outcome::Delete | Outcome::Changes(_) => {}
    }
    if let Err(excess) = check.outcome(outcome) {
        *outcome = Outcome::Fail(Failure {
            code: "limit".into(),
            message: format!("the plugin returned more than it may: {excess}"),
            at: None,
        });
    }
}

/// Whether edits are nowhere near a limit, as most are: so short that they cannot be nested too deep either.
#[inline]
fn are_small(edits: &[Edit], limits: &Limits) -> bool {
    let most = limits
        .id_bytes
        .0
        .min(limits.json_size.0)
        .min(limits.json_depth.0);
    edits.len() <= limits.document_edits.0
        && edits.iter().all(|edit| match edit {
            Edit::Set { at, value } => at.len() + value.len() <= most,
            Edit::Remove { at } => at.len() <= most,
            Edit::Rename { .. } => false,
        })
}

/// Checks that a manifest is within its limits.
pub(super) fn manifest(manifest: &Manifest, limits: &Limits) -> Checked {
    let mut check = Check::new(limits);
    let lists = [
        &manifest.run_after,
        &manifest.reads,
        &manifest.writes,
        &manifest.secrets,
    ];
    let items = manifest.filter.len() + lists.iter().map(|list| list.len()).sum::<usize>();
    if items > limits.manifest_items.0 {
        return Err(Excess {
            found: format!("it names {items} things"),
            limit: limit!(limits.manifest_items),
        });
    }
    check.within(
        &manifest.description,
        "a description",
        limits.message_bytes,
        || limit!(limits.message_bytes),
        |usage| &mut usage.message_bytes,
    )?;
    for name in lists
        .into_iter()
        .flatten()
        .chain([&manifest.name, &manifest.table])
    {
        check.name(name, "a name")?;
    }
    manifest
        .filter
        .iter()
        .try_for_each(|condition| check.condition(condition))
}

/// Cuts a message to its limit, and says so.
pub(super) fn cut(mut message: Clean, limits: &Limits) -> String {
    if message.cut(limits.message_bytes.0) {
        format!("{message}… (cut: {})", limit!(limits.message_bytes))
    } else {
        message.into_string()
    }
}

/// Goes over one outcome and adds up what its parts share.
struct Check<'l> {
    limits: &'l Limits,
    edits: usize,
    insertions: usize,
    /// How much deeper its renames bring values together.
    deeper: usize,
    usage: Option<&'l mut Usage>,
}

impl<'l> Check<'l> {
    fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            edits: 0,
            insertions: 0,
            deeper: 0,
            usage: None,
        }
    }

    fn note(&mut self, used: impl FnOnce(&mut Usage)) {
        if let Some(usage) = &mut self.usage {
            used(usage);
        }
    }

    fn outcome(&mut self, outcome: &Outcome) -> Checked {
        match outcome {
            Outcome::Skip(reason) => self.name(reason, "a reason"),
            Outcome::Edit(edits) => self.edits(edits),
            Outcome::Replace(body) => self.json(body, ""),
            Outcome::Delete => Ok(()),
            Outcome::Changes(changes) => {
                self.note(|usage| usage.document_changes.count(changes.len()));
                if changes.len() > self.limits.document_changes.0 {
                    return Err(Excess {
                        found: format!("{} changes", changes.len()),
                        limit: limit!(self.limits.document_changes),
                    });
                }
                changes.iter().try_for_each(|change| self.change(change))
            }
            Outcome::Fail(failure) => {
                self.name(&failure.code, "a code")?;
                failure.at.as_ref().map_or(Ok(()), |at| self.id(at))
            }
        }
    }

    fn change(&mut self, change: &Change) -> Checked {
        match change {
            Change::Insert(insertion) => self.insertion(insertion),
            Change::Edit(at, edits) => {
                self.reference(at)?;
                self.edits(edits)
            }
            Change::Replace(at, body) => {
                self.reference(at)?;
                self.json(body, "")
            }
            Change::Delete(at) => self.reference(at),
        }
    }

    fn insertion(&mut self, insertion: &Insertion) -> Checked {
        self.insertions += 1;
        let insertions = self.insertions;
        self.note(|usage| usage.document_insertions.count(insertions));
        if self.insertions > self.limits.document_insertions.0 {
            return Err(Excess {
                found: format!("{} insertions", self.insertions),
                limit: limit!(self.limits.document_insertions),
            });
        }
        self.name(&insertion.table, "a table's name")?;
        insertion.id.as_ref().map_or(Ok(()), |id| self.id(id))?;
        self.json(&insertion.body, "")
    }

    fn reference(&mut self, at: &Reference) -> Checked {
        self.name(&at.table, "a table's name")?;
        self.id(&at.id)
    }

    fn edits(&mut self, edits: &[Edit]) -> Checked {
        self.edits += edits.len();
        let all = self.edits;
        self.note(|usage| usage.document_edits.count(all));
        if self.edits > self.limits.document_edits.0 {
            return Err(Excess {
                found: format!("{} edits", self.edits),
                limit: limit!(self.limits.document_edits),
            });
        }
        for edit in edits {
            match edit {
                Edit::Set { at, value } => {
                    self.id(at)?;
                    self.json(value, at)?;
                }
                Edit::Remove { at } => self.id(at)?,
                Edit::Rename { from, to } => {
                    self.id(from)?;
                    self.id(to)?;
                    // How deep the value is nested that moves, nobody knows here.
                    self.deeper += depth_of(to).saturating_sub(depth_of(from));
                    self.depth(self.deeper.max(depth_of(to)))?;
                }
            }
        }
        Ok(())
    }

    fn condition(&mut self, condition: &Condition) -> Checked {
        self.id(&condition.at)?;
        let values = match &condition.test {
            Test::Present | Test::Missing => &[],
            Test::Equals(value)
            | Test::NotEquals(value)
            | Test::LessThan(value)
            | Test::AtLeast(value) => std::slice::from_ref(value),
            Test::OneOf(values) => values.as_slice(),
        };
        values.iter().try_for_each(|value| self.json(value, ""))
    }

    /// A JSON text that goes where this pointer leads.
    fn json(&mut self, text: &str, at: &str) -> Checked {
        let limits = self.limits;
        self.within(
            text,
            "a value",
            limits.json_size,
            || limit!(limits.json_size),
            |usage| &mut usage.json_size,
        )?;
        // Nearly all are too short to be that deep.
        if self.usage.is_none() && at.len() + text.len() <= limits.json_depth.0 {
            return Ok(());
        }
        let at = depth_of(at);
        self.depth(at)?;
        // Of the others nearly all have too few brackets, and counting them is quick.
        let brackets = |text: &str| {
            text.bytes()
                .filter(|byte| matches!(byte, b'[' | b'{'))
                .count()
        };
        if self.usage.is_none() && brackets(text) <= limits.json_depth.0 - at {
            return Ok(());
        }
        self.depth(at + nesting(text))
    }

    fn depth(&mut self, depth: usize) -> Checked {
        self.note(|usage| usage.json_depth.count(depth));
        if depth > self.limits.json_depth.0 {
            return Err(Excess {
                found: format!("a value nested {depth} deep"),
                limit: limit!(self.limits.json_depth),
            });
        }
        Ok(())
    }

    fn id(&mut self, text: &str) -> Checked {
        let limits = self.limits;
        self.within(
            text,
            "an id or a pointer",
            limits.id_bytes,
            || limit!(limits.id_bytes),
            |usage| &mut usage.id_bytes,
        )
    }

    fn name(&mut self, text: &str, what: &str) -> Checked {
        let limits = self.limits;
        self.within(
            text,
            what,
            limits.name_bytes,
            || limit!(limits.name_bytes),
            |usage| &mut usage.name_bytes,
        )
    }

    fn within(
        &mut self,
        text: &str,
        what: &str,
        size: Size,
        limit: impl Fn() -> Limit,
        peak: impl Fn(&mut Usage) -> &mut Peak,
    ) -> Checked {
        self.note(|usage| peak(usage).count(text.len()));
        if text.len() > size.0 {
            return Err(Excess {
                found: format!("{what} of {} bytes", text.len()),
                limit: limit(),
            });
        }
        Ok(())
    }
}

/// How deep a pointer leads.
fn depth_of(pointer: &str) -> usize {
    pointer.bytes().filter(|byte| *byte == b'/').count()
}

/// How deep a text is nested. On what is no JSON the number means little; it is refused later.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut quoted) = (0_usize, 0, false);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if quoted => {
                bytes.next();
            }
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::super::limits::Count;
    use super::*;

    fn set(at: &'static str, value: &'static str) -> Edit<'static> {
        Edit::Set {
            at: at.into(),
            value: value.into(),
        }
    }

    fn checked<'o>(mut given: Outcome<'o>, limits: &Limits, secrets: &Secrets) -> Outcome<'o> {
        outcome(&mut given, limits, secrets, None);
        given
    }

    /// The limit that an outcome hits.
    #[track_caller]
    fn hit(given: Outcome) -> String {
        let limits = Limits {
            document_edits: Count(2),
            document_changes: Count(2),
            document_insertions: Count(1),
            json_depth: Count(3),
            json_size: Size(20),
            id_bytes: Size(12),
            name_bytes: Size(4),
            message_bytes: Size(5),
            ..Limits::default()
        };
        match checked(given.clone(), &limits, &Secrets::default()) {
            Outcome::Fail(failure) if failure.code == "limit" => {
                let (_, name) = failure.message.split_once("the limit `").unwrap();
                name.split_once('`').unwrap().0.to_owned()
            }
            kept => {
                assert_eq!(kept, given);
                String::new()
            }
        }
    }

    fn insertion(table: &str, id: &str) -> Change {
        Change::Insert(Insertion {
            table: table.into(),
            id: Some(id.into()),
            body: "{}".into(),
        })
    }

    fn rename(from: &'static str, to: &'static str) -> Edit<'static> {
        Edit::Rename {
            from: from.into(),
            to: to.into(),
        }
    }

    fn other() -> Reference {
        Reference {
            table: "t".into(),
            id: "1".into(),
        }
    }

    #[test]
    fn every_piece_of_an_outcome_has_its_limit() {
        for (outcome, expected) in [
            (Outcome::Edit(vec![set("/a", "1"), set("/b", "1")]), ""),
            (Outcome::Edit(vec![set("/a", "1"); 3]), "document-edits"),
            (
                Outcome::Changes(vec![Change::Edit(other(), vec![set("/a", "1"); 2]); 2]),
                "document-edits",
            ),
            (
                Outcome::Changes(vec![Change::Delete(other()); 3]),
                "document-changes",
            ),
            (
                Outcome::Changes(vec![insertion("t", "1"), insertion("t", "2")]),
                "document-insertions",
            ),
            (
                Outcome::Changes(vec![insertion("table", "1")]),
                "name-bytes",
            ),
            (
                Outcome::Changes(vec![insertion("t", "a much too long id")]),
                "id-bytes",
            ),
            (Outcome::Skip("reason".into()), "name-bytes"),
            (Outcome::Edit(vec![set("/a/b", "[1]")]), ""),
            (Outcome::Edit(vec![set("/a/b", "[[1]]")]), "json-depth"),
            (Outcome::Edit(vec![set("/a/b/c/d", "1")]), "json-depth"),
            (Outcome::Edit(vec![rename("/a", "/a/b/c/d")]), "json-depth"),
            (Outcome::Edit(vec![rename("/a", "/b/c/d"); 2]), "json-depth"),
            (Outcome::Edit(vec![rename("/a/b/c", "/d"); 2]), ""),
            (Outcome::Replace(r#"["[[[[[\"[[[[["]"#.into()), ""),
            (Outcome::Replace("[[],[[]],[[]]]".into()), ""),
            (Outcome::Replace("[[[[]]]]".into()), "json-depth"),
            (
                Outcome::Replace("\"                   \"".into()),
                "json-size",
            ),
        ] {
            assert_eq!(hit(outcome.clone()), expected, "{outcome:?}");
        }
    }

    #[test]
    fn a_message_is_cut_and_its_failure_stays() {
        let limits = Limits {
            message_bytes: Size(3),
            ..Limits::default()
        };
        let failure = Failure {
            code: "mine".into(),
            message: "aé€".into(),
            at: None,
        };
        let failure = checked(Outcome::Fail(failure), &limits, &Secrets::default());
        let Outcome::Fail(failure) = failure else {
            panic!("it did not fail");
        };
        assert_eq!(failure.code, "mine");
        assert_eq!(
            failure.message,
            "aé… (cut: the limit `message-bytes` is 3 bytes; --message-bytes raises it)"
        );
    }

    #[test]
    fn a_secret_is_wiped_before_its_message_is_cut_and_stays_in_data() {
        let mut secrets = Secrets::default();
        secrets.insert("K".into(), "correct horse".to_owned().into());
        let limits = Limits {
            message_bytes: Size(9),
            ..Limits::default()
        };
        let checked = |given| checked(given, &limits, &secrets);
        let failure = |text: &str| Failure {
            code: text.into(),
            message: text.into(),
            at: Some(text.into()),
        };
        let Outcome::Fail(failed) = checked(Outcome::Fail(failure("the correct horse"))) else {
            panic!("it did not fail");
        };
        assert_eq!(failed.code, "the [secret K]");
        assert!(failed.message.starts_with("the [secr… (cut"), "{failed:?}");
        assert_eq!(failed.at.as_deref(), Some("the [secret K]"));
        assert_eq!(
            checked(Outcome::Skip("correct horse".into())),
            Outcome::Skip("[secret K]".into())
        );
        let data = Outcome::Edit(vec![set("/k", "\"correct horse\"")]);
        assert_eq!(checked(data.clone()), data);
    }

    #[test]
    fn a_manifest_has_its_limits() {
        let hit = |given: Manifest| {
            manifest(&given, &Limits::default())
                .err()
                .map(|excess| excess.limit.name)
        };
        let sound = Manifest {
            reads: vec!["t".into(); 1000],
            ..Manifest::default()
        };
        assert_eq!(hit(sound.clone()), None);
        for (given, expected) in [
            (
                Manifest {
                    writes: vec!["t".into()],
                    ..sound
                },
                "manifest-items",
            ),
            (
                Manifest {
                    table: "t".repeat(1025),
                    ..Manifest::default()
                },
                "name-bytes",
            ),
            (
                Manifest {
                    description: "t".repeat(4097),
                    ..Manifest::default()
                },
                "message-bytes",
            ),
            (
                Manifest {
                    filter: vec![Condition {
                        at: "/a".into(),
                        test: Test::OneOf(vec!["1".into(), "[".repeat(200)]),
                    }],
                    ..Manifest::default()
                },
                "json-depth",
            ),
        ] {
            assert_eq!(hit(given).as_deref(), Some(expected));
        }
    }
}
