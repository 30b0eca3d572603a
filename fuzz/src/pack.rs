//! Outcomes in one piece: whatever a plugin returns is some outcomes, or none.

use migration_document::packed::Pack;

/// How much memory outcomes may take, in bytes: so little that it is met.
const ROOM: usize = 1 << 12;

/// The bytes are the text, behind the number of its bytes, and the numbers.
pub fn run(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first() else {
        return;
    };
    let (text, numbers) = rest.split_at(rest.len().min(usize::from(*length)));
    let Ok(text) = String::from_utf8(text.into()) else {
        return;
    };
    let pack = Pack {
        text,
        numbers: numbers.into(),
    };
    assert!(pack.texts().count() <= pack.numbers.len());
    let Ok(outcomes) = pack.outcomes(1, ROOM) else {
        return;
    };
    let mut again = Pack::default();
    outcomes.iter().for_each(|outcome| again.push(outcome));
    assert_eq!(again.text, pack.text, "{outcomes:?}");
    assert_eq!(again.outcomes(0, ROOM), Ok(outcomes));
}
