//! What recorded machines say of their heat, and what sensors that lie do not.

use super::*;
use crate::collect::machines::{Machine, files, recorded};

fn level(found: &Found) -> Option<f64> {
    found.readings.iter().find(|(column, _)| *column == Column::Thermal).map(|(_, level)| *level)
}

fn throttled(found: &Found) -> Option<f64> {
    found.readings.iter().find(|(column, _)| *column == Column::Throttled).map(|(_, flag)| *flag)
}

fn names(found: &Found) -> Vec<&str> {
    found.facts.heat.iter().flat_map(|heat| &heat.sensors).map(|sensor| sensor.name.as_str()).collect()
}

/// Two looks, between which every temperature moves by a degree.
fn looked(machine: &Machine) -> (Heat, Found) {
    let mut heat = Heat::new(machine.tree.clone());
    let now = Instant::now();
    heat.find(now);
    for zone in machine.tree.list("sys/class/thermal").unwrap_or_default() {
        let file = format!("sys/class/thermal/{zone}/temp");
        if let Some(was) = machine.tree.number::<i64>(&file) {
            machine.write(&file, &(was + 1_000).to_string());
        }
    }
    let found = heat.find(now + PAUSE);
    (heat, found)
}

#[test]
fn a_laptop_is_judged_by_its_processor_and_not_by_its_radio() {
    let machine = recorded(include_str!("../fixtures/laptop.txt"));
    let (mut heat, found) = looked(&machine);
    assert_eq!((level(&found), throttled(&found)), (Some(0.0), Some(0.0)));
    let told = names(&found);
    assert!(told.starts_with(&["coretemp Package id 0"]) || told.contains(&"B0D4"), "{told:?}");
    assert!(!told.contains(&"INT3400 Thermal"), "its −273 degrees are no temperature");
    machine.write("sys/class/thermal/thermal_zone4/temp", "90000");
    assert_eq!(level(&heat.find(Instant::now())), Some(2.0), "B0D4 passes its passive mark of 89");
    machine.write("sys/class/thermal/thermal_zone4/temp", "95000");
    assert_eq!(level(&heat.find(Instant::now())), Some(3.0), "2 degrees are left to its hot mark");
    machine.write("sys/class/thermal/thermal_zone4/temp", "50000");
    machine.write("sys/class/thermal/thermal_zone6/temp", "118000");
    assert_eq!(level(&heat.find(Instant::now())), Some(0.0), "that is the radio");
}

#[test]
fn a_look_at_a_large_machine_asks_for_few_files() {
    let machine = recorded(include_str!("../fixtures/laptop.txt"));
    for cpu in 0..256 {
        for what in ["core_throttle_count", "package_throttle_count", "core_throttle_total_time_ms"] {
            machine.write(&format!("sys/devices/system/cpu/cpu{cpu}/thermal_throttle/{what}"), "1");
        }
    }
    let mut heat = Heat::new(machine.tree.clone());
    heat.find(Instant::now());
    machine.tree.asked.store(0, std::sync::atomic::Ordering::Relaxed);
    heat.find(Instant::now());
    let asked = machine.tree.asked.load(std::sync::atomic::Ordering::Relaxed);
    // At 10 µs each, every five seconds, 0.05 % of a processor.
    assert!(asked <= 250, "{asked} files");
}

#[test]
fn a_server_tells_by_its_chips() {
    let machine = recorded(include_str!("../fixtures/server.txt"));
    let (mut heat, found) = looked(&machine);
    assert_eq!(names(&found), ["coretemp Package id 0", "coretemp Package id 1"]);
    assert_eq!((level(&found), throttled(&found)), (Some(0.0), Some(0.0)));
    machine.write("sys/class/hwmon/hwmon1/temp1_input", "92000");
    assert_eq!(level(&heat.find(Instant::now())), Some(1.0), "it slows down at 100");
    machine.write("sys/class/hwmon/hwmon1/temp1_input", "100000");
    assert_eq!(level(&heat.find(Instant::now())), Some(2.0));
}

