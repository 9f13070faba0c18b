//! How long a model stays loaded, read as Ollama reads it: a number of seconds, or a text for Go's
//! `time.ParseDuration`.

use std::time::Duration;

use crate::value::{Kind, Value};

/// What `keep_alive` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// Absent or `null`: the backend decides.
    Unset,
    /// So long after the answer; zero unloads at once.
    For(Duration),
    /// Anything negative.
    Forever,
    /// Ollama refuses it, or what it means differs between machines: more than 2⁶³ ns as a number overflows there.
    Unreadable,
}

/// Go keeps durations as nanoseconds in 63 bits.
const MOST_NANOS: u128 = i64::MAX as u128;
/// Digits that fit into 64 bits whatever they are; no duration needs more.
const MOST_DIGITS: usize = 19;

impl KeepAlive {
    /// Reads a valid value.
    pub fn read(value: Value<'_>) -> Self {
        let read = match value.kind() {
            Kind::Null => Some(Self::Unset),
            Kind::Number => value.float().and_then(seconds),
            Kind::Text => value.text().and_then(|text| duration(&text.read())),
            Kind::Bool | Kind::Array | Kind::Object => None,
        };
        read.unwrap_or(Self::Unreadable)
    }
}

fn seconds(seconds: f64) -> Option<KeepAlive> {
    if seconds < 0.0 {
        return Some(KeepAlive::Forever);
    }
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    (duration.as_nanos() <= MOST_NANOS).then_some(KeepAlive::For(duration))
}

/// `[-+]?([0-9]*(\.[0-9]*)?[a-z]+)+`, or a zero without a unit.
fn duration(text: &str) -> Option<KeepAlive> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(KeepAlive::For(Duration::ZERO));
    }
    let mut nanos = 0;
    loop {
        let (part, tail) = one_unit(rest)?;
        nanos += part;
        if nanos > MOST_NANOS {
            return None;
        }
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    if negative && nanos > 0 {
        return Some(KeepAlive::Forever);
    }
    u64::try_from(nanos).ok().map(|nanos| KeepAlive::For(Duration::from_nanos(nanos)))
}

/// A number with its unit in nanoseconds, and what follows.
fn one_unit(text: &str) -> Option<(u128, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, tail) = rest.split_at_checked(end)?;
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    // Go stops reading a fraction where it would overflow.
    let fraction = fraction.get(..MOST_DIGITS - 1).unwrap_or(fraction);
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some((number(whole)? * unit + number(fraction)? * unit / scale, tail))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// None if it is more than any duration.
fn number(digits: &str) -> Option<u128> {
    let significant = digits.trim_start_matches('0');
    match significant.len() {
        0 => Some(0),
        1..=MOST_DIGITS => significant.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let check = |json: &str, expected: KeepAlive| {
            assert_eq!(KeepAlive::read(Value::new(json.as_bytes(), 0)), expected, "{json}");
        };
        let lasting = |nanos| KeepAlive::For(Duration::from_nanos(nanos));
        check("null", KeepAlive::Unset);
        for (json, nanos) in [
            ("0", 0),
            ("-0", 0),
            ("0.5", 500_000_000),
            ("300", 300_000_000_000),
            ("\"0\"", 0),
            ("\"-0\"", 0),
            ("\"-0s\"", 0),
            ("\"5m\"", 300_000_000_000),
            ("\"+5m\"", 300_000_000_000),
            ("\"1h30m\"", 5_400_000_000_000),
            ("\"1.5h\"", 5_400_000_000_000),
            ("\".5s\"", 500_000_000),
            ("\"5.s\"", 5_000_000_000),
            ("\"1us1\\u00b5s1μs1ms1ns\"", 1_003_001),
            ("\"0000000000000000000000001s\"", 1_000_000_000),
            ("\"0.3333333333333333333333h\"", 1_199_999_999_999),
        ] {
            check(json, lasting(nanos));
        }
        for json in ["-1", "-0.1", "-1e300", "\"-1m\"", "\"-1ns\""] {
            check(json, KeepAlive::Forever);
        }
        for json in [
            "true",
            "[]",
            "{}",
            "\"\"",
            "\"-\"",
            "\"10\"",
            "\"-1\"",
            "\"5 m\"",
            "\"m\"",
            "\".m\"",
            "\"5M\"",
            "\"1d\"",
            "\"forever\"",
            "\"5m \"",
            "1e10",
            "1e300",
            "\"9999999h\"",
            "\"99999999999999999999999999999999999999s\"",
        ] {
            check(json, KeepAlive::Unreadable);
        }
    }
}
