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
    if !shaped || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let rest = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    Some(days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset(rest)?)
}

/// Days from 1970-01-01 in the Gregorian calendar, with years that begin in March so that a leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
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
    Some(sign * (hours.parse::<i64>().ok()? * 3_600 + minutes.parse::<i64>().ok()? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_backends_write_them() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2024-02-29T12:00:00Z", Some(1_709_208_000)),
            ("2025-11-25T14:15:16.123456789+02:00", Some(1_764_072_916)),
            ("2025-11-25T12:15:16-00:30", Some(1_764_074_716)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800)),
            ("", None),
            ("yesterday", None),
            ("2025-13-01T00:00:00Z", None),
            ("2025-11-25T14:15:16", None),
        ] {
            assert_eq!(unix(text), seconds, "{text}");
        }
    }
}
