//! Bytes as lower-case hexadecimal digits, and back. One spelling each, so that texts can be compared instead.

use std::fmt::Write as _;

/// The digits of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes that were written as `text`: twice as many digits as bytes, lower case, nothing else.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_every_other_spelling_is_refused() {
        assert_eq!(encode(&[0, 9, 0xaf, 0xff]), "0009afff");
        assert_eq!(decode("0009afff"), Some([0, 9, 0xaf, 0xff]));
        for text in ["0009AFFF", "0009aff", "0009afff0", "0009afff00", "0009affg", "+009afff", "é009aff"] {
            assert_eq!(decode::<4>(text), None, "{text}");
        }
    }
}
