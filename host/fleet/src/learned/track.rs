//! One quantity that is learned from samples: a moving mean with its variance, number of samples and age, in three
//! atomic words, so that a decision reads it without a lock while an answer that ends teaches it. Must not know what
//! the quantity means.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::moment::Moment;

/// What is known of one quantity, as it is shown and kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean, in the quantity's own unit. Of a positive quantity it is the geometric one, so that an answer that took
    /// ten times as long weighs as much as one that took a tenth.
    pub mean: f64,
    /// Of a positive quantity the variance of its natural logarithm (0.01 is a spread of about 10 %); of one that may be
    /// negative the variance in the square of its unit.
    pub variance: f64,
    /// Samples behind it.
    pub samples: u32,
    /// Time since the last of them.
    pub age: Duration,
}

impl Estimate {
    /// One standard deviation as a share of the mean, of a positive quantity: 0.1 = ±10 %.
    pub fn spread(&self) -> f64 {
        self.variance.max(0.0).sqrt().exp_m1()
    }
}

/// How a quantity is averaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Whether it is positive and averaged by its logarithm; else it may be negative and is averaged as it is.
    pub is_positive: bool,
    /// Weight of a new sample once there are many. The first ones weigh more: the n-th one in n.
    pub gain: f64,
    /// The most by which a sample may differ from the mean and count whole: of a positive quantity as a difference of
    /// logarithms, else in its unit. What differs more counts as if it differed by this, so that one answer beside a
    /// virus scan does not spoil a rate.
    pub bound: f64,
}

impl Rule {
    /// A rate or a length: the last ten samples are two thirds of it (0.03 to 0.3 were alike in simulation), and one
    /// sample moves it by 7 % at most, once there are ten.
    pub const POSITIVE: Self = Self { is_positive: true, gain: 0.1, bound: std::f64::consts::LN_2 };

    /// A difference that may be negative, `bound` in its unit.
    pub const fn signed(bound: f64) -> Self {
        Self { is_positive: false, gain: 0.1, bound }
    }

    /// As it is averaged; `None` for what cannot be true.
    fn inside(self, value: f64) -> Option<f64> {
        let inside = if self.is_positive { value.ln() } else { value };
        (inside.is_finite() && (value > 0.0 || !self.is_positive)).then_some(inside)
    }

    fn outside(self, inside: f64) -> f64 {
        if self.is_positive { inside.exp() } else { inside }
    }
}

/// Samples below this count are too few to call another one an outlier.
const FEW: u32 = 3;
/// Samples in a row that differ by more than the bound and in the same direction: then it is the quantity that changed,
/// and what was learned before says nothing any more.
const CHANGED: i8 = 3;
/// A sample beyond this many standard deviations differs too much, where that is more than the rule's bound; but never
/// more than twice that, since outliers widen the deviation themselves.
const DEVIATIONS: f64 = 3.0;
/// Half of what was learned is forgotten in this time without a sample: machines are rebuilt and drivers updated.
const HALF_LIFE: Duration = Duration::from_secs(14 * 24 * 3_600);

/// One quantity. Its words move one by one: who reads while a sample is taken in may see the new mean with the old
/// number of samples, which harms nobody.
#[derive(Debug)]
pub struct Track {
    rule: Rule,
    /// Mean and variance as two `f32`: seven digits are more than any rate has.
    shape: AtomicU64,
    /// Samples, their weight and the surprises in a row.
    count: AtomicU64,
    /// When the last sample came, in milliseconds of the router's clock; before its start it is negative.
    at: AtomicU64,
    /// Whether somebody who keeps it has to look again.
    is_changed: AtomicBool,
}

/// What `count` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    samples: u32,
    /// As many samples as the mean is worth; it decides how much the next one counts.
    weight: u16,
    /// Samples in a row that differed too much; the sign is the direction.
    surprises: i8,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It counted as it was.
    Whole,
    /// It differed too much and counted less.
    Bounded,
    /// The quantity changed: it begins anew with this sample.
    Anew,
    /// It is no number that can be true.
    Refused,
}

impl Track {
    /// Nothing known yet.
    pub fn new(rule: Rule) -> Self {
        Self {
            rule,
            shape: AtomicU64::new(0),
            count: AtomicU64::new(0),
            at: AtomicU64::new(0),
            is_changed: AtomicBool::new(false),
        }
    }

    /// The mean; `None` before the first sample.
    pub fn mean(&self) -> Option<f64> {
        if self.samples() == 0 {
            return None;
        }
        Some(self.rule.outside(f64::from(unpack_shape(self.shape.load(Ordering::Acquire)).0)))
    }

    /// Samples so far.
    pub fn samples(&self) -> u32 {
        Count::unpack(self.count.load(Ordering::Acquire)).samples
    }

