//! The figures that are made of the readings, each with its target: medians over the rounds of what was compared within
//! a round.

use crate::rounds::{Kind, Reading, Series};

/// Place of the backends themselves among the systems.
pub const DIRECT: usize = 0;
/// Place of nginx.
pub const NGINX: usize = 1;

/// One figure.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What it is, with its unit.
    pub name: &'static str,
    /// Under which load.
    pub kind: Kind,
    /// Which number.
    pub number: fn(&Reading) -> f64,
    /// Compared with what.
    pub against: Against,
    /// What we want.
    pub target: Target,
}

/// How a system's number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// As a multiple of nginx's.
    Nginx,
    /// What it adds to the backends' own, as a multiple of what nginx adds.
    NginxAdded,
    /// What it adds to the backends' own.
    Direct,
}

/// What we want of a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// As much, or more.
    AtLeast(f64),
    /// As much, or less.
    AtMost(f64),
}

/// A number over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Half of the rounds were below.
    pub median: f64,
    /// A quarter of the rounds was below.
    pub low: f64,
    /// A quarter of the rounds was above.
    pub high: f64,
    /// Rounds.
    pub rounds: usize,
}

const RATE: fn(&Reading) -> f64 = |reading| reading.rate;
const P50: fn(&Reading) -> f64 = |reading| reading.p50_us;
const P99: fn(&Reading) -> f64 = |reading| reading.p99_us;
const FIRST: fn(&Reading) -> f64 = |reading| reading.first_us;
const CPU: fn(&Reading) -> f64 = |reading| reading.cpu_us;

macro_rules! figures {
    ($($name:literal $kind:expr, $number:ident $against:ident $target:ident $wanted:literal;)*) => {
        /// All of them.
        pub const FIGURES: &[Figure] = &[$(Figure {
            name: $name,
            kind: $kind,
            number: $number,
            against: Against::$against,
            target: Target::$target($wanted),
        },)*];
    };
}

figures! {
    "requests/s, 1 client" Kind::Requests(1), RATE Nginx AtLeast 0.95;
    "requests/s, 16 clients" Kind::Requests(16), RATE Nginx AtLeast 0.90;
    "requests/s, 64 clients" Kind::Requests(64), RATE Nginx AtLeast 0.90;
    "added wait p50, 1 client, µs" Kind::Requests(1), P50 NginxAdded AtMost 1.10;
    "added wait p99, 1 client, µs" Kind::Requests(1), P99 NginxAdded AtMost 1.10;
    "CPU per request, 1 client, µs" Kind::Requests(1), CPU Nginx AtMost 1.10;
    "CPU per request, 16 clients, µs" Kind::Requests(16), CPU Nginx AtMost 1.20;
    "CPU per request, 64 clients, µs" Kind::Requests(64), CPU Nginx AtMost 1.20;
    "CPU per streamed line, 64 streams, µs" Kind::Streams(64), CPU Nginx AtMost 1.15;
    "added wait for the first line, µs" Kind::Listener, FIRST Direct AtMost 100.0;
    "added delay of a line, µs" Kind::Listener, P50 Direct AtMost 30.0;
}

impl Figure {
    /// A system's own number: for what is added, what it adds.
    pub fn value(&self, series: &Series, system: usize) -> Option<Spread> {
        let own = match self.against {
            Against::Nginx => series.of(system, self.number),
            Against::NginxAdded | Against::Direct if system == DIRECT => series.of(system, self.number),
            Against::NginxAdded | Against::Direct => series.of_rounds(&[system, DIRECT], self.number, minus),
        };
        Spread::of(own)
    }

    /// What the target is about.
    pub fn compared(&self, series: &Series, system: usize) -> Option<Spread> {
        Spread::of(match self.against {
            Against::Nginx => series.of_rounds(&[system, NGINX], self.number, |numbers| match numbers {
                [ours, nginx] => ours / nginx,
                _ => f64::NAN,
            }),
            Against::NginxAdded => {
                series.of_rounds(&[system, NGINX, DIRECT], self.number, |numbers| match numbers {
                    [ours, nginx, direct] => (ours - direct) / (nginx - direct),
                    _ => f64::NAN,
                })
            }
            Against::Direct => series.of_rounds(&[system, DIRECT], self.number, minus),
        })
    }
}

fn minus(numbers: &[f64]) -> f64 {
    match numbers {
        [ours, direct] => ours - direct,
        _ => f64::NAN,
    }
}

impl Target {
    /// Whether the number is what we want.
    pub fn is_met(self, number: f64) -> bool {
        match self {
            Self::AtLeast(wanted) => number >= wanted,
            Self::AtMost(wanted) => number <= wanted,
        }
    }
}

impl Spread {
    /// Of at least one number.
    pub fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        let last = numbers.len().checked_sub(1)?;
        let at = |share: f64| {
            let place = share * last as f64;
            let (below, above) = (numbers.get(place.floor() as usize), numbers.get(place.ceil() as usize));
            below.zip(above).map_or(f64::NAN, |(below, above)| below + (above - below) * place.fract())
        };
        Some(Self { median: at(0.5), low: at(0.25), high: at(0.75), rounds: numbers.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(rounds: &[[f64; 3]]) -> Series {
        let reading = |p50_us: &f64| {
            let nan = f64::NAN;
            Some(Reading { rate: nan, p50_us: *p50_us, p99_us: nan, first_us: nan, cpu_us: nan })
        };
        let rounds = rounds.iter().map(|round| round.iter().map(reading).collect()).collect();
        Series { kind: Kind::Requests(1), rounds }
    }

    #[test]
    fn what_is_added_is_compared_within_a_round() {
        // The second round was ten times as slow for everybody.
        let series = series(&[[20.0, 70.0, 80.0], [200.0, 700.0, 700.0], [20.0, 70.0, 75.0]]);
        let figure = |against| Figure { against, number: P50, ..FIGURES[0] };
        let compared = |against| figure(against).compared(&series, 2).expect("three rounds");
        assert_eq!(compared(Against::NginxAdded).median, 1.1);
        assert_eq!(compared(Against::Nginx).median, 75.0 / 70.0);
        assert_eq!(compared(Against::Direct).median, 60.0);
        assert_eq!(figure(Against::Direct).value(&series, NGINX).map(|spread| spread.median), Some(50.0));
    }

    #[test]
    fn a_spread_has_half_of_the_rounds_inside() {
        let spread = Spread::of(vec![5.0, 1.0, 2.0, 4.0, 3.0]).expect("numbers");
        assert_eq!((spread.low, spread.median, spread.high, spread.rounds), (2.0, 3.0, 4.0, 5));
        assert_eq!(Spread::of(vec![]), None);
    }

    #[test]
    fn targets_hold_on_their_own_side() {
        assert!(Target::AtLeast(0.9).is_met(0.9) && !Target::AtLeast(0.9).is_met(0.89));
        assert!(Target::AtMost(1.1).is_met(1.1) && !Target::AtMost(1.1).is_met(1.11));
        assert!(!Target::AtMost(1.1).is_met(f64::NAN) && !Target::AtLeast(1.1).is_met(f64::NAN));
    }
}
