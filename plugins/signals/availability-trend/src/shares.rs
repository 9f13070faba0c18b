//! By what share of its service time a request is dearer on a machine that is not wholly ours: five terms.
//! Must not know: how long the service takes.

use herdwick_sdk::{Row, Settings, column};

/// `node.thermal-level` of each grade of heat.
const FAIR: f64 = 1.0;
const SERIOUS: f64 = 2.0;
const CRITICAL: f64 = 3.0;

/// What each term costs, in times the service.
#[derive(Debug)]
pub(crate) struct Prices {
    availability_weight: f64,
    availability_floor: f64,
    trend_weight: f64,
    heat_fair: f64,
    heat_serious: f64,
    heat_critical: f64,
    battery: f64,
    meeting: f64,
    learned_after: f64,
}

/// The terms of one machine, in times the service. A term of which nothing is known is 0.
#[derive(Debug)]
pub(crate) struct Shares {
    pub(crate) availability: f64,
    /// Negative on a machine that is getting freer.
    pub(crate) trend: f64,
    pub(crate) heat: f64,
    pub(crate) battery: f64,
    pub(crate) meeting: f64,
}

impl Prices {
    pub(crate) fn new(settings: &mut Settings) -> Prices {
        Prices {
            availability_weight: settings.number("availability_weight", 1.0, 0.0..=10.0),
            availability_floor: settings.number("availability_floor", 0.05, 0.001..=1.0),
            trend_weight: settings.number("trend_weight", 0.25, 0.0..=10.0),
            heat_fair: settings.number("heat_fair", 0.1, 0.0..=100.0),
            heat_serious: settings.number("heat_serious", 0.5, 0.0..=100.0),
            heat_critical: settings.number("heat_critical", 2.0, 0.0..=100.0),
            battery: settings.number("battery", 0.5, 0.0..=100.0),
            meeting: settings.number("meeting", 1.0, 0.0..=100.0),
            learned_after: settings.number("learned_after", 5.0, 0.0..=1e6),
        }
    }

    /// What heat costs; a machine that slows itself down is taken for seriously hot, whatever its sensor says.
    fn heat(&self, level: Option<f64>, is_throttled: bool) -> f64 {
        let level = level.unwrap_or(0.0).max(if is_throttled { SERIOUS } else { 0.0 });
        match level {
            level if level >= CRITICAL => self.heat_critical,
            level if level >= SERIOUS => self.heat_serious,
            level if level >= FAIR => self.heat_fair,
            _ => 0.0,
        }
    }
}

impl Shares {
    /// `None` when not one of the terms is known, or a reading cannot be true.
    pub(crate) fn of(row: Row<'_>, prices: &Prices) -> Option<Shares> {
        let availability = row.known(column::NODE_AVAILABILITY_RATIO)?;
        let trend = row.known(column::NODE_TREND_RATIO)?;
        let thermal = row.known(column::NODE_THERMAL_LEVEL)?;
        let throttled = row.known(column::NODE_THROTTLED_FLAG)?;
        let battery = row.known(column::NODE_BATTERY_FLAG)?;
        let meeting = row.known(column::NODE_MEETING_FLAG)?;
        let is_learned = row.get_or(column::RATE_SAMPLES_COUNT, 0.0)? >= prices.learned_after;
        // The first reading that is known; without any there is no opinion.
        availability.or(trend).or(thermal).or(throttled).or(battery).or(meeting)?;

        let is_set = |flag: Option<f64>| flag.is_some_and(|flag| flag >= 0.5);
        let when = |is_set: bool, price: f64| if is_set { price } else { 0.0 };
        Some(Shares {
            availability: availability.map_or(0.0, |ratio| {
                prices.availability_weight * (1.0 / ratio.max(prices.availability_floor) - 1.0)
            }),
            trend: trend.map_or(0.0, |trend| -prices.trend_weight * trend),
            // Rates that were learned from enough answers show the slow-down by themselves.
            heat: when(!is_learned, prices.heat(thermal, is_set(throttled))),
            battery: when(is_set(battery), prices.battery),
            meeting: when(is_set(meeting), prices.meeting),
        })
    }

    /// All five together. A trend may cancel the others, but a machine cannot be more than wholly ours.
    pub(crate) fn sum(&self) -> f64 {
        (self.availability + self.trend + self.heat + self.battery + self.meeting).max(0.0)
    }
}
