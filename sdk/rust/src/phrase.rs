//! Numbers as people read them, for explanations and problem texts.
//! Must not know: floating-point formatting, which would double the size of a component.

/// A duration from milliseconds: `350 ms`, `1.2 s`, `4 min`, `3 h`.
pub fn ms(value: f64) -> String {
    with_units(
        value,
        &[(3_600_000.0, "h", false), (60_000.0, "min", false), (1000.0, "s", true), (1.0, "ms", false)],
    )
}

/// A size in bytes: `512 B`, `80.0 MB`, `4.7 GB`.
pub fn bytes(value: f64) -> String {
    with_units(
        value,
        &[(1e12, "TB", true), (1e9, "GB", true), (1e6, "MB", true), (1e3, "kB", true), (1.0, "B", false)],
    )
}

/// A plain number with at most three decimals and no trailing zeros: `3`, `-0.25`.
pub fn number(value: f64) -> String {
    let Some((sign, thousandths)) = rounded(value, 1000.0) else {
        return unknown();
    };
    let whole = thousandths / 1000;
    let fraction = format!("{:03}", thousandths % 1000);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        digits => format!("{sign}{whole}.{digits}"),
    }
}

/// A count with the right form of its noun: `1 slot`, `4 slots`.
pub fn count(value: f64, one: &str, many: &str) -> String {
    match number(value) {
        text if text == "1" => format!("1 {one}"),
        text => format!("{text} {many}"),
    }
}

/// Uses the first unit that the value, rounded, fills at least once; the last one otherwise.
fn with_units(value: f64, units: &[(f64, &str, bool)]) -> String {
    for (size, unit, tenths) in units {
        let last = *size == 1.0;
        let Some((sign, parts)) = rounded(value / size, if *tenths { 10.0 } else { 1.0 }) else {
            return unknown();
        };
        let whole = if *tenths { parts / 10 } else { parts };
        if value.abs() < *size && !last {
            continue;
        }
        return if *tenths {
            format!("{sign}{whole}.{} {unit}", parts % 10)
        } else {
            format!("{sign}{whole} {unit}")
        };
    }
    unknown()
}

/// Sign and magnitude in parts of one, or `None` for what an integer cannot hold.
fn rounded(value: f64, parts: f64) -> Option<(&'static str, u64)> {
    let scaled = value.abs() * parts + 0.5;
    // 2^53: above it a float does not hold every integer.
    if !scaled.is_finite() || scaled >= 9_007_199_254_740_992.0 {
        return None;
    }
    let magnitude = scaled as u64;
    Some((if value < 0.0 && magnitude > 0 { "-" } else { "" }, magnitude))
}

fn unknown() -> String {
    "unknown".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_use_the_unit_people_use() {
        let cases =
            [(0.0, "0 ms"), (349.6, "350 ms"), (1234.0, "1.2 s"), (-2500.0, "-2.5 s"), (240_000.0, "4 min")];
        for (value, text) in cases {
            assert_eq!(ms(value), text);
        }
        assert_eq!(ms(10_800_000.0), "3 h");
        assert_eq!(ms(f64::NAN), "unknown");
        assert_eq!(ms(f64::INFINITY), "unknown");
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(bytes(4_700_000_000.0), "4.7 GB");
    }

    #[test]
    fn numbers_lose_trailing_zeros_and_counts_get_their_noun() {
        for (value, text) in [(3.0, "3"), (-0.25, "-0.25"), (0.0004, "0"), (-0.0001, "0"), (1e300, "unknown")]
        {
            assert_eq!(number(value), text);
        }
        assert_eq!(count(1.0, "slot", "slots"), "1 slot");
        assert_eq!(count(2.0, "slot", "slots"), "2 slots");
    }
}
