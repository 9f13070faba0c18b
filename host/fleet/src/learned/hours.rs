//! When a machine is ours: the share of each hour of the week, and whether it is getting freer or busier just now. Must
//! not know any clock: whoever asks says which hour it is.
//!
//! **What it means that a machine is ours.** A request that is sent there now has the machine for itself, as far as
//! anybody can tell. What shows that it has not is what its owner would notice, and what would slow us down: a meeting
//! or a game; requests that others run on its servers; a processor that is busy while nothing of ours runs there (while
//! something of ours runs, it is we who make it busy, and the processor says nothing); and that it is off or asleep,
//! since work that is sent there then, or just before, is lost. The least of these counts and not their product: they
//! are signs of one thing, somebody who uses the machine.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::learned::kept::Quantity;
use crate::learned::track::{Estimate, Rule, Track};
use crate::moment::Moment;

/// An hour of the week: 0 is Monday from 0:00, 167 Sunday from 23:00, local time of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(u8);

impl Hour {
    /// Hours of a week.
    pub const COUNT: u8 = 168;

    /// The hour with this number, if there is one.
    pub fn new(index: u8) -> Option<Self> {
        (index < Self::COUNT).then_some(Self(index))
    }

    /// Its number.
    pub fn index(self) -> u8 {
        self.0
    }

    /// The one after it; after Sunday comes Monday.
    pub fn next(self) -> Self {
        Self((self.0 + 1) % Self::COUNT)
    }

    /// The same hour of the days that are like this one: of workdays, or of the weekend; without itself.
    fn alike(self) -> impl Iterator<Item = Self> {
        let (hour, is_weekend) = (self.0 % 24, self.0 >= 120);
        let days = if is_weekend { 5..7 } else { 0..5 };
        days.map(move |day| Self(day * 24 + hour)).filter(move |other| *other != self)
    }
}

/// What is seen of a machine at one moment. `None` = nobody tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signs {
    /// Whether its agent is heard, for a machine that has one and that nobody drains.
    pub is_heard: Option<bool>,
    /// Whether its owner is in a meeting, or plays.
    pub is_in_meeting: Option<bool>,
    /// Share of its processor that is busy, 0 to 1.
    pub cpu_busy: Option<f64>,
    /// Requests of ours that run there.
    pub ours: u32,
    /// Requests of others that run there.
    pub foreign: u32,
    /// Requests that its servers take at once.
    pub slots: u32,
}

/// A processor is busy by this much with nothing.
const IDLE_BUSY: f64 = 0.1;

impl Signs {
    /// The share in which it is ours, 0 to 1. `None` where nobody tells anything.
    pub fn share(&self) -> Option<f64> {
        if self.is_heard == Some(false) || self.is_in_meeting == Some(true) {
            return Some(0.0);
        }
        self.is_heard.or(self.is_in_meeting).or(self.cpu_busy.map(|_| true))?;
        let foreign = 1.0 - (f64::from(self.foreign) / f64::from(self.slots.max(1))).min(1.0);
        let busy = self.cpu_busy.filter(|busy| self.ours == 0 && busy.is_finite()).unwrap_or(0.0);
        let idle = 1.0 - ((busy - IDLE_BUSY) / (1.0 - IDLE_BUSY)).clamp(0.0, 1.0);
        Some(foreign.min(idle))
    }
}

/// A sample is taken each minute, so that an hour has 60 a week; this is the weight of three weeks of them. None is an
/// outlier: a share lies between 0 and 1.
const SHARE: Rule = Rule { is_positive: false, gain: 1.0 / 180.0, bound: 1.0 };
/// Minutes of an hour after which it counts as much as what the hours like it say; and of those, as much as the whole
/// week says, and of that, as much as that a machine of which nothing is known is ours. So there is an estimate from the
/// first minute, and on the second day the hour of the first counts.
const CONFIDENT: f64 = 60.0;
/// What it is compared with when one asks whether a machine is getting busier: lately against a while ago.
const LATELY: Duration = Duration::from_secs(3 * 60);
const A_WHILE: Duration = Duration::from_secs(20 * 60);

/// The hours of one machine.
#[derive(Debug)]
pub struct Hours {
    /// Made with the first sample: most machines of a large fleet never give any.
    hours: OnceLock<Box<[Track]>>,
    /// How it stands now, as decisions read it; NaN = nothing known.
    availability: AtomicU64,
    trend: AtomicU64,
    /// The share lately and over a while, and when it was noted last. Only whoever notes writes it.
    lately: AtomicU64,
    a_while: AtomicU64,
    noted: AtomicU64,
}

impl Default for Hours {
    fn default() -> Self {
        let [availability, trend, lately, a_while] = [(); 4].map(|()| AtomicU64::new(f64::NAN.to_bits()));
        Self { hours: OnceLock::new(), availability, trend, lately, a_while, noted: AtomicU64::new(0) }
    }
}

