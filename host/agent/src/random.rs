//! Numbers that nobody can guess, and numbers that are only not alike.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Bytes from the system.
///
/// # Errors
/// When it has none to give, which no system that runs ever says.
pub(crate) fn bytes<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// The same as twice as many hexadecimal digits.
pub(crate) fn hex<const N: usize>() -> std::io::Result<String> {
    let mut text = String::with_capacity(N * 2);
    for byte in bytes::<N>()? {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// ±20 %, so that agents that lost their router together do not come back together.
pub(crate) fn spread(period: Duration) -> Duration {
    let random = RandomState::new().hash_one(0);
    let share = (random % 4_001) as f64 / 10_000.0;
    period.mul_f64(0.8 + share)
}
