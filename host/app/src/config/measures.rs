//! Kinds of values that are a number, each within bounds: durations, sizes, counts, multipliers.

use std::time::Duration;

use toml::Value;

use super::kind::{Kind, text, unexpected, wrong};
use super::place::Problem;
use super::raw::{Given, Raw};
use super::units;

/// A duration.
pub(crate) struct Lasting {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
}

/// Bytes.
pub(crate) struct Size {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

/// A whole number.
pub(crate) struct Count {
    pub(crate) least: u32,
    pub(crate) most: u32,
}

/// A multiplier: finite, at least 0.
pub(crate) struct Weight;

impl Kind for Lasting {
    type Value = Duration;

    fn read(&self, key: &str, given: &Given) -> Result<Duration, Vec<Problem>> {
        let text = text(key, given, "a duration like \"120s\"")?;
        let read = units::duration(text).ok_or_else(|| {
            let what = "is no duration; write a whole number with ms, s, m, h or d, like \"120s\"";
            wrong(key, given, format!("{text:?} {what}"))
        })?;
        within(read, self.least, self.most, units::duration_text).map_err(|what| wrong(key, given, what))
    }

    fn write(&self, value: &Duration) -> Value {
        Value::String(units::duration_text(*value))
    }
}

impl Kind for Size {
    type Value = u64;

    fn read(&self, key: &str, given: &Given) -> Result<u64, Vec<Problem>> {
        let text = text(key, given, "a size like \"32 MiB\"")?;
        let read = units::bytes(text).ok_or_else(|| {
            let what = "is no size; write a whole number with B, KiB, MiB or GiB, like \"32 MiB\"";
            wrong(key, given, format!("{text:?} {what}"))
        })?;
        within(read, self.least, self.most, units::bytes_text).map_err(|what| wrong(key, given, what))
    }

    fn write(&self, value: &u64) -> Value {
        Value::String(units::bytes_text(*value))
    }
}

impl Kind for Count {
    type Value = u32;

    fn read(&self, key: &str, given: &Given) -> Result<u32, Vec<Problem>> {
        let expected = format!("a whole number from {} to {}", self.least, self.most);
        let number = match &given.raw {
            Raw::Integer(number) => Some(*number),
            Raw::Words(words) => words.trim().parse().ok(),
            _ => None,
        };
        let bounded = number.and_then(|number| u32::try_from(number).ok());
        bounded
            .filter(|number| (self.least..=self.most).contains(number))
            .ok_or_else(|| unexpected(key, given, &expected))
    }

    fn write(&self, value: &u32) -> Value {
        Value::Integer(i64::from(*value))
    }
}

impl Kind for Weight {
    type Value = f64;

    fn read(&self, key: &str, given: &Given) -> Result<f64, Vec<Problem>> {
        let number = match &given.raw {
            Raw::Integer(number) => Some(*number as f64),
            Raw::Float(number) => Some(*number),
            Raw::Words(words) => words.trim().parse().ok(),
            _ => None,
        };
        number
            .filter(|number| number.is_finite() && *number >= 0.0)
            .ok_or_else(|| unexpected(key, given, "a number of 0 or more"))
    }

    fn write(&self, value: &f64) -> Value {
        Value::Float(*value)
    }
}

fn within<T: PartialOrd + Copy>(value: T, least: T, most: T, write: fn(T) -> String) -> Result<T, String> {
    if value < least {
        Err(format!("{:?} is less than {:?}, the least that is possible", write(value), write(least)))
    } else if value > most {
        Err(format!("{:?} is more than {:?}, the most that is possible", write(value), write(most)))
    } else {
        Ok(value)
    }
}
