//! Thermal zones of Linux: a sensor each, with the marks at which the kernel itself acts.
//!
//! Source: the kernel's `thermal/sysfs-api.rst`.

use super::{Sensor, celsius, mark};
use crate::collect::tree::Tree;

const FOLDER: &str = "sys/class/thermal";
/// Zones that are looked at.
const ZONES: usize = 64;
/// Marks of a zone; the kernel has room for 31 in older versions.
const MARKS: usize = 32;
/// Zones whose heat is not the machine's: radios, batteries and chargers, skin sensors whose marks belong to a program
/// that may not run, and policies that are zones in name only.
const OTHERS: [&str; 9] = ["iwlwifi", "ath", "mt7", "bat", "tchg", "tskn", "sen", "int3400", "nvme"];
/// The firmware of a Raspberry Pi slows the processor down from here on, and no mark says so.
const PI: (&str, f64) = ("Raspberry Pi", 80.0);

/// Every zone whose temperature can be.
pub(super) fn sensors(tree: &Tree) -> Vec<Sensor> {
    let names = tree.list(FOLDER).unwrap_or_default();
    let zones = names.iter().filter(|name| name.starts_with("thermal_zone")).take(ZONES);
    let slows_at =
        tree.word("proc/device-tree/model").is_some_and(|model| model.starts_with(PI.0)).then_some(PI.1);
    zones
        .filter_map(|zone| {
            let sensor = sensor(tree, zone)?;
            Some(Sensor { slows_at: sensor.slows_at.or(slows_at), ..sensor })
        })
        .collect()
}

fn sensor(tree: &Tree, zone: &str) -> Option<Sensor> {
    let file = |name: &str| format!("{FOLDER}/{zone}/{name}");
    let name = tree.word(file("type"))?;
    let celsius = celsius(tree.number(file("temp"))?)?;
    let (mut slows_at, mut ends_at) = (None, None);
    for point in 0..MARKS {
        let Some(kind) = tree.word(file(&format!("trip_point_{point}_type"))) else { break };
        let at = tree.number(file(&format!("trip_point_{point}_temp"))).and_then(mark);
        let of = match kind.as_str() {
            "passive" => &mut slows_at,
            "hot" | "critical" => &mut ends_at,
            // Fans, which cost nothing.
            _ => continue,
        };
        *of = lower(*of, at);
    }
    let is_ours = !OTHERS.iter().any(|other| name.to_ascii_lowercase().starts_with(other));
    Some(Sensor { name, celsius, slows_at, ends_at, is_ours })
}

fn lower(one: Option<f64>, two: Option<f64>) -> Option<f64> {
    match (one, two) {
        (Some(one), Some(two)) => Some(one.min(two)),
        (one, two) => one.or(two),
    }
}
