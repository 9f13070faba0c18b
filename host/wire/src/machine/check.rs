//! What facts can be: what an agent says of its machine is shown to people, so nobody may fill a screen with it or have
//! them believe in a sensor of 65,535 °C.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{
    BandwidthFacts, CARDS, CardFacts, CardsFacts, DiskFacts, HeatFacts, HostFacts, MachineFacts, MemoryFacts,
    PowerFacts, PressureFacts, SENSORS,
};
use crate::beat::{Check, limits};

/// Age of a fact. What is older was true of another day.
const AGE: Duration = Duration::from_secs(600);
/// Age of what is measured once: years at most.
const MEASURED: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Reasons of a card.
const REASONS: usize = 8;
const SHARE: RangeInclusive<f64> = 0.0..=1.0;
/// Of what works: colder nothing starts, hotter no chip lives. A sensor that is off says −273 or 127 and more.
const CELSIUS: RangeInclusive<f64> = -40.0..=125.0;
/// Where something turns itself off; some firmware writes a number that is never reached.
const MARK: RangeInclusive<f64> = 0.0..=250.0;
/// Of one card.
const WATTS: RangeInclusive<f64> = 0.0..=5_000.0;

impl MachineFacts {
    /// Tells all that is wrong.
    pub(crate) fn check(&self, check: &mut Check) {
        let Self { host, memory, pressure, heat, power, disk, bandwidth, cards } = self;
        host.iter().for_each(|it| it.check(check));
        memory.iter().for_each(|it| it.check(check));
        pressure.iter().for_each(|it| it.check(check));
        heat.iter().for_each(|it| it.check(check));
        power.iter().for_each(|it| it.check(check));
        disk.iter().for_each(|it| it.check(check));
        bandwidth.iter().for_each(|it| it.check(check));
        cards.iter().for_each(|it| it.check(check));
    }
}

impl HostFacts {
    fn check(&self, check: &mut Check) {
        check.age("facts.host.age_ms", self.age_ms, MEASURED);
        check.text("facts.host.cpu", &self.cpu, limits::TEXT);
        check.count("facts.host.cpus", self.cpus);
        check.text("facts.host.system", &self.system, limits::TEXT);
    }
}

impl MemoryFacts {
    fn check(&self, check: &mut Check) {
        check.age("facts.memory.age_ms", self.age_ms, AGE);
        let Self { total, available, installed, swap_total, swap_used, .. } = *self;
        check.bytes("facts.memory.total", total);
        check.bytes("facts.memory.swap_total", swap_total);
        check.bytes("facts.memory.installed", installed.unwrap_or_default());
        check.part("facts.memory.available", available, total);
        check.part("facts.memory.swap_used", swap_used, swap_total);
    }
}

impl PressureFacts {
    fn check(&self, check: &mut Check) {
        check.age("facts.pressure.age_ms", self.age_ms, AGE);
        for (name, share) in [
            ("memory_some", self.memory_some),
            ("memory_full", self.memory_full),
            ("cpu_some", self.cpu_some),
            ("io_some", self.io_some),
        ] {
            check.known(format_args!("facts.pressure.{name}"), share, &SHARE);
        }
    }
}

impl HeatFacts {
    fn check(&self, check: &mut Check) {
        check.age("facts.heat.age_ms", self.age_ms, AGE);
        check.most("facts.heat.sensors", self.sensors.len(), SENSORS);
        for (at, sensor) in self.sensors.iter().enumerate().take(SENSORS) {
            let field = |name: &str| format!("facts.heat.sensors[{at}].{name}");
            check.text(field("name"), &sensor.name, limits::TEXT);
            check.number(field("celsius"), sensor.celsius, &CELSIUS);
            check.known(field("slows_at"), sensor.slows_at, &MARK);
            check.known(field("ends_at"), sensor.ends_at, &MARK);
        }
    }
}

impl PowerFacts {
    fn check(&self, check: &mut Check) {
        check.age("facts.power.age_ms", self.age_ms, AGE);
        check.known("facts.power.charge", self.charge, &SHARE);
    }
}

impl DiskFacts {
    fn check(&self, check: &mut Check) {
        check.age("facts.disk.age_ms", self.age_ms, AGE);
        check.text("facts.disk.path", &self.path, limits::TEXT);
        check.bytes("facts.disk.total", self.total);
        check.part("facts.disk.free", self.free, self.total);
    }
}

impl BandwidthFacts {
    fn check(&self, check: &mut Check) {
        check.age("facts.bandwidth.age_ms", self.age_ms, MEASURED);
        check.number("facts.bandwidth.bytes_per_s", self.bytes_per_s, &limits::BYTES_PER_S);
    }
}

impl CardsFacts {
    fn check(&self, check: &mut Check) {
        check.age("facts.cards.age_ms", self.age_ms, AGE);
        check.most("facts.cards.cards", self.cards.len(), CARDS);
        for (at, card) in self.cards.iter().enumerate().take(CARDS) {
            card.check(&|name| format!("facts.cards.cards[{at}].{name}"), check);
        }
    }
}

impl CardFacts {
    fn check(&self, field: &dyn Fn(&str) -> String, check: &mut Check) {
        check.text(field("name"), &self.name, limits::TEXT);
        check.bytes(field("memory_total"), self.memory_total.unwrap_or_default());
        let most = self.memory_total.unwrap_or(limits::BYTES);
        check.part(field("memory_free"), self.memory_free.unwrap_or_default(), most);
        check.known(field("bytes_per_s"), self.bytes_per_s, &limits::BYTES_PER_S);
        check.known(field("busy"), self.busy, &SHARE);
        check.known(field("celsius"), self.celsius, &CELSIUS);
        check.known(field("watts"), self.watts, &WATTS);
        check.most(field("slowed_by"), self.slowed_by.len(), REASONS);
        self.slowed_by.iter().take(REASONS).for_each(|why| check.text(field("slowed_by"), why, limits::TEXT));
    }
}
