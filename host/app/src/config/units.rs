//! Durations and sizes as people write them: a whole number and a unit. No fractions and no sums, so that there
//! is one way to write each.

use std::time::Duration;

/// Names of durations, smallest first, with their milliseconds.
const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Names of sizes, smallest first, with their bytes.
const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads `120s`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    counted(text, &TIMES).map(Duration::from_millis)
}

/// Reads `32 MiB`.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    counted(text, &SIZES)
}

/// Writes a duration in seconds, which most settings are thought of in, or else as exactly as needed.
pub(crate) fn duration_text(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// Writes a size in the largest unit that leaves a whole number.
pub(crate) fn bytes_text(bytes: u64) -> String {
    let unit = SIZES.iter().rev().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    let (name, size) = unit.copied().unwrap_or(("B", 1));
    format!("{} {name}", bytes / size)
}

fn counted(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits)?.trim_start();
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    // `parse` would also take a sign.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(*size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_with_their_units() {
        for (text, millis) in
            [("120s", Some(120_000)), ("5 m", Some(300_000)), ("250ms", Some(250)), ("1d", Some(86_400_000))]
        {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
        for (text, size) in [("32 MiB", 32 << 20), ("1GiB", 1 << 30), (" 7 B ", 7), ("0 KiB", 0)] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in ["", "s", "5", "1.5s", "-1s", "+1s", "1h30m", "5 sec", "99999999999999999999s", "1 2s"] {
            assert_eq!(duration(text), None, "{text}");
        }
        for text in ["32 MB", "32mib", "32", "99999999999999 GiB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for millis in [0, 1, 1_500, 120_000, 86_400_000] {
            let written = duration_text(Duration::from_millis(millis));
            assert_eq!(duration(&written), Some(Duration::from_millis(millis)), "{written}");
        }
        for size in [0, 1, 1_023, 1_536, 32 << 20, 5 << 30] {
            assert_eq!(bytes(&bytes_text(size)), Some(size));
        }
        assert_eq!((bytes_text(32 << 20), bytes_text(1_536)), ("32 MiB".to_owned(), "1536 B".to_owned()));
    }
}
