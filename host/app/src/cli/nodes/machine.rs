//! What a machine says of itself, in words, with units and ages: lines of `herdwick nodes show`. What is not known has no
//! line. Texts of a machine were checked when they came in and still are only shown, never believed.

use herdwick_fleet::Column;
use herdwick_wire::machine::{
    BandwidthFacts, CardFacts, DiskFacts, HeatFacts, HostFacts, MemoryFacts, PowerFacts, PressureFacts,
};
use herdwick_wire::nodes::MachineView;

use crate::cli::print;

/// Sensors that are shown; of more, `--json` has them.
const SENSORS: usize = 4;

/// A word before a line, and the line.
pub(super) type Row = (&'static str, String);

/// All that is known.
pub(super) fn rows(node: &MachineView) -> Vec<Row> {
    let Some(facts) = &node.facts else { return Vec::new() };
    let read = |column: Column| {
        node.readings.iter().find(|reading| reading.name == column.name()).map(|reading| reading.value)
    };
    let mut rows = Vec::new();
    let mut add = |head, text: Option<String>| rows.extend(text.map(|text| (head, text)));
    add("cpu", cpu(facts.host.as_ref(), read(Column::CpuBusy)));
    add("memory", facts.memory.as_ref().map(memory));
    add("bandwidth", facts.bandwidth.as_ref().map(bandwidth));
    add("pressure", pressure(facts.pressure.as_ref(), read(Column::MemPressure)));
    add("heat", heat(facts.heat.as_ref(), read(Column::Thermal)));
    add("power", facts.power.as_ref().map(power));
    add("disk", facts.disk.as_ref().map(disk));
    for card in facts.cards.iter().flat_map(|told| &told.cards) {
        let age = facts.cards.as_ref().map_or(0, |told| told.age_ms);
        add("card", Some(aged(one_card(card), age)));
    }
    add("meeting", read(Column::Meeting).filter(|flag| *flag > 0.0).map(|_| "somebody is in one".to_owned()));
    add("system", facts.host.as_ref().map(|host| host.system.clone()).filter(|system| !system.is_empty()));
    rows
}

fn cpu(host: Option<&HostFacts>, busy: Option<f64>) -> Option<String> {
    let name = host.map(|host| host.cpu.clone()).filter(|name| !name.is_empty());
    let count = host.map(|host| host.cpus).filter(|count| *count > 0);
    let count =
        count.map(|count| if count == 1 { "1 thread".to_owned() } else { format!("{count} threads") });
    listed([name, count, busy.map(|busy| format!("{} busy", percent(busy)))])
}

fn memory(memory: &MemoryFacts) -> String {
    let MemoryFacts { age_ms, total, available, installed, swap_total, swap_used } = *memory;
    let free = format!("{} of {} free", print::bytes(available), print::bytes(total));
    let given = installed.map(|all| format!("it is given that much of {}", print::bytes(all)));
    let swap = match swap_total {
        0 => "no swap".to_owned(),
        _ => format!("{} of {} swap used", print::bytes(swap_used), print::bytes(swap_total)),
    };
    aged(listed([Some(free), given, Some(swap)]).unwrap_or_default(), age_ms)
}

fn bandwidth(bandwidth: &BandwidthFacts) -> String {
    let ago = print::lasting(bandwidth.age_ms / 1_000);
    format!("memory is read at {:.1} GB/s, measured {ago} ago", bandwidth.bytes_per_s / 1e9)
}

fn pressure(pressure: Option<&PressureFacts>, level: Option<f64>) -> Option<String> {
    let word = level.map(|level| word(level, ["none", "it begins", "high", "critical"]).to_owned());
    let Some(pressure) = pressure else { return word };
    let wait = |share: Option<f64>, what: &str| share.map(|share| format!("{} {what}", percent(share)));
    let waits = listed([
        wait(pressure.memory_some, "for memory"),
        wait(pressure.memory_full, "all at once"),
        wait(pressure.cpu_some, "for processors"),
        wait(pressure.io_some, "for disks"),
    ]);
    let waits = waits.map(|waits| format!("of the last 10 s programs waited {waits}"));
    let text = [word, waits].into_iter().flatten().collect::<Vec<_>>().join("; ");
    Some(aged(text, pressure.age_ms))
}

fn heat(heat: Option<&HeatFacts>, level: Option<f64>) -> Option<String> {
    let word = level.map(|level| word(level, ["nominal", "warm", "it slows down", "critical"]).to_owned());
    let Some(heat) = heat else { return word };
    let slowed = heat
        .throttled
        .filter(|is| *is)
        .map(|_| "the processor slowed itself down in the last minute".to_owned());
    let sensor = |sensor: &herdwick_wire::machine::SensorFacts| {
        let mark = match (sensor.slows_at, sensor.ends_at) {
            (Some(at), _) => format!(" (slows down at {at:.0})"),
            (None, Some(at)) => format!(" (turns off at {at:.0})"),
            (None, None) => String::new(),
        };
        format!("{} {:.0} °C{mark}", sensor.name, sensor.celsius)
    };
    let mut sensors: Vec<_> = heat.sensors.iter().take(SENSORS).map(sensor).collect();
    let hidden = heat.sensors.len().saturating_sub(SENSORS);
    if hidden > 0 {
        sensors.push(format!("{hidden} more"));
    }
    let sensors = Some(sensors.join(", ")).filter(|sensors| !sensors.is_empty());
    let text: Vec<_> = [word, slowed, sensors].into_iter().flatten().collect();
    (!text.is_empty()).then(|| aged(text.join("; "), heat.age_ms))
}

fn power(power: &PowerFacts) -> String {
    let charge = power.charge.map(|charge| format!("{} full", percent(charge)));
    let text = match (power.on_battery, charge) {
        (true, Some(charge)) => format!("on battery, {charge}"),
        (true, None) => "on battery".to_owned(),
        (false, Some(charge)) => format!("plugged in, battery {charge}"),
        (false, None) => "plugged in".to_owned(),
    };
    aged(text, power.age_ms)
}

fn disk(disk: &DiskFacts) -> String {
    let text = format!("{} of {} free in {}", print::bytes(disk.free), print::bytes(disk.total), disk.path);
    aged(text, disk.age_ms)
}

fn one_card(card: &CardFacts) -> String {
    let memory = match (card.memory_free, card.memory_total) {
        (Some(free), Some(total)) => Some(format!("{} of {} free", print::bytes(free), print::bytes(total))),
        (None, Some(total)) => Some(print::bytes(total)),
        _ => None,
    };
    let shared = card.shares_memory.then(|| "in the machine's memory".to_owned());
    let slowed = (!card.slowed_by.is_empty()).then(|| format!("slowed down: {}", card.slowed_by.join(", ")));
    let told = [
        Some(card.name.clone()).filter(|name| !name.is_empty()),
        memory,
        shared,
        card.busy.map(|busy| format!("{} busy", percent(busy))),
        card.celsius.map(|celsius| format!("{celsius:.0} °C")),
        card.watts.map(|watts| format!("{watts:.0} W")),
        card.bytes_per_s.map(|rate| format!("reads {:.0} GB/s", rate / 1e9)),
        slowed,
    ];
    told.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What is told, with commas between.
fn listed<const N: usize>(parts: [Option<String>; N]) -> Option<String> {
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn aged(text: String, age_ms: u64) -> String {
    format!("{text} ({} ago)", print::lasting(age_ms / 1_000))
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // Half a percent is something, and 12.3 is no better than 12.
    if percent > 0.0 && percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

fn word(level: f64, words: [&str; 4]) -> &str {
    let [none, some, much, most] = words;
    match level {
        level if level >= 3.0 => most,
        level if level >= 2.0 => much,
        level if level >= 1.0 => some,
        _ => none,
    }
}

#[cfg(test)]
mod tests {
    use herdwick_wire::machine::{CardsFacts, MachineFacts, SensorFacts};
    use herdwick_wire::nodes::ReadingView;

    use super::*;

    fn told(facts: MachineFacts, readings: &[(Column, f64)]) -> Vec<String> {
        let reading = |(column, value): &(Column, f64)| ReadingView {
            name: column.name().to_owned(),
            value: *value,
            age_ms: 0,
        };
        let node = serde_json::json!({
            "id": "", "name": "studio", "standing": "online", "held_ms": null, "agent": null,
            "draining": [], "labels": {}, "servers": [],
        });
        let node: MachineView = serde_json::from_value(node).expect("a machine");
        let node =
            MachineView { facts: Some(facts), readings: readings.iter().map(reading).collect(), ..node };
        rows(&node).into_iter().map(|(head, text)| format!("{head}: {text}")).collect()
    }

    #[test]
    fn a_laptop_is_told_in_words() {
        let sensor = |name: &str, celsius, slows_at| SensorFacts {
            name: name.to_owned(),
            celsius,
            slows_at,
            ends_at: Some(110.0),
        };
        let facts = MachineFacts {
            host: Some(HostFacts {
                age_ms: 0,
                cpu: "Intel i7-8550U".to_owned(),
                cpus: 8,
                system: "Linux 6.8".to_owned(),
            }),
            memory: Some(MemoryFacts {
                age_ms: 2_400,
                total: 16_600_000_000,
                available: 9_300_000_000,
                installed: Some(64_000_000_000),
                swap_total: 8_600_000_000,
                swap_used: 200_000_000,
            }),
            bandwidth: Some(BandwidthFacts { age_ms: 7_200_000, bytes_per_s: 31.26e9 }),
            pressure: Some(PressureFacts {
                age_ms: 2_400,
                memory_some: Some(0.081),
                memory_full: Some(0.0),
                cpu_some: Some(0.427),
                io_some: None,
            }),
            heat: Some(HeatFacts {
                age_ms: 4_000,
                sensors: vec![sensor("B0D4", 90.4, Some(89.0)), sensor("acpitz", 50.0, None)],
                throttled: Some(true),
            }),
            power: Some(PowerFacts { age_ms: 9_000, on_battery: true, charge: Some(0.85) }),
            disk: Some(DiskFacts {
                age_ms: 0,
                path: "/models".to_owned(),
                total: 500_000_000_000,
                free: 120_000_000_000,
            }),
            cards: None,
        };
        let readings = [
            (Column::CpuBusy, 0.123),
            (Column::MemPressure, 1.0),
            (Column::Thermal, 2.0),
            (Column::Meeting, 1.0),
        ];
        assert_eq!(
            told(facts, &readings),
            [
                "cpu: Intel i7-8550U, 8 threads, 12 % busy",
                "memory: 9.3 GB of 16.6 GB free, it is given that much of 64.0 GB, 200.0 MB of 8.6 GB swap used (2 s ago)",
                "bandwidth: memory is read at 31.3 GB/s, measured 2 h ago",
                "pressure: it begins; of the last 10 s programs waited 8.1 % for memory, 0 % all at once, 43 % for processors (2 s ago)",
                "heat: it slows down; the processor slowed itself down in the last minute; B0D4 90 °C (slows down at 89), acpitz 50 °C (turns off at 110) (4 s ago)",
                "power: on battery, 85 % full (9 s ago)",
                "disk: 120.0 GB of 500.0 GB free in /models (0 s ago)",
                "meeting: somebody is in one",
                "system: Linux 6.8",
            ]
        );
    }

    #[test]
    fn cards_stand_one_by_one_and_what_is_not_known_has_no_line() {
        let card = |name: &str, free, slowed_by: &[&str]| CardFacts {
            name: name.to_owned(),
            memory_total: Some(24_000_000_000),
            memory_free: free,
            busy: Some(0.004),
            celsius: Some(61.0),
            slowed_by: slowed_by.iter().map(ToString::to_string).collect(),
            ..CardFacts::default()
        };
        let cards =
            vec![card("RTX 4090", Some(20_000_000_000), &["heat", "power"]), card("Other", None, &[])];
        let facts = MachineFacts {
            cards: Some(CardsFacts { age_ms: 1_000, cards }),
            heat: Some(HeatFacts::default()),
            ..MachineFacts::default()
        };
        assert_eq!(
            told(facts, &[]),
            [
                "card: RTX 4090, 20.0 GB of 24.0 GB free, 0.4 % busy, 61 °C, slowed down: heat, power (1 s ago)",
                "card: Other, 24.0 GB, 0.4 % busy, 61 °C (1 s ago)",
            ]
        );
        assert_eq!(told(MachineFacts::default(), &[(Column::Thermal, 0.0)]), ["heat: nominal"]);
    }
}
