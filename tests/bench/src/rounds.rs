//! Who is measured when: in each round everybody once under each kind of load, one shortly after the other and in an
//! order drawn anew, so that whatever else this machine does hits everybody alike.

use std::hash::{BuildHasher as _, RandomState};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;

use crate::load::{self, Slice, Taken, percentile_us};
use crate::mock::Mock;
use crate::stream;
use crate::system::System;

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// So many clients with answers in one piece, each asking again at once.
    Requests(usize),
    /// So many clients that listen to streams which come as fast as those of a fast model.
    Streams(usize),
    /// One client that listens to short streams, for what a line is delayed.
    Listener,
}

impl Kind {
    /// All that is measured.
    pub const ALL: [Self; 5] =
        [Self::Requests(1), Self::Requests(16), Self::Requests(64), Self::Streams(64), Self::Listener];

    fn clients(self) -> usize {
        match self {
            Self::Requests(clients) | Self::Streams(clients) => clients,
            Self::Listener => 1,
        }
    }

    /// Lines of a stream, and the time between two.
    fn script(self) -> (u64, Duration) {
        match self {
            Self::Requests(_) | Self::Streams(_) => (200, Duration::from_millis(5)),
            Self::Listener => (20, Duration::from_millis(2)),
        }
    }
}

/// What one slice of one system showed; NaN where the kind of load has no such thing.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Answers in one piece, or lines, per second.
    pub rate: f64,
    /// The wait for one, in microseconds: half of them took no longer.
    pub p50_us: f64,
    /// The same for 99 of a hundred.
    pub p99_us: f64,
    /// The wait for a stream's first line, in microseconds: half of them took no longer.
    pub first_us: f64,
    /// Processor time for each, in microseconds.
    pub cpu_us: f64,
}

/// All readings of one kind of load: per round, one per system; none where a slice failed.
#[derive(Debug)]
pub struct Series {
    /// Under what.
    pub kind: Kind,
    /// As described.
    pub rounds: Vec<Vec<Option<Reading>>>,
}

/// How the measuring goes about.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often everybody's turn comes.
    pub rounds: usize,
    /// What counts of a turn.
    pub span: Duration,
    /// Before it counts.
    pub warm_up: Duration,
}

/// Measures everybody. `progress` hears of every round that begins and of every slice that failed.
///
/// # Errors
/// A system ended.
pub fn run(
    runtime: &Runtime,
    mock: &Mock,
    systems: &[System],
    plan: Plan,
    mut progress: impl FnMut(&str),
) -> Result<Vec<Series>> {
    let mut all: Vec<_> = Kind::ALL
        .iter()
        .map(|kind| Series { kind: *kind, rounds: Vec::with_capacity(plan.rounds) })
        .collect();
    let lots = RandomState::new();
    for round in 1..=plan.rounds {
        progress(&format!("round {round} of {}", plan.rounds));
        for series in &mut all {
            let mut readings = vec![None; systems.len()];
            let mut order: Vec<usize> = (0..systems.len()).collect();
            order.sort_by_cached_key(|system| lots.hash_one((round, series.kind.clients(), system)));
            for index in order {
                let system = systems.get(index).context("an order of our systems")?;
                match turn(runtime, mock, system, series.kind, plan) {
                    Ok(taken) => {
                        if let Some(reading) = readings.get_mut(index) {
                            *reading = Some(Reading::of(&taken));
                        }
                    }
                    Err(error) => {
                        // Whoever ended cannot be measured; somebody who failed once can, and it is told.
                        system.cpu_time().with_context(|| format!("{} ended", system.name))?;
                        progress(&format!("FAILED: {} under {:?}: {error:#}", system.name, series.kind));
                    }
                }
            }
            series.rounds.push(readings);
        }
    }
    Ok(all)
}

/// One system under one kind of load.
///
/// # Errors
/// One client was not answered as it should be.
pub fn turn(runtime: &Runtime, mock: &Mock, system: &System, kind: Kind, plan: Plan) -> Result<Taken> {
    let slice = Slice { clients: kind.clients(), warm_up: plan.warm_up, span: plan.span };
    let cpu = || system.cpu_time();
    runtime.block_on(async {
        match kind {
            Kind::Requests(_) => load::requests(&system.targets, slice, cpu).await,
            Kind::Streams(_) | Kind::Listener => {
                let (lines, pace) = kind.script();
                mock.streams(lines, pace);
                stream::streams(&system.targets, mock, slice, cpu).await
            }
        }
    })
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, clients) = text.split_once('-').unwrap_or((text, "1"));
        match (kind, clients.parse()) {
            ("requests", Ok(clients)) => Ok(Self::Requests(clients)),
            ("streams", Ok(clients)) => Ok(Self::Streams(clients)),
            ("listener", Ok(1)) => Ok(Self::Listener),
            _ => Err("neither requests-N nor streams-N nor listener"),
        }
    }
}

impl Reading {
    fn of(taken: &Taken) -> Self {
        Self {
            rate: taken.rate(),
            p50_us: percentile_us(&taken.waits, 0.5),
            p99_us: percentile_us(&taken.waits, 0.99),
            first_us: percentile_us(&taken.firsts, 0.5),
            cpu_us: taken.cpu_us(),
        }
    }
}

impl Series {
    /// One number of one system, for each round that has it.
    pub fn of(&self, system: usize, number: fn(&Reading) -> f64) -> Vec<f64> {
        let readings = self.rounds.iter().filter_map(|round| round.get(system)?.as_ref());
        readings.map(number).filter(|number| number.is_finite()).collect()
    }

    /// What comes of the numbers of several systems in the same round, for each round that has all of them.
    pub fn of_rounds(
        &self,
        systems: &[usize],
        number: fn(&Reading) -> f64,
        made: impl Fn(&[f64]) -> f64,
    ) -> Vec<f64> {
        let each = self.rounds.iter().filter_map(|round| {
            let numbers = systems.iter().map(|system| Some(number(round.get(*system)?.as_ref()?)));
            numbers.collect::<Option<Vec<_>>>().map(|numbers| made(&numbers))
        });
        each.filter(|number| number.is_finite()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rounds_that_have_everybody_are_compared() {
        let reading = |rate| {
            Some(Reading { rate, p50_us: f64::NAN, p99_us: f64::NAN, first_us: f64::NAN, cpu_us: f64::NAN })
        };
        let rounds = vec![
            vec![reading(2.0), reading(1.0)],
            vec![reading(2.0), None],
            vec![reading(8.0), reading(2.0)],
        ];
        let series = Series { kind: Kind::Listener, rounds };
        assert_eq!(series.of(0, |reading| reading.rate), [2.0, 2.0, 8.0]);
        assert_eq!(series.of_rounds(&[0, 1], |r| r.rate, |rates| rates[0] / rates[1]), [2.0, 4.0]);
        assert!(series.of(0, |reading| reading.cpu_us).is_empty());
    }
}
