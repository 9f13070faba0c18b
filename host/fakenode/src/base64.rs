//! Base64 with the standard alphabet and padding: images come in with it, embeddings may leave with it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |word, at| word << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for place in 0..4 {
            let digit = ALPHABET.get((word >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Line breaks are skipped, as Go does; on failure the offset of the byte that does not belong there.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut digits, mut padding) = (0u32, 0usize, 0usize);
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| !b"\r\n".contains(byte)) {
        let value = match ALPHABET.iter().position(|known| *known == byte) {
            Some(value) if padding == 0 => value as u32,
            None if byte == b'=' && digits >= 2 => {
                padding += 1;
                0
            }
            _ => return Err(at),
        };
        word = word << 6 | value;
        digits += 1;
        if digits == 4 {
            bytes.extend(word.to_be_bytes().iter().skip(1).take(3 - padding));
            (word, digits) = (0, 0);
        }
    }
    if digits == 0 { Ok(bytes) } else { Err(text.len()) }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn every_length_survives_the_round_trip() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("\u{ff}", "w78="),
        ] {
            assert_eq!(encode(plain.as_bytes()), coded);
            assert_eq!(decode(coded), Ok(plain.as_bytes().to_vec()), "{coded}");
        }
        assert_eq!(decode("Zm9v\r\nZg==\n"), Ok(b"foof".to_vec()));
    }

    #[test]
    fn what_is_no_base64_is_found_where_it_stands() {
        for (text, at) in [("Zm9", 3), ("Z===", 1), ("Zg==Zg==", 4), ("Zm 9", 2), ("Zm9v=", 4)] {
            assert_eq!(decode(text), Err(at), "{text}");
        }
    }
}
