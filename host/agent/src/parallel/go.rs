//! Durations as Go writes them, which is how Ollama takes `OLLAMA_KEEP_ALIVE`: `5m`, `1h30m`, or a number of seconds.
//!
//! Source: Ollama's `envconfig/config.go` (`KeepAlive`) and Go's `time.ParseDuration`.

/// Its units in seconds. Longer names first, so that `ms` is not read as minutes.
const UNITS: [(&str, f64); 7] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
/// Longer than a year is for ever.
const FOR_EVER: f64 = 366.0 * 86_400.0;

/// Whole seconds; -1 = for ever. `None` is what Ollama ignores as well.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let seconds = text.parse::<i64>().map(|number| number as f64).ok().or_else(|| units(text))?;
    Some(if (0.0..FOR_EVER).contains(&seconds) { seconds as i64 } else { -1 })
}

fn units(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let (unit, seconds) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        total += number.parse::<f64>().ok()? * seconds;
        rest = after.strip_prefix(unit)?;
    }
    Some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, read) in [
            ("5m", Some(300)),
            ("24h", Some(86_400)),
            ("1h30m", Some(5_400)),
            ("90s", Some(90)),
            ("1.5h", Some(5_400)),
            ("500ms", Some(0)),
            ("300", Some(300)),
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("-1m", Some(-1)),
            ("99999999h", Some(-1)),
            ("", None),
            ("-", None),
            ("m", None),
            ("5 m", None),
            ("5d", None),
        ] {
            assert_eq!(seconds(text), read, "{text:?}");
        }
    }
}
