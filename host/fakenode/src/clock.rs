//! Wall-clock spellings: RFC 3339 with nanoseconds for Ollama's bodies, IMF-fixdate for the `Date` header.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `2026-01-31T08:09:10.000000001Z`.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let at = Civil::of(time);
    let (y, mo, d) = (at.year, at.month, at.day);
    format!("{y:04}-{mo:02}-{d:02}T{:02}:{:02}:{:02}.{:09}Z", at.hour, at.minute, at.second, at.nanos)
}

/// `Sat, 31 Jan 2026 08:09:10 GMT`.
pub(crate) fn http_date(time: SystemTime) -> String {
    let at = Civil::of(time);
    let weekday = DAYS.get((at.days_since_epoch % 7) as usize).copied().unwrap_or_default();
    let month = MONTHS.get(at.month as usize - 1).copied().unwrap_or_default();
    let (d, y) = (at.day, at.year);
    format!("{weekday}, {d:02} {month} {y:04} {:02}:{:02}:{:02} GMT", at.hour, at.minute, at.second)
}

/// Whole seconds since 1970, as the OpenAI `created` field wants them.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

struct Civil {
    days_since_epoch: u64,
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    nanos: u32,
}

impl Civil {
    /// Howard Hinnant's `civil_from_days`, for times from 1970 on.
    fn of(time: SystemTime) -> Civil {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, rest) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Civil {
            days_since_epoch: days,
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest % 3600 / 60,
            second: rest % 60,
            nanos: since.subsec_nanos(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{http_date, rfc3339};

    #[test]
    fn known_instants_are_spelt_right() {
        let leap = UNIX_EPOCH + Duration::new(1_709_210_096, 7);
        assert_eq!(rfc3339(leap), "2024-02-29T12:34:56.000000007Z");
        assert_eq!(http_date(leap), "Thu, 29 Feb 2024 12:34:56 GMT");
        assert_eq!(rfc3339(UNIX_EPOCH), "1970-01-01T00:00:00.000000000Z");
    }
}
