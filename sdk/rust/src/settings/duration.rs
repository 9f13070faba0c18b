//! Durations as operators write them: `250ms`, `1.5s`, `2m`, `1h`.
//! Must not know: which setting it is, or a range.

/// Milliseconds, or `None` for what is not a duration. Written by hand: the standard library's parser of
/// floating-point numbers is larger than a whole signal.
pub(super) fn parse_ms(text: &str) -> Option<f64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (amount, unit) = text.split_at(split);
    let unit_ms = match unit {
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return None,
    };
    let (whole, fraction) = amount.trim_end().split_once('.').unwrap_or((amount.trim_end(), "0"));
    // Nine digits hold every duration that makes sense, and fit an integer exactly.
    let digits = |part: &str| match part.len() {
        1..=9 if part.bytes().all(|byte| byte.is_ascii_digit()) => part.parse::<u32>().ok().map(f64::from),
        _ => None,
    };
    let scale = 10_u32.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some((digits(whole)? + digits(fraction)? / f64::from(scale)) * unit_ms)
}

#[cfg(test)]
mod tests {
    use super::parse_ms;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, ms) in
            [("250ms", 250.0), ("1.5s", 1500.0), ("2m", 120_000.0), ("1 h", 3_600_000.0), ("0s", 0.0)]
        {
            assert_eq!(parse_ms(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "5", "s", "-1s", "1.s", ".5s", "1e3s", "1d", "1s2", "99999999999s", "1.0000000000s", "½s"]
        {
            assert_eq!(parse_ms(text), None, "{text}");
        }
    }
}