    /// Takes in a sample.
    pub fn teach(&self, sample: f64, now: Moment) -> Taken {
        let Some(sample) = self.rule.inside(sample) else { return Taken::Refused };
        let (mean, variance) = unpack_shape(self.shape.load(Ordering::Acquire));
        let (mean, variance) = (f64::from(mean), f64::from(variance));
        let count = Count::unpack(self.count.load(Ordering::Acquire));
        let weight = f64::from(count.weight) * self.faded(now);
        let away = if count.samples == 0 { 0.0 } else { sample - mean };
        let bound = (DEVIATIONS * variance.sqrt()).clamp(self.rule.bound, 2.0 * self.rule.bound);
        let is_surprise = count.samples >= FEW && away.abs() > bound;
        let direction = if away > 0.0 { 1 } else { -1 };
        let surprises = match (is_surprise, count.surprises.signum() == direction) {
            (false, _) => 0,
            (true, true) => count.surprises + direction,
            (true, false) => direction,
        };
        let (taken, mean, variance, weight, surprises) = if count.samples == 0 {
            (Taken::Whole, sample, 0.0, 0.0, 0)
        } else if surprises.abs() >= CHANGED {
            (Taken::Anew, sample, 0.0, 0.0, 0)
        } else {
            let step = away.clamp(-bound, bound);
            let gain = (1.0 / (weight + 1.0)).max(self.rule.gain);
            let variance = (1.0 - gain) * (variance + gain * step * step);
            let taken = if is_surprise { Taken::Bounded } else { Taken::Whole };
            (taken, mean + gain * step, variance, weight, surprises)
        };
        let most = 1.0 / self.rule.gain;
        let weight = (weight + 1.0).min(most).round() as u16;
        let count = Count { samples: count.samples.saturating_add(1), weight, surprises };
        self.shape.store(pack_shape(mean as f32, variance as f32), Ordering::Release);
        self.count.store(count.pack(), Ordering::Release);
        self.at.store(now.0, Ordering::Release);
        self.is_changed.store(true, Ordering::Release);
        taken
    }

    /// What is known; `None` before the first sample.
    pub fn estimate(&self, now: Moment) -> Option<Estimate> {
        let (_, variance) = unpack_shape(self.shape.load(Ordering::Acquire));
        let mean = self.mean()?;
        Some(Estimate { mean, variance: f64::from(variance), samples: self.samples(), age: self.age(now) })
    }

    /// What is known, if that is something else than when this was asked last.
    pub(crate) fn take_changed(&self, now: Moment) -> Option<Estimate> {
        self.is_changed.swap(false, Ordering::AcqRel).then(|| self.estimate(now)).flatten()
    }

    /// Puts back what was kept. What cannot be true is left out; says whether it was not.
    pub(crate) fn restore(&self, estimate: Estimate, now: Moment) -> bool {
        let Some(mean) = self.rule.inside(estimate.mean) else { return false };
        let variance = if estimate.variance.is_finite() { estimate.variance.max(0.0) } else { 0.0 };
        if estimate.samples == 0 {
            return false;
        }
        let most = 1.0 / self.rule.gain;
        let weight = f64::from(estimate.samples).min(most) as u16;
        let age = i64::try_from(estimate.age.as_millis()).unwrap_or(i64::MAX);
        let at = i64::try_from(now.0).unwrap_or(i64::MAX).saturating_sub(age);
        self.shape.store(pack_shape(mean as f32, variance as f32), Ordering::Release);
        self.count.store(Count { samples: estimate.samples, weight, surprises: 0 }.pack(), Ordering::Release);
        self.at.store(at.cast_unsigned(), Ordering::Release);
        true
    }

    /// Somebody who keeps it is to look again.
    pub(crate) fn mark_changed(&self) {
        self.is_changed.store(true, Ordering::Release);
    }

    /// Begins anew.
    pub(crate) fn forget(&self) {
        self.count.store(0, Ordering::Release);
        self.shape.store(0, Ordering::Release);
        self.is_changed.store(false, Ordering::Release);
    }

    fn age(&self, now: Moment) -> Duration {
        let at = self.at.load(Ordering::Acquire).cast_signed();
        let age = i64::try_from(now.0).unwrap_or(i64::MAX).saturating_sub(at);
        Duration::from_millis(u64::try_from(age).unwrap_or(0))
    }

    /// What of its weight is left after its age.
    fn faded(&self, now: Moment) -> f64 {
        (-self.age(now).as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
    }
}

impl Count {
    fn pack(self) -> u64 {
        u64::from(self.samples) << 32
            | u64::from(self.weight) << 16
            | u64::from(self.surprises.cast_unsigned())
    }

