//! The grammar of a number, and whether a 64-bit float can hold it: most readers have nothing else.

use crate::flaw::Flaw;

/// A number with at most so many digits before its point and [`SMALL_EXPONENT`] digits of exponent is far below
/// the largest float, 1.8e308, and needs no closer look.
const FEW_DIGITS: usize = 200;
const SMALL_EXPONENT: usize = 2;

/// The length of the number that `bytes` begins with. `at` is where it stands, for the flaw.
pub(crate) fn length(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    let broken = |rest: &[u8], what| Flaw::NotJson { at: at + bytes.len() - rest.len(), what };
    let whole = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let mut rest = after_digits(whole);
    let digits = whole.len() - rest.len();
    match whole {
        [b'0', ..] if digits > 1 => return Err(broken(whole, "a number must not begin with 0")),
        _ if digits == 0 => return Err(broken(whole, "expected a digit")),
        _ => {}
    }
    if let [b'.', fraction @ ..] = rest {
        rest = after_digits(fraction);
        if rest.len() == fraction.len() {
            return Err(broken(rest, "expected a digit"));
        }
    }
    let mut exponent_digits = 0;
    if let [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] = rest {
        rest = after_digits(exponent);
        exponent_digits = exponent.len() - rest.len();
        if exponent_digits == 0 {
            return Err(broken(rest, "expected a digit"));
        }
    }
    let length = bytes.len() - rest.len();
    if digits > FEW_DIGITS || exponent_digits > SMALL_EXPONENT {
        let number = bytes.get(..length).and_then(as_float);
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| broken(bytes, "expected a number that a 64-bit float can hold"))?;
    }
    Ok(length)
}

/// What a valid number says as an integer, its fraction cut off and clamped to the range: Go's readers of
/// loosely typed options do the same with what they got as a float.
pub(crate) fn as_integer(number: &[u8]) -> Option<i64> {
    let whole = std::str::from_utf8(number).ok()?.parse().ok();
    // `as` clamps.
    whole.or_else(|| as_float(number).map(|float| float as i64))
}

/// What a valid number says as a float.
pub(crate) fn as_float(number: &[u8]) -> Option<f64> {
    std::str::from_utf8(number).ok()?.parse().ok()
}

fn after_digits(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [b'0'..=b'9', tail @ ..] = rest {
        rest = tail;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_to_their_end_or_refused() {
        let check = |text: &str, expected: Option<usize>| {
            assert_eq!(length(text.as_bytes(), 0).ok(), expected, "{text}");
        };
        for whole in ["0", "-0", "7", "120", "0.5", "-1.25", "1e5", "1E+5", "1e-5", "10.01e010", "1e-400"] {
            check(whole, Some(whole.len()));
            check(&format!("{whole},"), Some(whole.len()));
            check(&format!("{whole}]1"), Some(whole.len()));
        }
        for broken in ["", "-", "+1", ".5", "01", "-01", "00", "1.", "1.e5", "1e", "1e+", "-a", "NaN", "1.-5"]
        {
            check(broken, None);
        }
        check("1e308", Some(5));
        check("1.7976931348623157e308", Some(22));
        check("1e309", None);
        check("-1e400", None);
        check(&"9".repeat(308), Some(308));
        check(&"9".repeat(309), None);
        check(&format!("{}e99", "9".repeat(210)), None);
        check(&format!("{}e-99", "9".repeat(310)), Some(314));
    }

    #[test]
    fn integers_are_cut_and_clamped() {
        for (text, expected) in [
            ("4096", 4096),
            ("-1", -1),
            ("4096.9", 4096),
            ("4.096e3", 4096),
            ("-0.5", 0),
            ("1e30", i64::MAX),
            ("-99999999999999999999", i64::MIN),
        ] {
            assert_eq!(as_integer(text.as_bytes()), Some(expected), "{text}");
        }
    }
}
