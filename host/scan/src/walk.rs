//! The parser for what backends answer: one value of any kind, or the keys of an object. It refuses what is not
//! JSON and nothing more, since nobody reads a backend's answer after us but the client it is meant for.

use crate::cursor::Cursor;
use crate::flaw::Flaw;
use crate::text::Text;
use crate::value::Value;

/// Whether `text` is one JSON value of any kind, with nothing but whitespace around it.
pub fn validate(text: &[u8]) -> Result<(), Flaw> {
    let mut cursor = Cursor::new(text);
    if cursor.token().is_none() {
        return Err(Flaw::Empty);
    }
    cursor.value()?;
    cursor.finish()
}

/// Calls `member` with every key of the object `text` and its value, in order and as often as it stands there.
/// The whole text is validated, but `member` hears of the keys before a flaw: act on them only after `Ok`.
pub fn walk<'a>(text: &'a [u8], mut member: impl FnMut(Text<'a>, Value<'a>)) -> Result<(), Flaw> {
    let mut cursor = Cursor::new(text);
    match cursor.token() {
        None => return Err(Flaw::Empty),
        Some(b'{') => {}
        Some(_) => {
            cursor.value()?;
            return Err(Flaw::NotObject);
        }
    }
    cursor.object(|cursor, key| {
        let (value, ()) = cursor.spanned(Cursor::value)?;
        member(key, value);
        Ok(())
    })?;
    cursor.finish()
}
