//! Sensors of processors that are no thermal zones (Linux, hwmon). Other chips are left out: what is soldered to a board
//! is often not connected to anything, and to ask a disk wakes it.
//!
//! Sources: the kernel's `hwmon/sysfs-interface.rst`, `hwmon/coretemp.rst`, `hwmon/k10temp.rst`.

use super::{Sensor, celsius, mark};
use crate::collect::tree::Tree;

const FOLDER: &str = "sys/class/hwmon";
/// Chips that are looked at.
const CHIPS: usize = 64;
/// Sensors of a chip that are looked at: a chip has one of the whole, and one of each core that says no more.
const SENSORS: usize = 32;
/// Processors and where they slow themselves down if they do not say it: AMD's chip tells a temperature that is shifted
/// so that this is 95.
const PROCESSORS: [(&str, Option<f64>); 5] = [
    ("coretemp", None),
    ("k10temp", Some(95.0)),
    ("zenpower", Some(95.0)),
    ("k8temp", None),
    ("via_cputemp", None),
];
/// What the sensor of a whole processor is called.
const WHOLE: [&str; 4] = ["Package id", "Physical id", "Tctl", "Tdie"];

/// One sensor of each processor.
pub(super) fn sensors(tree: &Tree) -> Vec<Sensor> {
    let chips = tree.list(FOLDER).unwrap_or_default();
    chips.iter().take(CHIPS).filter_map(|chip| processor(tree, chip)).collect()
}

/// The sensor of the whole, else the hottest.
fn processor(tree: &Tree, chip: &str) -> Option<Sensor> {
    let folder = format!("{FOLDER}/{chip}");
    let name = tree.word(format!("{folder}/name"))?;
    let (_, slows_at) = PROCESSORS.iter().find(|(known, _)| *known == name)?;
    let files = tree.list(&folder)?;
    let mut found: Option<(bool, Sensor)> = None;
    let numbers = files.iter().filter_map(|file| file.strip_prefix("temp")?.strip_suffix("_input"));
    for number in numbers.take(SENSORS) {
        let file = |what: &str| format!("{folder}/temp{number}_{what}");
        let Some(celsius) = tree.number(file("input")).and_then(celsius) else { continue };
        let label = tree.word(file("label")).unwrap_or_default();
        let is_whole = WHOLE.iter().any(|whole| label.starts_with(whole));
        let is_more = |(was_whole, known): &(bool, Sensor)| (is_whole, celsius) > (*was_whole, known.celsius);
        if found.as_ref().is_none_or(is_more) {
            let slows_at = tree.number(file("crit")).and_then(mark).or(*slows_at);
            let name = format!("{name} {label}").trim_end().to_owned();
            found = Some((is_whole, Sensor { name, celsius, slows_at, ends_at: None, is_ours: true }));
        }
    }
    found.map(|(_, sensor)| sensor)
}