#[test]
fn a_board_without_marks_is_judged_by_what_its_firmware_does() {
    let machine = recorded(include_str!("../fixtures/raspberry-pi.txt"));
    let (mut heat, found) = looked(&machine);
    assert_eq!((level(&found), throttled(&found)), (Some(0.0), Some(0.0)));
    assert_eq!(names(&found), ["cpu-thermal"], "once, although it is a chip as well");
    machine.write("sys/class/thermal/thermal_zone0/temp", "80800");
    machine.write("sys/devices/platform/soc/soc:firmware/get_throttled", "60006");
    let found = heat.find(Instant::now());
    assert_eq!((level(&found), throttled(&found)), (Some(2.0), Some(1.0)));
    machine.write("sys/devices/platform/soc/soc:firmware/get_throttled", "60000");
    assert_eq!(throttled(&heat.find(Instant::now())), Some(0.0), "that it once did is long ago");
}

#[test]
fn where_nobody_tells_nothing_is_told() {
    for machine in ["vm", "container"] {
        let text = match machine {
            "vm" => include_str!("../fixtures/vm.txt"),
            _ => include_str!("../fixtures/container.txt"),
        };
        let (_, found) = looked(&recorded(text));
        assert_eq!(found, Found::default(), "{machine}");
    }
}

#[test]
fn sensors_that_lie_say_nothing() {
    for told in
        ["-273200", "-44000", "127000", "128000", "255000", "65535000", "65535", "nan", "inf", "", "hot"]
    {
        let machine = files(&[
            ("sys/class/thermal/thermal_zone0/type", "acpitz"),
            ("sys/class/thermal/thermal_zone0/temp", told),
            ("sys/class/thermal/thermal_zone0/trip_point_0_type", "critical"),
            ("sys/class/thermal/thermal_zone0/trip_point_0_temp", "128000"),
        ]);
        let mut heat = Heat::new(machine.tree.clone());
        // 65,535 is a temperature of 65.5 degrees, and may be believed.
        let expected = if told == "65535" { Some(0.0) } else { None };
        assert_eq!(level(&heat.find(Instant::now())), expected, "{told:?}");
    }
}

#[test]
fn marks_that_lie_are_none() {
    for told in ["0", "-274000", "65261850", "nan", ""] {
        let machine = files(&[
            ("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp"),
            ("sys/class/thermal/thermal_zone0/temp", "50000"),
            ("sys/class/thermal/thermal_zone0/trip_point_0_type", "passive"),
            ("sys/class/thermal/thermal_zone0/trip_point_0_temp", told),
        ]);
        let (_, found) = looked(&machine);
        assert_eq!(level(&found), None, "{told:?}");
        assert_eq!(names(&found), ["x86_pkg_temp"]);
    }
}

#[test]
fn a_sensor_that_goes_is_gone() {
    let machine = recorded(include_str!("../fixtures/laptop.txt"));
    let (mut heat, found) = looked(&machine);
    let before = names(&found).len();
    // The folder is still listed and its files are not there any more.
    machine.remove("sys/class/thermal/thermal_zone4/temp");
    machine.remove("sys/class/thermal/thermal_zone5/type");
    assert_eq!(names(&heat.find(Instant::now())).len(), before - 2);
    machine.remove("sys/class/thermal");
    machine.remove("sys/class/hwmon");
    machine.remove("sys/devices");
    assert_eq!(heat.find(Instant::now()), Found::default());
}

#[test]
fn who_counts_that_he_slows_down_is_slow_for_a_minute() {
    let file = "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count";
    let machine = files(&[(file, "30")]);
    let mut heat = Heat::new(machine.tree.clone());
    let start = Instant::now();
    let mut at = |seconds| throttled(&heat.find(start + Duration::from_secs(seconds)));
    assert_eq!(at(0), Some(0.0), "what was counted before we came is long ago");
    machine.write(file, "31");
    assert_eq!((at(5), at(64), at(66)), (Some(1.0), Some(1.0), Some(0.0)));
    machine.write(file, "0");
    assert_eq!(at(70), Some(0.0), "it began anew");
}

#[test]
fn a_thousandth_of_a_second_is_no_slowing_down() {
    let folder = "sys/devices/system/cpu/cpu0/thermal_throttle";
    let time = format!("{folder}/core_throttle_total_time_ms");
    let machine = files(&[(&format!("{folder}/core_throttle_count"), "1"), (&time, "10")]);
    let mut heat = Heat::new(machine.tree.clone());
    let start = Instant::now();
    let mut at = |seconds| throttled(&heat.find(start + Duration::from_secs(seconds)));
    at(0);
    machine.write(&format!("{folder}/core_throttle_count"), "2");
    machine.write(&time, "59");
    assert_eq!(at(5), Some(0.0), "49 of 5,000 ms");
    machine.write(&time, "109");
    assert_eq!(at(10), Some(1.0), "50 of 5,000 ms");
}
