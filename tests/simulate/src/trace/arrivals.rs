//! When conversations begin: a Poisson process whose rate follows a pattern.

use super::{App, Plan};
use crate::random::Random;
use crate::time::Time;

/// How arrivals are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Evenly.
    Poisson,
    /// 3.4 times as many for 15 s, 0.4 times as many for 60 s.
    Bursty,
    /// Sixty per cent up and down, as over a day.
    Diurnal,
    /// Every 75 s one application asks ten times as much for 20 s; the work stays what it is.
    Storm,
    /// All at once: for finding out what a fleet can do.
    AtOnce,
}

/// A day of [`Pattern::Diurnal`], in seconds: short, so that a run has several.
const DAY: f64 = 400.0;
const STORM_EVERY: f64 = 75.0;
const STORM_LASTS: f64 = 20.0;

impl Pattern {
    /// Every pattern that is measured.
    pub const ALL: [Self; 4] = [Self::Poisson, Self::Bursty, Self::Diurnal, Self::Storm];

    /// As it is written in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Poisson => "poisson",
            Self::Bursty => "bursty",
            Self::Diurnal => "diurnal",
            Self::Storm => "storm",
            Self::AtOnce => "at once",
        }
    }

    /// By how much the rate at `s` seconds differs from the mean.
    fn factor(self, s: f64) -> f64 {
        match self {
            Self::Poisson | Self::Storm | Self::AtOnce => 1.0,
            Self::Bursty => {
                if s % 75.0 < 15.0 {
                    3.4
                } else {
                    0.4
                }
            }
            Self::Diurnal => 1.0 + 0.6 * (std::f64::consts::TAU * s / DAY).sin(),
        }
    }

    /// The highest factor there is.
    fn most(self) -> f64 {
        match self {
            Self::Bursty => 3.4,
            Self::Diurnal => 1.6,
            _ => 1.0,
        }
    }
}

/// Draws first turns, one after the other.
pub(super) struct Arrivals {
    pattern: Pattern,
    /// Conversations a second, in the mean.
    rate: f64,
    weights: [(App, f64); App::ALL.len()],
    random: Random,
    s: f64,
}

impl Arrivals {
    pub(super) fn new(plan: &Plan, seed: u64) -> Self {
        Self {
            pattern: plan.pattern,
            rate: plan.rate / plan.mix.mean_turns(),
            weights: plan.mix.weights(),
            random: Random::new(seed, "arrivals"),
            s: 0.0,
        }
    }

    /// The next conversation's beginning, and its application.
    pub(super) fn next(&mut self) -> (Time, App) {
        if self.pattern == Pattern::AtOnce {
            let plain = self.weights.map(|(_, weight)| weight);
            return (Time::default(), self.weights[self.random.pick(&plain)].0);
        }
        loop {
            let (weights, busier) = self.weights_now();
            let most = self.rate * self.pattern.most() * busier;
            self.s += self.random.exponential(1.0 / most);
            // Thinning (Lewis and Shedler, 1979): what is drawn too often is left out again.
            if self.random.chance(self.pattern.factor(self.s) / self.pattern.most()) {
                return (Time::seconds(self.s), self.weights[self.random.pick(&weights)].0);
            }
        }
    }

    /// How much each application asks now, and how many more conversations begin than in the mean.
    fn weights_now(&self) -> ([f64; App::ALL.len()], f64) {
        let plain = self.weights.map(|(_, weight)| weight);
        if self.pattern != Pattern::Storm || self.s % STORM_EVERY >= STORM_LASTS {
            return (plain, 1.0);
        }
        let asked: Vec<usize> = (0..plain.len()).filter(|place| plain[*place] > 0.0).collect();
        let whose = asked[(self.s / STORM_EVERY) as usize % asked.len()];
        let mut stormy = plain;
        stormy[whose] *= 10.0;
        let work = |weights: &[f64]| -> f64 {
            self.weights.iter().zip(weights).map(|((app, _), weight)| app.work() * weight).sum()
        };
        let sum = |weights: &[f64]| weights.iter().sum::<f64>();
        (stormy, work(&plain) / work(&stormy) * sum(&stormy) / sum(&plain))
    }
}
