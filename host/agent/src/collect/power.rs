//! What the machine runs on: mains or its own battery, and how full that is.
//!
//! On Linux a few small files are read here: a crate that does it would read them on the machine alone and not where a
//! test recorded them, and does not tell mains. On macOS and Windows `starship-battery` asks the system.

use std::time::Duration;

use herdwick_fleet::Column;
use herdwick_wire::machine::PowerFacts;

use super::source::{Found, Next, Source};

/// Whoever pulls the plug may see it in ten seconds; some firmware takes a tenth of a second for an answer.
const PAUSE: Duration = Duration::from_secs(10);
/// Three looks.
const KEEPS: Duration = Duration::from_secs(30);

/// Asks this machine.
#[derive(Debug)]
pub(super) struct Power(system::System);

impl Power {
    /// On Linux files below `tree` are asked.
    #[cfg(not(any(target_os = "macos", target_os = "windows")))]
    pub(super) fn new(tree: super::tree::Tree) -> Self {
        Self(system::System(tree))
    }

    /// The system is asked.
    #[cfg(any(target_os = "macos", target_os = "windows"))]
    pub(super) fn new() -> Self {
        Self(system::System::default())
    }
}

impl Source for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    fn keeps(&self) -> Option<Duration> {
        Some(KEEPS)
    }

    fn look(&mut self) -> (Found, Next) {
        let mut found = Found::default();
        found.facts.power = self.0.supplies().map(|supplies| judge(&supplies));
        let on_battery = found.facts.power.as_ref().map(|power| f64::from(u8::from(power.on_battery)));
        found.add(Column::Battery, on_battery);
        (found, Next::After(PAUSE))
    }
}

/// Something that this machine can run on. What feeds a mouse is none.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Supply {
    /// Mains, by whatever plug; whether it gives power now.
    #[cfg_attr(
        all(any(target_os = "macos", target_os = "windows"), not(test)),
        expect(dead_code, reason = "other systems tell of batteries alone")
    )]
    Mains { is_on: bool },
    /// A battery of the machine's own.
    Battery {
        /// Whether power is taken from it.
        is_used: bool,
        /// How full it is, 0 to 1.
        charge: Option<f64>,
        /// What it holds when it is full, in whatever unit it has.
        room: Option<f64>,
    },
}

/// A machine is on battery when it takes power from one and no mains give any: some take from their battery although
/// they are plugged in, to keep it fit.
fn judge(supplies: &[Supply]) -> PowerFacts {
    let has_mains = supplies.iter().any(|supply| matches!(supply, Supply::Mains { is_on: true }));
    let is_used = supplies.iter().any(|supply| matches!(supply, Supply::Battery { is_used: true, .. }));
    PowerFacts { age_ms: 0, on_battery: is_used && !has_mains, charge: charge(supplies) }
}

/// Of all batteries together: by what each holds, where all say it, else their mean.
fn charge(supplies: &[Supply]) -> Option<f64> {
    let batteries = || {
        supplies.iter().filter_map(|supply| match supply {
            Supply::Battery { charge: Some(charge), room, .. } => Some((*charge, *room)),
            _ => None,
        })
    };
    let weigh = batteries().all(|(_, room)| room.is_some());
    let weight = |room: Option<f64>| if weigh { room.unwrap_or(1.0) } else { 1.0 };
    let whole: f64 = batteries().map(|(_, room)| weight(room)).sum();
    let full: f64 = batteries().map(|(charge, room)| charge * weight(room)).sum();
    (whole > 0.0).then(|| (full / whole).clamp(0.0, 1.0))
}

#[cfg(not(any(target_os = "macos", target_os = "windows")))]
mod system {
    //! Source: the kernel's `ABI/testing/sysfs-class-power`.

    use super::Supply;
    use crate::collect::tree::Tree;

    const FOLDER: &str = "sys/class/power_supply";
    /// Supplies that are looked at.
    const SUPPLIES: usize = 32;

    /// The files of Linux.
    #[derive(Debug)]
    pub(super) struct System(pub(super) Tree);

    impl System {
        /// All that it can run on. `None` where nobody tells, as in a container; an empty list is a machine on mains.
        pub(super) fn supplies(&self) -> Option<Vec<Supply>> {
            let names = self.0.list(FOLDER)?;
            Some(names.iter().take(SUPPLIES).filter_map(|name| self.supply(name)).collect())
        }

        fn supply(&self, name: &str) -> Option<Supply> {
            let word = |file: &str| self.0.word(format!("{FOLDER}/{name}/{file}"));
            let number = |file: &str| {
                self.0.number::<f64>(format!("{FOLDER}/{name}/{file}")).filter(|number| number.is_finite())
            };
            // Of a mouse, a pen, a headset.
            if word("scope").is_some_and(|scope| scope == "Device") {
                return None;
            }
            match word("type")?.as_str() {
                "Mains" | "USB" | "Wireless" => Some(Supply::Mains { is_on: number("online")? > 0.0 }),
                "Battery" => {
                    if number("present").is_some_and(|present| present == 0.0) {
                        return None;
                    }
                    let room =
                        number("energy_full").or_else(|| number("charge_full")).filter(|room| *room > 0.0);
                    let percent = number("capacity").filter(|percent| (0.0..=100.0).contains(percent));
                    Some(Supply::Battery {
                        is_used: word("status")? == "Discharging",
                        charge: percent.map(|percent| percent / 100.0),
                        room,
                    })
                }
                // A desktop behind a UPS runs on mains as far as work is concerned: whoever watches the UPS has it shut
                // down in time.
                _ => None,
            }
        }
    }
}

