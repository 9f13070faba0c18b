//! The one mDNS message that is sent, and how an answer is told from a question. Reads no further than the header.

/// Whoever advertises anything answers this (RFC 6763, 9).
const EVERYBODY: [&str; 4] = ["_services", "_dns-sd", "_udp", "local"];
/// The types of records that are asked for, and the class of the internet (RFC 1035, 3.2).
const PTR: u16 = 12;
const ADDRESS: u16 = 1;
const INTERNET: u16 = 1;
/// Set in answers: the first bit of the flags.
const ANSWER: u8 = 0x80;

/// Asks who advertises anything, and for the address of `nonce`.local, which nobody has.
pub(super) fn question(nonce: &str) -> Vec<u8> {
    // No id, no flags, two questions.
    let mut out = vec![0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0];
    ask(&mut out, &EVERYBODY, PTR);
    ask(&mut out, &[nonce, "local"], ADDRESS);
    out
}

/// Whether it is an answer to whatever question.
pub(super) fn is_answer(packet: &[u8]) -> bool {
    packet.len() >= 12 && packet.get(2).is_some_and(|flags| flags & ANSWER != 0)
}

fn ask(out: &mut Vec<u8>, labels: &[&str], of: u16) {
    for label in labels {
        // A label has at most 63 bytes, which ours are far from.
        let bytes = label.as_bytes();
        let bytes = bytes.get(..63).unwrap_or(bytes);
        out.push(u8::try_from(bytes.len()).unwrap_or(0));
        out.extend_from_slice(bytes);
    }
    out.push(0);
    out.extend_from_slice(&of.to_be_bytes());
    out.extend_from_slice(&INTERNET.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_written_as_the_standard_has_it() {
        let bytes = question("x");
        let mut expected = b"\0\0\0\0\0\x02\0\0\0\0\0\0".to_vec();
        expected.extend(b"\x09_services\x07_dns-sd\x04_udp\x05local\0\0\x0c\0\x01");
        expected.extend(b"\x01x\x05local\0\0\x01\0\x01");
        assert_eq!(bytes, expected);
        assert!(!is_answer(&bytes));
        assert!(is_answer(b"\0\0\x84\0\0\0\0\x01\0\0\0\0rest"));
        assert!(!is_answer(b"\0\0\x84"));
    }
}
