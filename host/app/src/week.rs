//! Which hour of the week it is where the router runs: what its machines' owners do, they do by the clock on the wall.

use herdwick_fleet::Hour;
use jiff::ZonedDateTime;

/// The hour of the week, local time, and the minute within it. Where the system says no zone it is UTC, by which a week
/// is as regular.
pub(crate) fn now() -> Option<(Hour, u8)> {
    at(&ZonedDateTime::now())
}

fn at(time: &ZonedDateTime) -> Option<(Hour, u8)> {
    let day = u8::try_from(time.weekday().to_monday_zero_offset()).ok()?;
    let hour = u8::try_from(time.hour()).ok()?;
    Some((Hour::new(day * 24 + hour)?, u8::try_from(time.minute()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday_at_midnight_of_the_clock_on_the_wall() {
        for (told, hour, minute) in [
            ("2026-11-23T00:00[Europe/Berlin]", 0, 0),
            ("2026-11-25T20:24[Europe/Berlin]", 68, 24),
            ("2026-11-29T23:59[America/New_York]", 167, 59),
            // The hour that a change of the clock repeats is the same hour twice.
            ("2026-10-25T02:30+02:00[Europe/Berlin]", 146, 30),
            ("2026-10-25T02:30+01:00[Europe/Berlin]", 146, 30),
        ] {
            let time: ZonedDateTime = told.parse().expect("a time");
            assert_eq!(at(&time), Hour::new(hour).map(|hour| (hour, minute)), "{told}");
        }
        assert!(now().is_some());
    }
}
