//! Graphics cards: what each is and does, and what all of them together mean for plugins and for people. Arithmetic on
//! what drivers told; it must not know which driver told it. Where models live follows from it in `room`.

#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "the drivers of each system tell another part of it")
)]

#[cfg(any(target_os = "linux", test))]
mod amd;
#[cfg(any(target_os = "macos", test))]
mod apple;
#[cfg(any(target_os = "linux", test))]
mod drm;
#[cfg(any(target_os = "windows", test))]
mod dxgi;
#[cfg(any(target_os = "linux", test))]
mod intel;
#[cfg(any(target_os = "linux", test))]
mod metrics;
#[cfg(any(target_os = "linux", test))]
mod names;
#[cfg(any(target_os = "linux", target_os = "windows"))]
mod nvidia;

use std::ops::RangeInclusive;

use herdwick_fleet::Column;
use herdwick_wire::machine::{CardFacts, CardsFacts};

use super::source::{Found, Source};
use super::tree::Tree;

/// Bytes that a memory can have: less is no card's, more is a driver's mistake.
const BYTES: RangeInclusive<u64> = (1 << 20)..=(1 << 50);
/// Degrees Celsius that a chip which answers can have.
const CELSIUS: RangeInclusive<f64> = -20.0..=125.0;
/// Degrees below the point at which a card slows itself down, and the level from there on.
const WARM: f64 = 10.0;
const HOT: f64 = 3.0;
/// Levels of heat, as `node.thermal-level` has them.
const FAIR: f64 = 1.0;
const SERIOUS: f64 = 2.0;
const CRITICAL: f64 = 3.0;

/// A card at one moment. What its driver does not tell, or what cannot be true, is unknown.
#[derive(Clone, Debug, Default, PartialEq)]
struct Card {
    /// Where it sits, like `0000:01:00.0`: what tells two alike apart.
    place: String,
    /// As its maker calls it.
    name: String,
    memory: Memory,
    /// Bytes per second at which it can read its memory.
    bandwidth: Option<f64>,
    /// Share of the last moments in which it computed, 0 to 1.
    busy: Option<f64>,
    heat: Option<Heat>,
    watts: Option<f64>,
    /// Why it is slower than it could be; `None` when it does not say.
    slowed: Option<Slowed>,
}

/// Where models of a card live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Memory {
    /// Nobody tells, or no model is put there.
    #[default]
    Unknown,
    /// On the card, in bytes.
    Own { total: u64, free: Option<u64> },
    /// In the machine's memory, of which the card may take this much; in bytes.
    Shared { most: u64, used: u64 },
}

/// How hot a card is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Heat {
    celsius: f64,
    /// Where it slows itself down.
    limit: Option<f64>,
}

/// Why a card is slower than it could be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slowed {
    /// Its driver takes speed away before it gets too hot.
    heat: bool,
    /// The chip protects itself from heat.
    overheated: bool,
    /// It is given too little power: a brake pulled by the power supply.
    brake: bool,
    /// The chip protects itself, and does not say from what.
    hardware: bool,
    /// It draws as much as it may. Almost every card does so whenever it works, so it is no fault.
    cap: bool,
}

/// Who is asked about cards on this system.
#[cfg(target_os = "linux")]
pub(super) fn sources(tree: &Tree) -> Vec<Box<dyn Source>> {
    vec![nvidia::source(), Box::new(drm::Drm::new(tree.clone()))]
}

/// Who is asked about cards on this system.
#[cfg(target_os = "windows")]
pub(super) fn sources(_: &Tree) -> Vec<Box<dyn Source>> {
    vec![nvidia::source(), Box::new(dxgi::Dxgi)]
}

/// Who is asked about cards on this system.
#[cfg(target_os = "macos")]
pub(super) fn sources(_: &Tree) -> Vec<Box<dyn Source>> {
    vec![Box::new(apple::Apple)]
}

/// Elsewhere nobody knows of cards.
#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "windows")))]
pub(super) fn sources(_: &Tree) -> Vec<Box<dyn Source>> {
    Vec::new()
}

/// What the driver of NVIDIA says when it is asked once: what its cards are called, or why they cannot be read and what
/// to do. Takes as long as the driver. `None` where nothing shows a card.
#[cfg(any(target_os = "linux", target_os = "windows"))]
pub(crate) fn nvidia() -> Option<Result<Vec<String>, (String, &'static str)>> {
    nvidia::once()
}

