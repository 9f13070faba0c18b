//! How much text and how many images a model is asked to read. An estimate for routing: it knows the shapes that
//! the dialects give to messages, and takes what it does not know for text.

use std::ops::AddAssign;

use crate::cursor::Cursor;
use crate::flaw::Flaw;
use crate::text::Text;

/// What was found in a piece of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Bytes of texts, read without their escapes.
    pub(crate) text: usize,
    /// Images.
    pub(crate) images: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.text += other.text;
        self.images += other.images;
    }
}

/// Values of `type` whose object carries an image, in OpenAI's chat, Anthropic's messages and OpenAI's responses.
const IMAGES: [&str; 3] = ["image_url", "image", "input_image"];
/// Values of `type` whose object carries other data: sound, files, and a document's source.
const DATA: [&str; 5] = ["input_audio", "file", "input_file", "base64", "url"];

/// Reads the array `messages`: how many there are, and what is in them.
pub(crate) fn messages(cursor: &mut Cursor<'_>) -> Result<(usize, Tally), Flaw> {
    let (mut count, mut sum) = (0, Tally::default());
    cursor.array(|cursor| {
        count += 1;
        sum += message(cursor)?;
        Ok(())
    })?;
    Ok((count, sum))
}

/// Reads an array of images, Ollama's way of passing them.
pub(crate) fn images(cursor: &mut Cursor<'_>) -> Result<Tally, Flaw> {
    let mut images = 0;
    cursor.array(|cursor| {
        images += 1;
        cursor.value()
    })?;
    Ok(Tally { text: 0, images })
}

/// Reads a prompt, an input or a system message: a text, or parts, or items with parts.
pub(crate) fn content(cursor: &mut Cursor<'_>) -> Result<Tally, Flaw> {
    match cursor.token() {
        Some(b'"') => Ok(Tally { text: cursor.text()?.len(), images: 0 }),
        Some(b'[') => {
            let mut sum = Tally::default();
            cursor.array(|cursor| {
                sum += if cursor.token() == Some(b'{') { part(cursor)? } else { content(cursor)? };
                Ok(())
            })?;
            Ok(sum)
        }
        Some(b'{') => {
            let mut sum = Tally::default();
            cursor.object(|cursor, key| {
                sum += member(cursor, key)?;
                Ok(())
            })?;
            Ok(sum)
        }
        _ => cursor.value().map(|()| Tally::default()),
    }
}

/// Reads what is put before the model as it is, like the schemas of tools: keys are text too.
pub(crate) fn schema(cursor: &mut Cursor<'_>) -> Result<Tally, Flaw> {
    let mut sum = Tally::default();
    match cursor.token() {
        Some(b'"') => sum.text += cursor.text()?.len(),
        Some(b'[') => cursor.array(|cursor| {
            sum += schema(cursor)?;
            Ok(())
        })?,
        Some(b'{') => cursor.object(|cursor, key| {
            sum.text += key.len();
            sum += schema(cursor)?;
            Ok(())
        })?,
        _ => cursor.value()?,
    }
    Ok(sum)
}

fn message(cursor: &mut Cursor<'_>) -> Result<Tally, Flaw> {
    if cursor.token() != Some(b'{') {
        return content(cursor);
    }
    let mut sum = Tally::default();
    cursor.object(|cursor, key| {
        let is_images = key.is("images") && cursor.token() == Some(b'[');
        sum += if is_images { images(cursor)? } else { member(cursor, key)? };
        Ok(())
    })?;
    Ok(sum)
}

fn member<'a>(cursor: &mut Cursor<'a>, key: Text<'a>) -> Result<Tally, Flaw> {
    let is_part = key.is("source") && cursor.token() == Some(b'{');
    if is_part { part(cursor) } else { content(cursor) }
}

/// Reads an object that says by its `type`, which may stand last, whether it holds text.
fn part(cursor: &mut Cursor<'_>) -> Result<Tally, Flaw> {
    let (mut sum, mut is_image, mut is_data) = (Tally::default(), false, false);
    cursor.object(|cursor, key| {
        if key.is("type") && cursor.token() == Some(b'"') {
            let kind = cursor.text()?;
            is_image |= IMAGES.iter().any(|known| kind.is(known));
            is_data |= DATA.iter().any(|known| kind.is(known));
        } else {
            sum += member(cursor, key)?;
        }
        Ok(())
    })?;
    match (is_image, is_data) {
        (true, _) => Ok(Tally { text: 0, images: 1 }),
        (false, true) => Ok(Tally { text: 0, ..sum }),
        (false, false) => Ok(sum),
    }
}
