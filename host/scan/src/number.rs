//! The grammar of a number, and whether a 64-bit float can hold it: most readers have nothing else.

use std::cmp::Ordering;
use std::iter;

use crate::flaw::Flaw;

/// The digits of 2¹⁰²⁴ − 2⁹⁷⁰, half a step above the largest float: from here on, rounding gives infinity.
const INFINITE: &[u8] =
    b"1797693134862315807937289714053034150799341327100378269361737789804449682927647509466490179775872070\
    9633028641669288791094655554785194040263065748867150582068190890200070838367627385484581771153176447\
    5730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904\
    174497792";
/// The power of ten of its first digit.
const INFINITE_POWER: i64 = 308;

/// The length of the number that `bytes` begins with. `at` is where it stands, for the flaw.
pub(crate) fn length(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    let broken = |rest: &[u8], what| Flaw::NotJson { at: at + bytes.len() - rest.len(), what };
    let begin = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let (whole, mut rest) = digits(begin);
    match whole {
        [] => return Err(broken(begin, "expected a digit")),
        [b'0', _, ..] => return Err(broken(begin, "a number must not begin with 0")),
        _ => {}
    }
    let (mut fraction, mut exponent) = (&[][..], 0);
    if let [b'.', behind @ ..] = rest {
        (fraction, rest) = digits(behind);
        if fraction.is_empty() {
            return Err(broken(rest, "expected a digit"));
        }
    }
    if let [b'e' | b'E', behind @ ..] = rest {
        let (sign, behind) = match behind {
            [b'-', behind @ ..] => (-1, behind),
            [b'+', behind @ ..] | behind => (1, behind),
        };
        let power;
        (power, rest) = digits(behind);
        if power.is_empty() {
            return Err(broken(rest, "expected a digit"));
        }
        exponent = sign * clamped(power);
    }
    // Most numbers are short and have no exponent.
    if (exponent > 0 || whole.len() >= INFINITE.len()) && is_infinite(whole, fraction, exponent) {
        return Err(broken(bytes, "expected a number that a 64-bit float can hold"));
    }
    Ok(bytes.len() - rest.len())
}

/// Whether the nearest float is infinite. Exact, and without reading the number as one: that takes microseconds
/// for some, and a body may hold any number of them.
fn is_infinite(whole: &[u8], fraction: &[u8], exponent: i64) -> bool {
    let all = || whole.iter().chain(fraction);
    let Some(zeros) = all().position(|digit| *digit != b'0') else {
        return false;
    };
    let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX / 4);
    let power = length(whole.len()) - 1 - length(zeros) + exponent;
    match power.cmp(&INFINITE_POWER) {
        Ordering::Less => false,
        Ordering::Greater => true,
        Ordering::Equal => {
            let significant = all().skip(zeros).chain(iter::repeat(&b'0'));
            significant.take(INFINITE.len()).ge(INFINITE)
        }
    }
}

/// An exponent, as far as it matters: beyond the clamp a number is zero or infinite, since none has so many digits.
fn clamped(digits: &[u8]) -> i64 {
    digits.iter().fold(0, |sum: i64, digit| {
        sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(i64::MAX / 4)
    })
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

/// The digits that `bytes` begins with, and what follows.
fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let length = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.split_at_checked(length).unwrap_or((bytes, &[]))
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
    }

    #[test]
    fn what_a_float_cannot_hold_is_refused_to_the_last_digit() {
        let check = |text: &str| {
            let expected = text.parse::<f64>().unwrap().is_finite();
            assert_eq!(length(text.as_bytes(), 0) == Ok(text.len()), expected, "{text}");
        };
        let infinite = str::from_utf8(INFINITE).unwrap();
        let (all_but_last, last) = infinite.split_at(308);
        assert_eq!(last, "2");
        for digits in [infinite, &format!("{all_but_last}1"), &format!("{all_but_last}3"), &"9".repeat(308)] {
            check(digits);
            check(&format!("-{digits}.9"));
            check(&format!("{}e308", digits.replacen('1', "1.", 1)));
            check(&format!("0.000{digits}e+3"));
            check(&format!("{digits}000e-3"));
        }
        for text in ["1e308", "1e309", "-1e400", "9e307", "1.7976931348623157e308", "1.7976931348623159e308"]
        {
            check(text);
        }
        for text in ["0e999", "0.0e99999999999999999999999", "1e-99999999999999999999999"] {
            check(text);
            check(&format!("1{text}"));
        }
        check(&"9".repeat(309));
        check(&format!("0.{}1e400", "0".repeat(91)));
        check(&format!("0.{}1e400", "0".repeat(92)));
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