/// There is no such driver.
#[cfg(not(any(target_os = "linux", target_os = "windows")))]
pub(crate) fn nvidia() -> Option<Result<Vec<String>, (String, &'static str)>> {
    None
}

/// What follows from all cards of one driver. `lost` says that one which had memory of its own does not answer any more:
/// then nobody knows where models live, and certainly not that they moved to the machine's memory.
fn found(cards: &[Card], lost: bool) -> Found {
    let mut found = Found { has_card: lost || cards.iter().any(Card::has_memory), ..Found::default() };
    found.add(Column::Thermal, most(cards.iter().filter_map(Card::level)));
    let throttled = cards.iter().filter_map(|card| card.slowed).map(Slowed::is_throttled);
    found.add(Column::Throttled, most(throttled.map(|is_throttled| f64::from(u8::from(is_throttled)))));
    if !cards.is_empty() {
        let cards = cards.iter().map(Card::facts).collect();
        found.facts.cards = Some(CardsFacts { age_ms: 0, cards });
    }
    found
}

fn most(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(f64::max)
}

impl Card {
    /// The same while it sleeps: its memory is there, and nothing happens on it.
    fn asleep(&self) -> Self {
        Self { busy: Some(0.0), heat: None, watts: None, slowed: None, ..self.clone() }
    }

    fn facts(&self) -> CardFacts {
        let (shares_memory, memory_total, memory_free) = match self.memory {
            Memory::Own { total, free } => (false, Some(total), free),
            Memory::Shared { most, used } => (true, Some(most), Some(most - used)),
            Memory::Unknown => (true, None, None),
        };
        CardFacts {
            name: self.name.clone(),
            shares_memory,
            memory_total,
            memory_free,
            bytes_per_s: self.bandwidth,
            busy: self.busy,
            celsius: self.heat.map(|heat| heat.celsius),
            watts: self.watts,
            slowed_by: self.slowed.map(Slowed::words).unwrap_or_default(),
        }
    }

    /// Whether it had memory of its own, so that its loss is one.
    fn has_memory(&self) -> bool {
        matches!(self.memory, Memory::Own { .. })
    }

    /// `node.thermal-level` of this card: by its distance from where it slows down, and by what it says itself.
    fn level(&self) -> Option<f64> {
        let measured = self.heat.and_then(|heat| Some(heat.limit? - heat.celsius)).map(|margin| {
            if margin <= 0.0 {
                CRITICAL
            } else if margin <= HOT {
                SERIOUS
            } else if margin <= WARM {
                FAIR
            } else {
                0.0
            }
        });
        let said = self.slowed.map(|slowed| {
            if slowed.overheated {
                CRITICAL
            } else if slowed.heat {
                SERIOUS
            } else {
                0.0
            }
        });
        most(measured.into_iter().chain(said))
    }
}

impl Slowed {
    /// Whether the hardware gives less than it was bought for.
    fn is_throttled(self) -> bool {
        self.heat || self.overheated || self.brake || self.hardware
    }

    /// For people, in few words; empty when nothing slows it.
    fn words(self) -> Vec<String> {
        let named = [
            (self.overheated, "too much heat"),
            (self.heat && !self.overheated, "heat"),
            (self.brake, "too little power"),
            (self.hardware && !self.overheated && !self.brake, "its own protection"),
            (self.cap, "power limit"),
        ];
        named.into_iter().filter(|(is_so, _)| *is_so).map(|(_, words)| words.to_owned()).collect()
    }
}

impl Memory {
    /// Memory on the card, if that can be. A free part that is larger than the whole is not believed.
    fn own(total: Option<u64>, free: Option<u64>) -> Self {
        match total.filter(|total| BYTES.contains(total)) {
            Some(total) => Self::Own { total, free: free.filter(|free| *free <= total) },
            None => Self::Unknown,
        }
    }

    /// A share of the machine's memory, if that can be.
    fn shared(most: Option<u64>, used: Option<u64>) -> Self {
        match most.filter(|most| BYTES.contains(most)).zip(used) {
            Some((most, used)) if used <= most => Self::Shared { most, used },
            _ => Self::Unknown,
        }
    }
}

