//! `node.thermal-level`: what temperatures mean, by the marks of whoever built the machine and not by ours: 80 °C is
//! nothing to one chip and the end of another.

use std::collections::HashMap;

use super::Sensor;

/// Sensors that are remembered.
const SENSORS: usize = 128;
/// Degrees below the mark at which a machine slows down, from where on it is warm: a long answer more takes it there.
const WARM: f64 = 10.0;
/// Where only the end is marked: as far below it, as chips that mark both have them apart.
const WARM_OF_END: f64 = 25.0;
const SLOW_OF_END: f64 = 10.0;
/// Degrees below its end at which a machine is as good as off.
const CRITICAL: f64 = 3.0;

/// What sensors said before.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// What each said first, until it said something else.
    seen: HashMap<String, Option<f64>>,
}

impl Judge {
    /// 0 nominal, 1 warm, 2 it slows down, 3 it is about to turn itself off: the worst of all sensors that count. `None`
    /// without any.
    ///
    /// A sensor that has never moved since the agent started is not believed to be hot: firmware that makes up a number
    /// makes up the same one each time, and what is hot moves within seconds.
    pub(super) fn level(&mut self, sensors: &[Sensor]) -> Option<u8> {
        let mut worst = None;
        for sensor in sensors.iter().filter(|sensor| sensor.is_ours) {
            let Some(level) = level(sensor) else { continue };
            if level == 0 || self.has_moved(sensor) {
                worst = worst.max(Some(level));
            }
            self.remember(sensor);
        }
        worst
    }

    fn has_moved(&self, sensor: &Sensor) -> bool {
        match self.seen.get(&sensor.name) {
            None => false,
            Some(None) => true,
            Some(Some(first)) => *first != sensor.celsius,
        }
    }

    fn remember(&mut self, sensor: &Sensor) {
        if self.has_moved(sensor) {
            self.seen.insert(sensor.name.clone(), None);
        } else if self.seen.len() < SENSORS {
            self.seen.entry(sensor.name.clone()).or_insert(Some(sensor.celsius));
        }
    }
}

/// What one sensor says; `None` when it has no marks.
fn level(sensor: &Sensor) -> Option<u8> {
    let Sensor { celsius, slows_at, ends_at, .. } = *sensor;
    let slows_at_least = slows_at.or(ends_at.map(|end| end - SLOW_OF_END))?;
    let warm_from = slows_at.map(|at| at - WARM).or(ends_at.map(|end| end - WARM_OF_END))?;
    Some(if ends_at.is_some_and(|end| celsius >= end - CRITICAL) {
        3
    } else if celsius >= slows_at_least {
        2
    } else if celsius >= warm_from {
        1
    } else {
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensor(celsius: f64, slows_at: Option<f64>, ends_at: Option<f64>) -> Sensor {
        Sensor { name: "x86_pkg_temp".to_owned(), celsius, slows_at, ends_at, is_ours: true }
    }

    #[test]
    fn the_marks_of_a_machine_say_what_is_hot() {
        for (celsius, slows_at, ends_at, expected) in [
            (60.0, Some(89.0), Some(97.0), Some(0)),
            (79.0, Some(89.0), Some(97.0), Some(1)),
            (89.0, Some(89.0), Some(97.0), Some(2)),
            (94.0, Some(89.0), Some(97.0), Some(3)),
            (99.0, Some(100.0), None, Some(1)),
            (100.0, Some(100.0), None, Some(2)),
            (84.9, None, Some(110.0), Some(0)),
            (85.0, None, Some(110.0), Some(1)),
            (100.0, None, Some(110.0), Some(2)),
            (107.0, None, Some(110.0), Some(3)),
            (99.0, None, None, None),
        ] {
            assert_eq!(
                level(&sensor(celsius, slows_at, ends_at)),
                expected,
                "{celsius} {slows_at:?} {ends_at:?}"
            );
        }
    }

    #[test]
    fn who_always_says_the_same_is_not_believed_to_be_hot() {
        let hot = sensor(110.0, Some(90.0), None);
        let mut judge = Judge::default();
        for _ in 0..100 {
            assert_eq!(judge.level(std::slice::from_ref(&hot)), None);
        }
        let cold = sensor(40.0, Some(90.0), None);
        assert_eq!(judge.level(std::slice::from_ref(&cold)), Some(0), "it moved");
        assert_eq!(judge.level(std::slice::from_ref(&hot)), Some(2));
        assert_eq!(judge.level(std::slice::from_ref(&hot)), Some(2), "and is believed from then on");
    }

    #[test]
    fn the_worst_counts_of_those_that_count() {
        let named = |name: &str, celsius, is_ours| Sensor {
            name: name.to_owned(),
            is_ours,
            ..sensor(celsius, Some(90.0), None)
        };
        let mut judge = Judge::default();
        let at = |more| {
            [named("a", 40.0 + more, true), named("b", 84.0 + more, true), named("radio", 95.0 + more, false)]
        };
        assert_eq!(judge.level(&at(0.0)), Some(0), "b has not moved yet");
        assert_eq!(judge.level(&at(1.0)), Some(1));
        assert_eq!(judge.level(&[]), None);
    }
}