#[cfg(any(target_os = "macos", target_os = "windows"))]
mod system {
    use starship_battery::units::energy::watt_hour;
    use starship_battery::units::ratio::ratio;
    use starship_battery::{Manager, State};

    use super::Supply;

    /// macOS or Windows.
    #[derive(Debug, Default)]
    pub(super) struct System(Option<Manager>);

    impl System {
        /// Its batteries; `None` where nobody tells. Mains are not told: a battery from which power is taken while there
        /// are some is not told as used either.
        pub(super) fn supplies(&mut self) -> Option<Vec<Supply>> {
            if self.0.is_none() {
                self.0 = Manager::new().ok();
            }
            let batteries = self.0.as_ref()?.batteries().ok()?.flatten();
            let supply = |battery: starship_battery::Battery| Supply::Battery {
                is_used: battery.state() == State::Discharging,
                charge: Some(f64::from(battery.state_of_charge().get::<ratio>()))
                    .filter(|charge| (0.0..=1.0).contains(charge)),
                room: Some(f64::from(battery.energy_full().get::<watt_hour>())).filter(|room| *room > 0.0),
            };
            Some(batteries.map(supply).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn battery(is_used: bool, charge: f64, room: Option<f64>) -> Supply {
        Supply::Battery { is_used, charge: Some(charge), room }
    }

    #[test]
    fn on_battery_is_who_takes_from_one_and_has_no_mains() {
        let (on, off) = (Supply::Mains { is_on: true }, Supply::Mains { is_on: false });
        for (supplies, expected) in [
            (vec![], false),
            (vec![on], false),
            (vec![off], false),
            (vec![off, battery(true, 0.5, None)], true),
            (vec![battery(true, 0.5, None)], true),
            (vec![off, on, battery(true, 0.5, None)], false),
            (vec![off, battery(false, 0.5, None)], false),
            (vec![off, battery(false, 0.8, None), battery(true, 0.5, None)], true),
        ] {
            assert_eq!(judge(&supplies).on_battery, expected, "{supplies:?}");
        }
    }

    #[test]
    fn two_batteries_are_as_full_as_both_together() {
        assert_eq!(charge(&[battery(true, 1.0, Some(24.0)), battery(false, 0.5, Some(72.0))]), Some(0.625));
        assert_eq!(charge(&[battery(true, 1.0, None), battery(false, 0.5, Some(72.0))]), Some(0.75));
        assert_eq!(charge(&[Supply::Mains { is_on: true }]), None);
        let untold = Supply::Battery { is_used: true, charge: None, room: None };
        assert_eq!(charge(&[untold]), None);
    }

    #[cfg(not(any(target_os = "macos", target_os = "windows")))]
    mod linux {
        use super::super::*;
        use crate::collect::machines::{Machine, files, recorded};

        fn told(machine: &Machine) -> Option<(bool, Option<f64>)> {
            let (found, _) = Power::new(machine.tree.clone()).look();
            let flag =
                found.readings.iter().find(|(column, _)| *column == Column::Battery).map(|(_, flag)| *flag);
            let power = found.facts.power?;
            assert_eq!(flag, Some(f64::from(u8::from(power.on_battery))));
            Some((power.on_battery, power.charge))
        }

        #[test]
        fn a_laptop_is_on_battery_until_it_is_plugged_in() {
            let machine = recorded(include_str!("fixtures/laptop.txt"));
            assert_eq!(told(&machine), Some((true, Some(0.85))), "the mouse is no mains");
            machine.write("sys/class/power_supply/AC/online", "1");
            assert_eq!(told(&machine), Some((false, Some(0.85))));
            machine.remove("sys/class/power_supply/AC");
            machine.remove("sys/class/power_supply/BAT0/status");
            assert_eq!(told(&machine), Some((false, None)), "it vanished while it was read");
        }

        #[test]
        fn a_desktop_with_a_mouse_and_a_ups_is_on_mains() {
            let machine = files(&[
                ("sys/class/power_supply/hidpp_battery_8/type", "Battery"),
                ("sys/class/power_supply/hidpp_battery_8/scope", "Device"),
                ("sys/class/power_supply/hidpp_battery_8/status", "Discharging"),
                ("sys/class/power_supply/hid-ups/type", "UPS"),
                ("sys/class/power_supply/hid-ups/status", "Discharging"),
                ("sys/class/power_supply/ucsi-source-psy/type", "USB"),
                ("sys/class/power_supply/ucsi-source-psy/online", "0"),
            ]);
            assert_eq!(told(&machine), Some((false, None)));
        }

        #[test]
        fn a_machine_without_supplies_is_on_mains_and_a_container_does_not_know() {
            assert_eq!(told(&recorded(include_str!("fixtures/server.txt"))), Some((false, None)));
            assert_eq!(told(&recorded(include_str!("fixtures/container.txt"))), None);
        }

        #[test]
        fn what_cannot_be_is_not_told() {
            for capacity in ["101", "-1", "65535", "nan", "", "full"] {
                let machine = files(&[
                    ("sys/class/power_supply/BAT0/type", "Battery"),
                    ("sys/class/power_supply/BAT0/status", "Discharging"),
                    ("sys/class/power_supply/BAT0/capacity", capacity),
                    ("sys/class/power_supply/BAT0/energy_full", "inf"),
                ]);
                assert_eq!(told(&machine), Some((true, None)), "{capacity:?}");
            }
            let gone = files(&[
                ("sys/class/power_supply/BAT1/type", "Battery"),
                ("sys/class/power_supply/BAT1/present", "0"),
                ("sys/class/power_supply/BAT1/status", "Discharging"),
            ]);
            assert_eq!(told(&gone), Some((false, None)), "a bay without its battery");
        }
    }
}
