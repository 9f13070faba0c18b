//! How far a text goes on without anything that needs a look. This is where the bytes of a prompt are read, so it
//! takes many at a time; it must not know what follows from what it finds.

/// Bytes compared at once where a run is long. The compiler makes vector instructions of it.
const BLOCK: usize = 64;
/// A run is tried in words before blocks, since keys and most texts are short and escapes cut long ones.
const WORDS_FIRST: usize = 4;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES << 7;
/// With this bit turned, the quote lies next to the control characters: all are below [`LIMIT`].
const TURNED: u8 = 0x02;
const LIMIT: u8 = 0x21;

/// The number of bytes before the first quote, backslash or control character; with `ASCII`, also before the
/// first byte that is not ASCII.
pub(crate) fn run<const ASCII: bool>(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    for _ in 0..WORDS_FIRST {
        let Some((word, tail)) = rest.split_first_chunk() else {
            return bytes.len() - rest.len() + run_of_few::<ASCII>(rest);
        };
        if let Some(index) = first_mark::<ASCII>(*word) {
            return bytes.len() - rest.len() + index;
        }
        rest = tail;
    }
    while let Some((block, tail)) = rest.split_first_chunk::<BLOCK>()
        && is_plain::<ASCII>(block)
    {
        rest = tail;
    }
    while let Some((word, tail)) = rest.split_first_chunk() {
        if let Some(index) = first_mark::<ASCII>(*word) {
            return bytes.len() - rest.len() + index;
        }
        rest = tail;
    }
    bytes.len() - rest.len() + run_of_few::<ASCII>(rest)
}

fn run_of_few<const ASCII: bool>(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| is_mark::<ASCII>(*byte)).unwrap_or(bytes.len())
}

fn is_plain<const ASCII: bool>(block: &[u8; BLOCK]) -> bool {
    // No early exit: with one, the loop would not become vector instructions.
    !block.iter().fold(false, |marked, byte| marked | is_mark::<ASCII>(*byte))
}

fn is_mark<const ASCII: bool>(byte: u8) -> bool {
    let turned = byte ^ TURNED;
    // Seen as signed, a byte that is not ASCII is negative.
    let low = if ASCII { turned.cast_signed() < LIMIT.cast_signed() } else { turned < LIMIT };
    low | (byte == b'\\')
}

/// The index of the first mark in a word. Subtracting borrows from higher bytes, but only above a mark.
fn first_mark<const ASCII: bool>(word: [u8; 8]) -> Option<usize> {
    let word = u64::from_le_bytes(word);
    let turned = word ^ (ONES * u64::from(TURNED));
    let below = turned.wrapping_sub(ONES * u64::from(LIMIT));
    let low = if ASCII { below | turned } else { below & !turned };
    let slash = word ^ (ONES * u64::from(b'\\'));
    let marks = (low | (slash.wrapping_sub(ONES) & !slash)) & HIGH;
    (marks != 0).then_some(marks.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_judged_alike_at_every_place() {
        for byte in 0..=255_u8 {
            let stops = byte < 0x20 || byte == b'"' || byte == b'\\';
            for length in [1, 7, 8, 9, 40, 64, 150] {
                for place in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    let expected = |stops: bool| if stops { place } else { length };
                    assert_eq!(run::<false>(&bytes), expected(stops), "{byte} at {place} of {length}");
                    let expected = expected(stops || byte >= 0x80);
                    assert_eq!(run::<true>(&bytes), expected, "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_two_marks_is_found() {
        for first in [0, 0x1f, b'"', b'\\', 0x80, 0xff] {
            for second in 0..=255_u8 {
                let bytes = [b'a', first, second, b'a', b'a', b'a', b'a', b'a'];
                assert_eq!(run::<true>(&bytes), 1, "{first} {second}");
            }
        }
    }
}
