//! How far a text goes on without anything that needs a look. This is where the bytes of a prompt are read, so it
//! takes many at a time; it must not know what follows from what it finds.

/// Bytes compared at once where a run is long. The compiler makes vector instructions of it.
const BLOCK: usize = 64;
const WORD: usize = 8;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES << 7;
/// With this bit turned, the quote lies next to the control characters: all are below [`LIMIT`].
const TURNED: u8 = 0x02;
const LIMIT: u8 = 0x21;

/// Whether a run goes on over bytes that are not ASCII.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Every quote, backslash and control character ends a run.
    Mark,
    /// So does every byte that is not ASCII.
    MarkOrLetter,
}

/// What is left of `bytes` behind its first run, which may be empty.
#[inline]
pub(crate) fn skip(bytes: &[u8], until: Until) -> &[u8] {
    // Most texts are shorter than a word, or have an escape in the next one.
    match bytes.first_chunk() {
        Some(word) => match first_mark(*word, until) {
            Some(index) => bytes.get(index..).unwrap_or_default(),
            None => skip_long(bytes.get(WORD..).unwrap_or_default(), until),
        },
        None => skip_few(bytes, until),
    }
}

#[inline(never)]
fn skip_long(bytes: &[u8], until: Until) -> &[u8] {
    // A few words more before blocks: those in which something is found are read twice.
    let (first, rest) = bytes.split_at_checked(BLOCK).unwrap_or((bytes, &[]));
    let left = skip_words(first, until);
    if !left.is_empty() || rest.is_empty() {
        return bytes.get(first.len() - left.len()..).unwrap_or_default();
    }
    let blocks = match until {
        Until::Mark => skip_blocks::<false>(rest),
        Until::MarkOrLetter => skip_blocks::<true>(rest),
    };
    skip_words(blocks, until)
}

fn skip_words(bytes: &[u8], until: Until) -> &[u8] {
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk() {
        if let Some(index) = first_mark(*word, until) {
            return rest.get(index..).unwrap_or_default();
        }
        rest = tail;
    }
    skip_few(rest, until)
}

#[inline(never)]
fn skip_few(bytes: &[u8], until: Until) -> &[u8] {
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest
        && !(is_mark::<false>(*byte) || (until == Until::MarkOrLetter && !byte.is_ascii()))
    {
        rest = tail;
    }
    rest
}

/// Skips whole blocks without a mark.
fn skip_blocks<const LETTERS: bool>(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let Some((block, tail)) = rest.split_first_chunk::<BLOCK>()
        // No early exit within a block: with one, the loop would not become vector instructions.
        && !block.iter().fold(false, |marked, byte| marked | is_mark::<LETTERS>(*byte))
    {
        rest = tail;
    }
    rest
}

/// Whether a byte ends a run; with `LETTERS`, also if it is not ASCII.
#[inline]
fn is_mark<const LETTERS: bool>(byte: u8) -> bool {
    let turned = byte ^ TURNED;
    // Seen as signed, a byte that is not ASCII is negative.
    let low = if LETTERS { turned.cast_signed() < LIMIT.cast_signed() } else { turned < LIMIT };
    low | (byte == b'\\')
}

/// The index of the first mark in a word. Subtracting borrows from higher bytes, but only above a mark.
#[inline]
fn first_mark(word: [u8; WORD], until: Until) -> Option<usize> {
    let word = u64::from_le_bytes(word);
    let turned = word ^ (ONES * u64::from(TURNED));
    let low = turned.wrapping_sub(ONES * u64::from(LIMIT)) & !turned;
    let slash = word ^ (ONES * u64::from(b'\\'));
    let slash = slash.wrapping_sub(ONES) & !slash;
    let letters = if until == Until::MarkOrLetter { word } else { 0 };
    let marks = (low | slash | letters) & HIGH;
    (marks != 0).then_some(marks.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(bytes: &[u8], until: Until) -> usize {
        bytes.len() - skip(bytes, until).len()
    }

    #[test]
    fn every_byte_is_judged_alike_at_every_place() {
        for byte in 0..=255_u8 {
            let stops = byte < 0x20 || byte == b'"' || byte == b'\\';
            for length in [1, 7, 8, 9, 40, 64, 150] {
                for place in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    let expected = |stops: bool| if stops { place } else { length };
                    assert_eq!(run(&bytes, Until::Mark), expected(stops), "{byte} at {place} of {length}");
                    let expected = expected(stops || byte >= 0x80);
                    assert_eq!(run(&bytes, Until::MarkOrLetter), expected, "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_two_marks_is_found() {
        for first in [0, 0x1f, b'"', b'\\', 0x80, 0xff] {
            for second in 0..=255_u8 {
                let bytes = [b'a', first, second, b'a', b'a', b'a', b'a', b'a'];
                assert_eq!(run(&bytes, Until::MarkOrLetter), 1, "{first} {second}");
            }
        }
    }
}
