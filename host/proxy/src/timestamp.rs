//! Reads the one form of time that backends tell (RFC 3339) as seconds since the Unix epoch, which is how OpenAI tells
//! it. Nothing is decided by it: other machines' clocks are not ours.

/// Seconds since 1970 in UTC; `None` if the text is no such time.
pub(crate) fn unix(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let mark = |at: usize, marks: &str| text.get(at..at + 1).is_some_and(|found| marks.contains(found));
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let shaped = mark(4, "-") && mark(7, "-") && mark(10, "Tt ") && mark(13, ":") && mark(16, ":");
    // RFC 3339 §5.6; its second 60 is a leap second.
    let possible = (1..=12).contains(&month) && day >= 1 && hour <= 23 && minute <= 59 && second <= 60;
    if !shaped || !possible || days(year, month, day) >= days(year, month + 1, 1) {
        return None;
    }
    let rest = without_fraction(text.get(19..)?)?;
    Some(days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset(rest)?)
}

/// What follows the fraction of a second, which counts for nothing but has to be one.
fn without_fraction(text: &str) -> Option<&str> {
    let Some(fraction) = text.strip_prefix('.') else {
        return Some(text);
    };
    let rest = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
    (rest.len() < fraction.len()).then_some(rest)
}

/// Days from 1970-01-01 in the Gregorian calendar, with years that begin in March so that a leap day comes last.
/// Month 13 is the next January.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 3).div_euclid(12);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Seconds east of Greenwich.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    Some(sign * (two_digits(hours, 23)? * 3_600 + two_digits(minutes, 59)? * 60))
}

/// A number from 0 to `most`, written with two digits.
fn two_digits(text: &str, most: i64) -> Option<i64> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten().filter(|number| *number <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(times: &[(&str, Option<i64>)]) {
        for (text, seconds) in times {
            assert_eq!(unix(text), *seconds, "{text}");
        }
    }

    #[test]
    fn times_as_backends_write_them_are_read() {
        check(&[
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2024-02-29T12:00:00Z", Some(1_709_208_000)),
            ("2025-11-25T14:15:16.123456789+02:00", Some(1_764_072_916)),
            ("2025-11-25T12:15:16-00:30", Some(1_764_074_716)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800)),
            ("0000-01-01T00:00:00+23:59", Some(-62_167_305_540)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800)),
            ("9999-12-31T23:59:59-23:59", Some(253_402_387_139)),
        ]);
    }

    #[test]
    fn what_is_no_time_is_not_read_as_one() {
        check(&[
            ("", None),
            ("yesterday", None),
            ("2025-11-25T14:15:16", None),
            ("2025-00-01T00:00:00Z", None),
            ("2025-13-01T00:00:00Z", None),
            ("2025-11-00T00:00:00Z", None),
            ("2025-11-31T00:00:00Z", None),
            ("2025-02-29T00:00:00Z", None),
            ("2025-11-25T24:00:00Z", None),
            ("2025-11-25T00:60:00Z", None),
            ("2025-11-25T00:00:61Z", None),
            ("2025-11-25T00:00:00.Z", None),
            ("2025-11-25T00:00:00.1.2Z", None),
            ("2025-11-25T00:00:009Z", None),
            ("2025-11-25T00:00:00+24:00", None),
            ("2025-11-25T00:00:00+00:60", None),
            ("2025-11-25T00:00:00+2:00", None),
            ("2025-11-25T00:00:00++2:00", None),
            ("2025-11-25T00:00:00+02:00Z", None),
            ("2025-11-25T00:00:00+9223372036854775807:00", None),
            ("2025-11-25T00:00:00-00:-9223372036854775808", None),
            ("2025-11-25T00:00:00é", None),
        ]);
    }
}
