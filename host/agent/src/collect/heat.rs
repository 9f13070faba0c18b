//! How hot the machine is, and whether it slows itself down for that: every five seconds, since to ask the firmware of
//! some machines takes a tenth of a second.
//!
//! `zones` and `chips` read sensors, `throttle` what processors count, `judge` says what it means.

mod chips;
mod judge;
mod throttle;
mod zones;

use std::time::{Duration, Instant};

use herdwick_fleet::Column;
use herdwick_wire::machine::{HeatFacts, SENSORS, SensorFacts};

use self::judge::Judge;
use self::throttle::Throttle;
use super::source::{Found, Next, Source};
use super::tree::Tree;

/// Heat takes seconds to rise; no decision needs it sooner.
const PAUSE: Duration = Duration::from_secs(5);
/// Three looks.
const KEEPS: Duration = Duration::from_secs(15);

/// One sensor and where its marks are, in degrees Celsius.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sensor {
    /// As the system calls it.
    name: String,
    celsius: f64,
    /// From here on the machine slows itself down.
    slows_at: Option<f64>,
    /// Here it turns itself off.
    ends_at: Option<f64>,
    /// Whether its heat is a processor's, or the whole machine's.
    is_ours: bool,
}

/// Asks Linux.
#[derive(Debug)]
pub(super) struct Heat {
    tree: Tree,
    judge: Judge,
    throttle: Throttle,
}

impl Heat {
    pub(super) fn new(tree: Tree) -> Self {
        Self { tree, judge: Judge::default(), throttle: Throttle::default() }
    }

    fn find(&mut self, now: Instant) -> Found {
        let mut sensors = zones::sensors(&self.tree);
        let known: Vec<_> = sensors.iter().map(|sensor| sensor.name.replace('-', "_")).collect();
        // Most zones are there a second time, without their marks.
        sensors.extend(chips::sensors(&self.tree).into_iter().filter(|chip| !known.contains(&chip.name)));
        let throttled = self.throttle.look(&self.tree, now);
        let mut found = Found::default();
        found.add(Column::Thermal, self.judge.level(&sensors).map(f64::from));
        found.add(Column::Throttled, throttled.map(|is| f64::from(u8::from(is))));
        // What decides comes first; among equals the hottest.
        sensors.sort_by(|one, two| {
            (two.is_ours, two.celsius)
                .partial_cmp(&(one.is_ours, one.celsius))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let sensors: Vec<_> = sensors.into_iter().take(SENSORS).map(SensorFacts::from).collect();
        found.facts.heat = (!sensors.is_empty() || throttled.is_some()).then_some(HeatFacts {
            age_ms: 0,
            sensors,
            throttled,
        });
        found
    }
}

impl Source for Heat {
    fn name(&self) -> &'static str {
        "heat"
    }

    fn keeps(&self) -> Option<Duration> {
        Some(KEEPS)
    }

    fn look(&mut self) -> (Found, Next) {
        (self.find(Instant::now()), Next::After(PAUSE))
    }
}

impl From<Sensor> for SensorFacts {
    fn from(sensor: Sensor) -> Self {
        let Sensor { name, celsius, slows_at, ends_at, .. } = sensor;
        Self { name, celsius, slows_at, ends_at }
    }
}

/// A temperature in thousandths of a degree, if anything that works can have it: colder nothing starts, hotter no chip
/// lives. Sensors that are off, broken or not connected say −273, 127, 255 or 65,535 degrees.
fn celsius(thousandths: f64) -> Option<f64> {
    Some(thousandths / 1e3).filter(|celsius| (-40.0..=125.0).contains(celsius))
}

/// A mark in thousandths of a degree. Firmware that has none writes 0, −274,000 or 65,261,850.
fn mark(thousandths: f64) -> Option<f64> {
    Some(thousandths / 1e3).filter(|celsius| (20.0..=150.0).contains(celsius))
}

#[cfg(test)]
mod tests;
