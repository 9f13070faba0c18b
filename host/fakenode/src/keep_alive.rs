//! `keep_alive` as Ollama reads it: seconds as a number, or a Go duration as a string; negative is forever.

use std::time::Duration;

use serde_json::Value;

/// How long a model stays in memory after its last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepAlive {
    Forever,
    For(Duration),
}

/// What Ollama uses when no request has said anything.
pub(crate) const DEFAULT: KeepAlive = KeepAlive::For(Duration::from_secs(300));

impl KeepAlive {
    pub(crate) fn is_zero(self) -> bool {
        self == KeepAlive::For(Duration::ZERO)
    }
}

/// Reads the field; `Ok(None)` when it is absent or null.
pub(crate) fn read(value: Option<&Value>) -> Result<Option<KeepAlive>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(seconds)) => Ok(Some(from_seconds(seconds.as_f64().unwrap_or_default()))),
        Some(Value::String(text)) => go_duration(text).map(|seconds| Some(from_seconds(seconds))),
        Some(other) => Err(format!("invalid duration: {other}")),
    }
}

/// `1h30m`, `250ms`, `-1s`, `0`: Go's `time.ParseDuration`, in seconds.
pub(crate) fn go_duration(text: &str) -> Result<f64, String> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0.0);
    }
    if rest.is_empty() {
        return Err(format!("time: invalid duration {text:?}"));
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| format!("time: invalid duration {text:?}"))?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        seconds += number
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "" => return Err(format!("time: missing unit in duration {text:?}")),
                other => return Err(format!("time: unknown unit {other:?} in duration {text:?}")),
            };
        rest = next;
    }
    Ok(sign * seconds)
}

fn from_seconds(seconds: f64) -> KeepAlive {
    if seconds < 0.0 {
        return KeepAlive::Forever;
    }
    // What does not fit into a duration is centuries away.
    Duration::try_from_secs_f64(seconds).map_or(KeepAlive::Forever, KeepAlive::For)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{KeepAlive, read};

    #[test]
    fn every_spelling_is_read() {
        let minutes = |n: u64| Ok(Some(KeepAlive::For(Duration::from_secs(60 * n))));
        assert_eq!(read(None), Ok(None));
        assert_eq!(read(Some(&json!(600))), minutes(10));
        assert_eq!(read(Some(&json!("10m"))), minutes(10));
        assert_eq!(read(Some(&json!("1h30m"))), minutes(90));
        assert_eq!(read(Some(&json!(0))), minutes(0));
        assert_eq!(read(Some(&json!("0"))), minutes(0));
        assert_eq!(read(Some(&json!(-1))), Ok(Some(KeepAlive::Forever)));
        assert_eq!(read(Some(&json!("-1m"))), Ok(Some(KeepAlive::Forever)));
        assert!(read(Some(&json!("300"))).is_err_and(|text| text.contains("missing unit")));
        assert!(read(Some(&json!([1]))).is_err());
    }
}