    fn unpack(packed: u64) -> Self {
        Self {
            samples: (packed >> 32) as u32,
            weight: (packed >> 16) as u16,
            surprises: (packed as u8).cast_signed(),
        }
    }
}

fn pack_shape(mean: f32, variance: f32) -> u64 {
    u64::from(mean.to_bits()) << 32 | u64::from(variance.to_bits())
}

fn unpack_shape(packed: u64) -> (f32, f32) {
    (f32::from_bits((packed >> 32) as u32), f32::from_bits(packed as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate() -> Track {
        Track::new(Rule::POSITIVE)
    }

    fn mean(track: &Track) -> f64 {
        track.mean().expect("a sample was taken")
    }

    #[test]
    fn the_first_samples_are_averaged_and_the_later_ones_move_it_slowly() {
        let track = rate();
        assert_eq!((track.mean(), track.estimate(Moment(0))), (None, None));
        for sample in [40.0, 50.0] {
            assert_eq!(track.teach(sample, Moment(0)), Taken::Whole);
        }
        assert!((mean(&track) - (40.0_f64 * 50.0).sqrt()).abs() < 1e-3);
        (0..100).for_each(|_| _ = track.teach(50.0, Moment(0)));
        assert!((mean(&track) - 50.0).abs() < 0.01);
        track.teach(55.0, Moment(0));
        assert!((mean(&track) - 50.0 * 1.1_f64.powf(0.1)).abs() < 0.01, "{}", mean(&track));
    }

    #[test]
    fn one_outlier_moves_a_mean_by_seven_percent_at_most() {
        for outlier in [5e-3, 1e9, f64::MIN_POSITIVE] {
            let track = rate();
            // Time passes between answers, and none of it makes the first ones worth nothing.
            (0..20).for_each(|minute| _ = track.teach(50.0, Moment(minute * 60_000)));
            assert_eq!(track.teach(outlier, Moment(20 * 60_000)), Taken::Bounded);
            assert!((mean(&track) / 50.0).ln().abs() <= 0.07, "{outlier}: {}", mean(&track));
            (0..10).for_each(|_| _ = track.teach(50.0, Moment(0)));
            assert!((mean(&track) / 50.0).ln().abs() <= 0.03, "{outlier}: {}", mean(&track));
        }
    }

    #[test]
    fn three_surprises_in_a_row_are_a_change() {
        let track = rate();
        (0..50).for_each(|_| _ = track.teach(50.0, Moment(0)));
        let taken: Vec<_> = (0..3).map(|_| track.teach(12.0, Moment(0))).collect();
        assert_eq!(taken, [Taken::Bounded, Taken::Bounded, Taken::Anew]);
        assert!((mean(&track) - 12.0).abs() < 1e-3, "a node that became four times slower is believed");
        // Up and down again is noise, however often.
        let track = rate();
        (0..50).for_each(|_| _ = track.teach(50.0, Moment(0)));
        for _ in 0..20 {
            assert_ne!(track.teach(500.0, Moment(0)), Taken::Anew);
            assert_ne!(track.teach(5.0, Moment(0)), Taken::Anew);
        }
        assert!((mean(&track) / 50.0).ln().abs() < 0.3);
    }

    #[test]
    fn a_poisoned_beginning_heals() {
        let track = rate();
        track.teach(0.5, Moment(0));
        (0..10).for_each(|_| _ = track.teach(50.0, Moment(0)));
        assert!((mean(&track) / 50.0).ln().abs() < 0.05, "{}", mean(&track));
    }

    #[test]
    fn what_cannot_be_true_is_refused() {
        let track = rate();
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(track.teach(bad, Moment(0)), Taken::Refused);
        }
        assert_eq!(track.samples(), 0);
        let signed = Track::new(Rule::signed(1_000.0));
        assert_eq!(signed.teach(f64::NAN, Moment(0)), Taken::Refused);
        assert_eq!(signed.teach(-250.0, Moment(0)), Taken::Whole);
        assert_eq!(signed.mean(), Some(-250.0));
    }

    #[test]
    fn what_is_old_counts_less() {
        let (track, later) = (rate(), Moment(28 * 24 * 3_600_000));
        (0..50).for_each(|_| _ = track.teach(50.0, Moment(0)));
        track.teach(60.0, later);
        let moved = (mean(&track) / 50.0).ln() / 1.2_f64.ln();
        assert!((moved - 1.0 / 3.5).abs() < 0.01, "a quarter of its weight is left: {moved}");
    }

    #[test]
    fn what_is_kept_comes_back_with_its_age() {
        let track = rate();
        [40.0, 44.0, 48.0].iter().for_each(|sample| _ = track.teach(*sample, Moment(1_000)));
        let kept = track.take_changed(Moment(61_000)).expect("it changed");
        assert_eq!((kept.samples, kept.age), (3, Duration::from_secs(60)));
        assert_eq!(track.take_changed(Moment(61_000)), None, "told once");
        let again = rate();
        assert!(again.restore(kept, Moment(5)));
        let restored = again.estimate(Moment(5)).expect("restored");
        assert_eq!(
            (restored.samples, restored.age),
            (3, kept.age),
            "it was learned before this router began"
        );
        assert!((restored.mean / kept.mean - 1.0).abs() < 1e-5);
        assert!((restored.variance - kept.variance).abs() < 1e-6);
        assert_eq!(again.take_changed(Moment(5)), None, "whoever kept it has it");
        for bad in [f64::NAN, 0.0, -3.0] {
            assert!(!rate().restore(Estimate { mean: bad, ..kept }, Moment(0)));
        }
        again.forget();
        assert_eq!(again.mean(), None);
    }

    #[test]
    fn a_spread_is_told_as_a_share() {
        let estimate = Estimate { mean: 1.0, variance: 0.01, samples: 1, age: Duration::ZERO };
        assert!((estimate.spread() - 0.105).abs() < 1e-3);
    }
}
