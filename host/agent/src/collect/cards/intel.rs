//! Cards of Intel that have memory of their own, by the files of both of Linux's drivers, `xe` and `i915`. Neither tells
//! how much of the memory is free, or how busy the card is.
//!
//! Source: xe_gt_throttle.c and intel_gt_sysfs_pm.c of Linux.

use super::amd::hottest;
use super::drm::Files;
use super::names::{self, Numbers};
use super::{Card, Memory, Slowed};

/// Intel's number as a maker.
pub(super) const VENDOR: u16 = 0x8086;

/// What a card tells now; `None` for graphics that are part of a processor.
pub(super) fn card(files: Files<'_>, numbers: Numbers, known: Option<&Card>) -> Option<Card> {
    let card = Card {
        memory: Memory::own(Some(memory(files)?), None),
        name: known.map_or_else(|| names::name(numbers, "Intel"), |known| known.name.clone()),
        ..Card::default()
    };
    if files.is_asleep() {
        return Some(card.asleep());
    }
    Some(Card { heat: hottest(files), slowed: slowed(files), ..card })
}

/// Bytes on the card. `xe` tells them for each of its tiles, `i915` at once where it does.
fn memory(files: Files<'_>) -> Option<u64> {
    let tiles = files.parts("device", "tile").into_iter();
    let tiles = tiles.filter_map(|tile| files.number::<u64>(&format!("{tile}/physical_vram_size_bytes")));
    let whole = || ["lmem_total_bytes", "device/lmem_total_bytes"].iter().find_map(|file| files.number(file));
    tiles.reduce(u64::saturating_add).or_else(whole).filter(|bytes| *bytes > 0)
}

/// Why any part of it is slower, as each part says.
fn slowed(files: Files<'_>) -> Option<Slowed> {
    let tiles = files.parts("device", "tile").into_iter();
    let xe = tiles.flat_map(|tile| files.parts(&tile, "gt"));
    let xe = xe.map(|part| format!("{part}/freq0/throttle/reason_"));
    let i915 = files.parts("gt", "gt").into_iter().map(|part| format!("{part}/throttle_reason_"));
    xe.chain(i915).filter_map(|prefix| part(files, &prefix)).reduce(|one, other| Slowed {
        heat: one.heat || other.heat,
        overheated: one.overheated || other.overheated,
        cap: one.cap || other.cap,
        ..Slowed::default()
    })
}

fn part(files: Files<'_>, prefix: &str) -> Option<Slowed> {
    let reason = |name: &str| files.number::<u8>(&format!("{prefix}{name}")).map(|flag| flag != 0);
    let is = |name: &str| reason(name) == Some(true);
    Some(Slowed {
        heat: reason("thermal")?,
        overheated: is("prochot") || is("vr_thermalert"),
        cap: is("pl1") || is("pl2") || is("pl4") || is("vr_tdc"),
        ..Slowed::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::drm::tests::machine;
    use super::*;

    const NUMBERS: Numbers = Numbers { vendor: VENDOR, device: 0xe20b, revision: 0 };

    /// What a card with these files tells.
    fn look(test: &str, files: &[(&str, &str)]) -> Option<Card> {
        let files: Vec<_> = files.iter().map(|(name, text)| (format!("card1/{name}"), *text)).collect();
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        let tree = machine(test, &files);
        card(Files { tree: &tree, card: "card1" }, NUMBERS, None)
    }

    #[test]
    fn both_drivers_are_read() {
        let xe = [
            ("device/tile0/physical_vram_size_bytes", "12884901888\n"),
            ("device/tile0/gt0/freq0/throttle/reason_thermal", "1\n"),
            ("device/tile0/gt0/freq0/throttle/reason_pl1", "0\n"),
            ("device/tile0/gt1/freq0/throttle/reason_thermal", "0\n"),
            ("device/tile0/gt1/freq0/throttle/reason_pl1", "1\n"),
            ("device/hwmon/hwmon5/temp2_input", "61000\n"),
        ];
        let told = look("intel-xe", &xe).unwrap();
        assert_eq!(told.memory, Memory::Own { total: 12_884_901_888, free: None });
        assert_eq!(told.slowed, Some(Slowed { heat: true, cap: true, ..Slowed::default() }));
        assert_eq!(told.heat.unwrap().celsius, 61.0);
        let i915 = [
            ("lmem_total_bytes", "8589934592\n"),
            ("gt/gt0/throttle_reason_thermal", "0\n"),
            ("gt/gt0/throttle_reason_prochot", "1\n"),
        ];
        let told = look("intel-i915", &i915).unwrap();
        assert!(told.has_memory() && told.slowed.unwrap().overheated);
    }

    #[test]
    fn graphics_in_a_processor_are_no_card() {
        assert_eq!(look("intel-part", &[("gt/gt0/id", "0\n")]), None);
        let zero = [("device/tile0/physical_vram_size_bytes", "0\n")];
        assert_eq!(look("intel-zero", &zero), None);
    }

    #[test]
    fn a_card_that_does_not_say_why_it_is_slow_is_not_said_to_be_fast() {
        let told = [("lmem_total_bytes", "8589934592\n"), ("gt/gt0/throttle_reason_thermal", "maybe\n")];
        assert_eq!(look("intel-mute", &told).unwrap().slowed, None);
    }
}