impl Hours {
    /// Share of this hour in which the machine is usually ours, 0 to 1, NaN when nothing is known.
    pub fn availability_ratio(&self) -> f64 {
        load(&self.availability)
    }

    /// -1 getting busier to 1 getting freer, NaN when nothing is known.
    pub fn trend_ratio(&self) -> f64 {
        load(&self.trend)
    }

    /// Takes in what was seen, once a minute. `minute` is the one within the hour.
    pub fn note(&self, (hour, minute): (Hour, u8), share: Option<f64>, now: Moment) {
        if let Some(share) = share.filter(|share| share.is_finite()).map(|share| share.clamp(0.0, 1.0)) {
            let hours = self.hours.get_or_init(new_hours);
            if let Some(track) = hours.get(usize::from(hour.index())) {
                track.teach(share, now);
            }
            let since = now.since(Moment(self.noted.swap(now.0, Ordering::Relaxed)));
            move_on(&self.lately, share, since, LATELY);
            move_on(&self.a_while, share, since, A_WHILE);
        }
        self.look((hour, minute));
    }

    /// Says anew how it stands: the hour has changed, or something was learned.
    fn look(&self, (hour, minute): (Hour, u8)) {
        let Some(here) = self.expected(hour) else { return };
        let recent = load(&self.lately) - load(&self.a_while);
        // What the next hour is like counts the more the nearer it is.
        let coming =
            self.expected(hour.next()).map_or(0.0, |next| next - here) * f64::from(minute.min(59)) / 60.0;
        let trend = (if recent.is_finite() { recent } else { 0.0 }) + coming;
        store(&self.availability, here);
        store(&self.trend, trend.clamp(-1.0, 1.0));
    }

    /// The share of an hour in which it is expected to be ours. `None` before the first sample.
    pub fn expected(&self, hour: Hour) -> Option<f64> {
        let hours = self.hours.get()?;
        let known = |hour: Hour| {
            let track = hours.get(usize::from(hour.index()))?;
            Some((f64::from(track.samples()).min(1.0 / SHARE.gain), track.mean()?))
        };
        let mix = |known: &mut dyn Iterator<Item = (f64, f64)>, otherwise: f64| {
            let (weight, sum) =
                known.fold((0.0, 0.0), |(weight, sum), (n, mean)| (weight + n, sum + n * mean));
            (sum + CONFIDENT * otherwise) / (weight + CONFIDENT)
        };
        let mut all = (0..Hour::COUNT).filter_map(Hour::new).filter_map(known).peekable();
        all.peek()?;
        let week = mix(&mut all, 1.0);
        let alike = mix(&mut hour.alike().filter_map(known), week);
        Some(mix(&mut known(hour).into_iter(), alike))
    }

    pub(super) fn tracks(&self) -> impl Iterator<Item = (Quantity, &Track)> {
        let hours = self.hours.get().map(|hours| hours.iter()).into_iter().flatten();
        (0..Hour::COUNT).filter_map(Hour::new).map(Quantity::Hour).zip(hours)
    }

    pub(super) fn restore(&self, what: Quantity, estimate: Estimate, now: Moment) -> bool {
        let Quantity::Hour(hour) = what else { return false };
        let is_share = (0.0..=1.0).contains(&estimate.mean);
        let hours = self.hours.get_or_init(new_hours);
        is_share && hours.get(usize::from(hour.index())).is_some_and(|track| track.restore(estimate, now))
    }

    pub(super) fn forget(&self) {
        self.hours.get().into_iter().flat_map(|hours| hours.iter()).for_each(Track::forget);
        for word in [&self.availability, &self.trend, &self.lately, &self.a_while] {
            store(word, f64::NAN);
        }
    }
}

fn new_hours() -> Box<[Track]> {
    (0..Hour::COUNT).map(|_| Track::new(SHARE)).collect()
}

/// An average that forgets: what is `span` old counts a third.
fn move_on(word: &AtomicU64, share: f64, since: Duration, span: Duration) {
    let before = load(word);
    let keeps = (-since.as_secs_f64() / span.as_secs_f64()).exp();
    store(word, if before.is_finite() { share + (before - share) * keeps } else { share });
}

fn load(word: &AtomicU64) -> f64 {
    f64::from_bits(word.load(Ordering::Acquire))
}