impl Heat {
    /// A temperature, if a chip can have it. Some drivers say 0 for "no limit".
    fn new(celsius: f64, limit: Option<f64>) -> Option<Self> {
        let limit = limit.filter(|limit| (40.0..=150.0).contains(limit));
        CELSIUS.contains(&celsius).then_some(Self { celsius, limit })
    }
}

/// A share of something from its hundredths.
fn share(percent: u64) -> Option<f64> {
    (percent <= 100).then_some(percent as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn value(found: &Found, wanted: Column) -> Option<f64> {
        found.readings.iter().find(|(column, _)| *column == wanted).map(|(_, value)| *value)
    }

    #[test]
    fn a_card_with_memory_says_that_models_go_there_even_when_it_is_gone() {
        let own = Card { memory: Memory::own(Some(24 * GIB), None), ..Card::default() };
        let shared = Card { memory: Memory::shared(Some(24 * GIB), Some(GIB)), ..Card::default() };
        assert!(found(&[own], false).has_card);
        assert!(found(&[], true).has_card);
        assert!(!found(&[shared.clone(), Card::default()], false).has_card);
        assert_eq!(found(&[], false), Found::default());
        let facts = found(&[shared], false).facts.cards.unwrap();
        let card = &facts.cards[0];
        assert_eq!(
            (card.shares_memory, card.memory_total, card.memory_free),
            (true, Some(24 * GIB), Some(23 * GIB))
        );
    }

    #[test]
    fn what_cannot_be_true_is_unknown() {
        for total in [0, 1, u64::MAX, (1 << 50) + 1] {
            assert_eq!(Memory::own(Some(total), Some(0)), Memory::Unknown, "{total}");
        }
        assert_eq!(Memory::own(Some(GIB), Some(GIB + 1)), Memory::Own { total: GIB, free: None });
        assert_eq!(Memory::shared(Some(GIB), Some(GIB + 1)), Memory::Unknown);
        for celsius in [-300.0, 126.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Heat::new(celsius, None), None);
        }
        assert_eq!(Heat::new(50.0, Some(0.0)), Some(Heat { celsius: 50.0, limit: None }));
        assert_eq!((share(100), share(101)), (Some(1.0), None));
    }

    #[test]
    fn heat_counts_by_its_distance_from_the_limit_and_by_what_the_card_says() {
        let level = |celsius: f64, limit: Option<f64>, slowed: Option<Slowed>| {
            let card = Card { heat: Heat::new(celsius, limit), slowed, ..Card::default() };
            value(&found(&[card], false), Column::Thermal)
        };
        let limit = Some(93.0);
        let told = [30.0, 84.0, 90.5, 93.0].map(|celsius| level(celsius, limit, None));
        assert_eq!(told, [Some(0.0), Some(1.0), Some(2.0), Some(3.0)]);
        assert_eq!(level(80.0, None, None), None, "without a limit a temperature says nothing");
        let heat = Slowed { heat: true, ..Slowed::default() };
        assert_eq!(level(80.0, limit, Some(heat)), Some(2.0));
        assert_eq!(level(80.0, None, Some(Slowed { overheated: true, ..heat })), Some(3.0));
        assert_eq!(level(80.0, None, Some(Slowed::default())), Some(0.0));
    }

    #[test]
    fn the_hottest_card_speaks_for_the_machine() {
        let hot = Card { heat: Heat::new(95.0, Some(93.0)), ..Card::default() };
        let slow = Slowed { brake: true, cap: true, ..Slowed::default() };
        let braked = Card { slowed: Some(slow), ..Card::default() };
        let found = found(&[Card::default(), hot, braked], false);
        assert_eq!(value(&found, Column::Thermal), Some(3.0));
        assert_eq!(value(&found, Column::Throttled), Some(1.0));
    }

    #[test]
    fn a_card_at_its_power_limit_works_as_it_should() {
        let capped = Slowed { cap: true, ..Slowed::default() };
        assert!(!capped.is_throttled());
        assert_eq!(capped.words(), ["power limit"]);
        let hot = Slowed { heat: true, overheated: true, hardware: true, ..Slowed::default() };
        assert!(hot.is_throttled());
        assert_eq!(hot.words(), ["too much heat"], "one cause is told once");
    }
}
