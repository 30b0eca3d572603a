//! Turns the release dates of films into ISO 8601, and titles that are numbers into text.

mod date;

use date::{Date, NoDate};
use plugin_sdk::prelude::*;

struct MovieDates;

/// Nobody showed a film before.
const FIRST_FILM: u16 = 1888;

const DATE: &str = "/Release Date";
const TITLE: &str = "/Title";

impl Migration for MovieDates {
    fn manifest() -> Manifest {
        // No filter: conditions are all met together, and it is one of two fields that may need
        // work.
        Manifest::new("movie-dates", "movies")
            .version(1)
            .description("Turns Release Date into ISO 8601 and Title into text")
    }

    fn transform(film: &Document, context: &Context) -> Result<Outcome, Failure> {
        let mut edits = Edits::new();
        if let Some(title) = title(film)? {
            edits = edits.set(TITLE, title);
        }
        if let Some(date) = release_date(film, latest(context)?)? {
            edits = edits.set(DATE, date.to_string());
        }
        if edits.is_empty() {
            return Ok(Outcome::skip("already in order"));
        }
        Ok(edits.into())
    }
}

/// The title as text, if it is none yet: a number keeps its spelling.
fn title(film: &Document) -> Result<Option<&str>, Failure> {
    let fails = |code, message: &str| Err(Failure::new(code, message).at(TITLE));
    let Some(title) = film.raw_at(TITLE)? else {
        return fails("no-title", "the film has no Title");
    };
    match title.get().as_bytes() {
        [b'"', ..] => Ok(None),
        [b'-' | b'0'..=b'9', ..] => Ok(Some(title.get())),
        b"null" => fails("no-title", "Title is null, and a title cannot be made up"),
        _ => fails("invalid-title", "Title is neither text nor a number"),
    }
}

/// The release date, if it is not spelled in ISO 8601 yet. Missing or null, it is not known, and
/// stays so.
fn release_date(film: &Document, latest: Date) -> Result<Option<Date>, Failure> {
    let Some(text) = film.get::<String>(DATE)? else {
        return Ok(None);
    };
    let fails = |code, why: String| {
        let message = format!("Release Date `{text}` cannot be: {why}");
        Err(Failure::new(code, message).at(DATE))
    };
    let iso = Date::from_iso(&text);
    let date = match iso {
        Err(NoDate::Spelling) => Date::from_month_name(&text),
        _ => iso,
    };
    match date {
        Err(NoDate::Spelling) => fails(
            "invalid-date",
            "it is spelled neither `Jun 12 1998` nor `1998-06-12`".into(),
        ),
        Err(NoDate::ShortYear) => fails(
            "invalid-date",
            "two digits of a year do not tell the century".into(),
        ),
        Err(NoDate::NoSuchDay) => fails("invalid-date", "the calendar has no such day".into()),
        Ok(date) if date.year < FIRST_FILM => fails(
            "invalid-date",
            format!("there were no films before {FIRST_FILM}"),
        ),
        // The films' source once knew only two digits of the year: `Gone with the Wind` is of 2039
        // there.
        Ok(date) if date > latest => fails(
            "future-date",
            format!(
                "it is after {latest}; is it {} with a wrong century?",
                date.year - 100
            ),
        ),
        Ok(_) if iso.is_ok() => Ok(None),
        Ok(date) => Ok(Some(date)),
    }
}

/// The last day on which a film of the table can have been released: the day of the run, if the
/// user does not know better.
fn latest(context: &Context) -> Result<Date, Failure> {
    let given: Option<String> = context.param("latest")?;
    let text = given.unwrap_or_else(|| context.now_text().chars().take(10).collect());
    Date::from_iso(&text).map_err(|_| {
        let message =
            format!("the parameter latest is `{text}` and must be a day, like 2011-12-31");
        Failure::new("invalid-parameter", message)
    })
}

plugin_sdk::export!(MovieDates);

#[cfg(test)]
mod tests;