fn store(word: &AtomicU64, value: f64) {
    word.store(value.to_bits(), Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn hour(index: u8) -> Hour {
        Hour::new(index).expect("an hour")
    }

    /// A day of samples from 0:00, of which `is_ours` holds or not.
    fn day(hours: &Hours, day: u64, is_ours: impl Fn(u64) -> bool) {
        for minute in 0..24 * 60 {
            let at = Moment((day * 24 * 60 + minute) * MINUTE);
            let which = (day * 24 + minute / 60) % 168;
            let which = hour(u8::try_from(which).expect("an hour of the week"));
            let share = if is_ours(minute / 60) { 1.0 } else { 0.0 };
            hours.note((which, (minute % 60) as u8), Some(share), at);
        }
    }

    #[test]
    fn a_machine_is_ours_as_far_as_nobody_else_has_it() {
        let heard = Signs { is_heard: Some(true), slots: 2, ..Signs::default() };
        for (signs, share) in [
            (Signs::default(), None),
            (heard, Some(1.0)),
            (Signs { is_heard: Some(false), ..heard }, Some(0.0)),
            (Signs { is_in_meeting: Some(true), ..heard }, Some(0.0)),
            (Signs { foreign: 1, ..heard }, Some(0.5)),
            (Signs { foreign: 9, ..heard }, Some(0.0)),
            (Signs { cpu_busy: Some(0.05), ..heard }, Some(1.0)),
            (Signs { cpu_busy: Some(0.55), ..heard }, Some(0.5)),
            (Signs { cpu_busy: Some(0.55), ours: 1, ..heard }, Some(1.0)),
            (Signs { cpu_busy: Some(f64::NAN), ..heard }, Some(1.0)),
            (Signs { cpu_busy: Some(0.55), foreign: 1, ..heard }, Some(0.5)),
        ] {
            let got = signs.share();
            assert_eq!(got.is_some(), share.is_some(), "{signs:?}");
            let apart = got.unwrap_or(0.0) - share.unwrap_or(0.0);
            assert!(apart.abs() < 1e-12, "{signs:?}: {got:?}");
        }
    }

    #[test]
    fn nothing_is_known_before_anything_was_seen() {
        let hours = Hours::default();
        assert!(hours.availability_ratio().is_nan() && hours.trend_ratio().is_nan());
        hours.note((hour(3), 0), None, Moment(0));
        assert!(hours.availability_ratio().is_nan());
        assert_eq!(hours.expected(hour(3)), None);
    }

    #[test]
    fn there_is_an_estimate_from_the_first_minute_and_it_is_a_careful_one() {
        let hours = Hours::default();
        hours.note((hour(9), 0), Some(0.0), Moment(0));
        let first = hours.availability_ratio();
        assert!((0.9..1.0).contains(&first), "a minute says little: {first}");
        (1..60).for_each(|minute| hours.note((hour(9), minute as u8), Some(0.0), Moment(minute * MINUTE)));
        let hour_later = hours.availability_ratio();
        assert!(hour_later < 0.3, "an hour says much: {hour_later}");
    }

    #[test]
    fn the_second_day_is_expected_to_be_like_the_first_and_the_weekend_less_so() {
        let hours = Hours::default();
        day(&hours, 0, |hour| !(9..17).contains(&hour));
        let expected = |index| hours.expected(hour(index)).expect("a day was seen");
        let (tuesday_noon, tuesday_night) = (expected(24 + 12), expected(24 + 3));
        assert!(tuesday_noon < 0.4 && tuesday_night > 0.8, "{tuesday_noon} {tuesday_night}");
        let saturday = expected(5 * 24 + 12);
        assert!(
            saturday > tuesday_noon && saturday < 1.0,
            "only that the machine is used is known: {saturday}"
        );
    }

    #[test]
    fn after_two_weeks_an_hour_is_what_it_was() {
        let hours = Hours::default();
        for which in 0..14 {
            day(&hours, which, |hour| which % 7 >= 5 || !(9..17).contains(&hour));
        }
        let expected = |index| hours.expected(hour(index)).expect("weeks were seen");
        assert!(expected(10) < 0.1 && expected(3) > 0.9 && expected(5 * 24 + 10) > 0.9);
    }

    #[test]
    fn a_trend_is_seen_when_it_begins_and_before_an_hour_that_is_known() {
        let hours = Hours::default();
        day(&hours, 0, |_| true);
        let quiet = hours.trend_ratio();
        assert!(quiet.abs() < 0.05, "{quiet}");
        for minute in 0..5 {
            hours.note((hour(24), minute), Some(0.0), Moment((24 * 60 + u64::from(minute)) * MINUTE));
        }
        assert!(hours.trend_ratio() < -0.4, "somebody came: {}", hours.trend_ratio());
        let hours = Hours::default();
        for which in 0..7 {
            day(&hours, which, |hour| hour != 9);
        }
        let at = |minute: u64| Moment((7 * 24 * 60 + 8 * 60 + minute) * MINUTE);
        hours.note((hour(8), 5), Some(1.0), at(5));
        let early = hours.trend_ratio();
        hours.note((hour(8), 55), Some(1.0), at(55));
        let late = hours.trend_ratio();
        assert!(late < early && late < -0.3, "nine is near: {early} {late}");
    }

    #[test]
    fn hours_of_a_week_go_round() {
        assert_eq!((Hour::new(168), hour(167).next()), (None, hour(0)));
        let alike: Vec<_> = hour(9).alike().map(Hour::index).collect();
        assert_eq!(alike, [33, 57, 81, 105]);
        let alike: Vec<_> = hour(5 * 24 + 9).alike().map(Hour::index).collect();
        assert_eq!(alike, [6 * 24 + 9]);
    }
}
