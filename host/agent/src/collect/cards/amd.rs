//! Cards of AMD, by the files of Linux's driver. A card that sleeps is not woken: of it only its memory is read.
//!
//! Source: the kernel's guide to amdgpu, "GPU driver-specific sysfs".

use super::drm::Files;
use super::names::{self, Numbers};
use super::{Card, Heat, Memory, metrics, share};

/// AMD's number as a maker.
pub(super) const VENDOR: u16 = 0x1002;
/// Bytes of memory that only a card of its own has, where no table of measurements tells.
const CARD: u64 = 2 << 30;

/// What a card tells now; `None` if it has no memory to speak of.
pub(super) fn card(files: Files<'_>, numbers: Numbers, known: Option<&Card>) -> Option<Card> {
    let number = |name: &str| files.number::<u64>(&format!("device/{name}"));
    let own = (number("mem_info_vram_total")?, number("mem_info_vram_used"));
    let shared = number("mem_info_gtt_total").zip(number("mem_info_gtt_used"));
    let asleep = files.is_asleep();
    let table = (!asleep).then(|| files.table("device/gpu_metrics")).flatten();
    let metrics = table.and_then(|table| metrics::read(&table));
    // Graphics in a processor never sleep alone.
    let in_processor = !asleep && metrics.map_or(own.0 < CARD, |metrics| metrics.in_processor);
    let card = Card {
        name: known.map_or_else(|| names::name(numbers, "AMD"), |known| known.name.clone()),
        memory: memory(own, shared, in_processor),
        ..Card::default()
    };
    if asleep {
        return Some(card.asleep());
    }
    Some(Card {
        busy: number("gpu_busy_percent").and_then(share),
        heat: hottest(files),
        watts: watts(files),
        slowed: metrics.and_then(|metrics| metrics.slowed),
        ..card
    })
}

/// A card holds models in its own memory. Graphics in a processor have them where there is more room: in the part that
/// the firmware set aside, or in the machine's memory, as far as the driver lets them.
fn memory(own: (u64, Option<u64>), shared: Option<(u64, u64)>, in_processor: bool) -> Memory {
    let (total, used) = own;
    match shared {
        Some((most, used)) if in_processor && most > total => Memory::shared(Some(most), Some(used)),
        _ => Memory::own(Some(total), used.and_then(|used| total.checked_sub(used))),
    }
}

/// Of the sensors the one that is nearest to its limit; without limits the hottest.
pub(super) fn hottest(files: Files<'_>) -> Option<Heat> {
    let mut heats = Vec::new();
    for sensors in files.parts("device/hwmon", "hwmon") {
        // Edge, junction and memory have the first three numbers.
        for sensor in 1..=8 {
            let read = |what: &str| files.number::<i64>(&format!("{sensors}/temp{sensor}_{what}"));
            let degrees = |thousandths: i64| thousandths as f64 / 1e3;
            if let Some(input) = read("input") {
                heats.extend(Heat::new(degrees(input), read("crit").map(degrees)));
            }
        }
    }
    let nearness = |heat: &Heat| (heat.limit.is_some(), heat.celsius - heat.limit.unwrap_or_default());
    heats.into_iter().max_by(|one, other| {
        let (one, other) = (nearness(one), nearness(other));
        one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
    })
}

/// What it draws; millionths of a watt are told, as a mean or as they are.
fn watts(files: Files<'_>) -> Option<f64> {
    let parts = files.parts("device/hwmon", "hwmon");
    let told = ["power1_average", "power1_input"]
        .iter()
        .find_map(|file| parts.iter().find_map(|sensors| files.number::<u32>(&format!("{sensors}/{file}"))));
    told.map(|millionths| f64::from(millionths) / 1e6)
}

#[cfg(test)]
mod tests {
    use super::super::drm::tests::machine;
    use super::*;

    const NUMBERS: Numbers = Numbers { vendor: VENDOR, device: 0x744c, revision: 0xc8 };

    /// What a card with these files under `device` tells.
    fn look(test: &str, files: &[(&str, &str)]) -> Option<Card> {
        let files: Vec<_> =
            files.iter().map(|(name, text)| (format!("card0/device/{name}"), *text)).collect();
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        let tree = machine(test, &files);
        let known = Card { name: "AMD Radeon".to_owned(), ..Card::default() };
        card(Files { tree: &tree, card: "card0" }, NUMBERS, Some(&known))
    }

    /// A Radeon RX 7900 XTX at work.
    const BUSY: [(&str, &str); 13] = [
        ("mem_info_vram_total", "25753026560\n"),
        ("mem_info_vram_used", "9663676416\n"),
        ("mem_info_gtt_total", "33447190528\n"),
        ("mem_info_gtt_used", "69206016\n"),
        ("gpu_busy_percent", "97\n"),
        ("power/runtime_status", "active\n"),
        ("hwmon/hwmon3/temp1_input", "71000\n"),
        ("hwmon/hwmon3/temp1_crit", "100000\n"),
        ("hwmon/hwmon3/temp2_input", "96000\n"),
        ("hwmon/hwmon3/temp2_crit", "110000\n"),
        ("hwmon/hwmon3/temp3_input", "88000\n"),
        ("hwmon/hwmon3/temp3_crit", "108000\n"),
        ("hwmon/hwmon3/power1_average", "327000000\n"),
    ];

    #[test]
    fn a_card_is_read_from_its_files() {
        let card = look("amd-busy", &BUSY).unwrap();
        let free = Some(25_753_026_560 - 9_663_676_416);
        assert_eq!(card.memory, Memory::Own { total: 25_753_026_560, free });
        assert_eq!(card.busy, Some(0.97));
        assert_eq!(card.heat, Some(Heat { celsius: 96.0, limit: Some(110.0) }), "the nearest to its limit");
        assert_eq!(card.watts, Some(327.0));
    }

    #[test]
    fn a_card_that_sleeps_is_not_asked() {
        let mut told = BUSY;
        told[5].1 = "suspended\n";
        let card = look("amd-asleep", &told).unwrap();
        assert!(card.has_memory());
        assert_eq!((card.busy, card.heat, card.slowed), (Some(0.0), None, None));
    }

    #[test]
    fn graphics_in_a_processor_have_their_models_where_there_is_room() {
        // A Strix Halo: 512 MiB set aside, the rest as the driver lets it.
        let told = [
            ("mem_info_vram_total", "536870912\n"),
            ("mem_info_vram_used", "163840000\n"),
            ("mem_info_gtt_total", "123480309760\n"),
            ("mem_info_gtt_used", "18653184\n"),
        ];
        let card = look("amd-apu", &told).unwrap();
        assert_eq!(card.memory, Memory::Shared { most: 123_480_309_760, used: 18_653_184 });
        // With 96 GiB set aside by the firmware models go there.
        let own = (96 << 30, Some(1 << 30));
        let set_aside = memory(own, Some((16 << 30, 0)), true);
        assert_eq!(set_aside, Memory::Own { total: 96 << 30, free: Some(95 << 30) });
    }

    #[test]
    fn files_that_are_missing_or_absurd_tell_nothing() {
        assert_eq!(look("amd-none", &[("vendor", "0x1002")]), None);
        let told = [
            ("mem_info_vram_total", "25753026560\n"),
            ("mem_info_vram_used", "99999999999999\n"),
            ("gpu_busy_percent", "255\n"),
            ("gpu_metrics", "not a table"),
            ("hwmon/hwmon0/temp1_input", "65535000\n"),
            ("hwmon/hwmon0/temp2_input", "hot\n"),
        ];
        let card = look("amd-absurd", &told).unwrap();
        assert_eq!(card.memory, Memory::Own { total: 25_753_026_560, free: None });
        assert_eq!((card.busy, card.heat, card.slowed), (None, None, None));
    }
}
