//! A driver that is played, with the numbers of real cards, and a library that is one: what is asked of a driver, what
//! is concluded, and what happens when it goes wrong.

use std::sync::{Arc, Mutex, PoisonError};
#[cfg(target_os = "linux")]
use std::time::Instant;

use super::*;
#[cfg(target_os = "linux")]
use crate::collect::shelf::Shelf;

/// A card as the driver of a test has it.
#[derive(Clone)]
struct Played {
    place: &'static str,
    lasting: Lasting,
    now: Result<Now, Trouble>,
    asleep: bool,
}

/// What the driver of a test says next.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    cards: Vec<Played>,
    broken: Option<Trouble>,
    asked: u32,
}

impl Script {
    fn change(&self, change: impl FnOnce(&mut Lines)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn card(&self, index: u32) -> Result<Played, Trouble> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.cards.get(index as usize).cloned().ok_or_else(|| Trouble::Other("no such card".to_owned()))
    }
}

impl Driver for Script {
    fn count(&mut self) -> Result<u32, Trouble> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.broken.clone().map_or(Ok(lines.cards.len() as u32), Err)
    }

    fn place(&mut self, index: u32) -> Result<String, Trouble> {
        self.change(|lines| lines.asked += 1);
        Ok(self.card(index)?.place.to_owned())
    }

    fn lasting(&mut self, index: u32) -> Result<Lasting, Trouble> {
        Ok(self.card(index)?.lasting)
    }

    fn now(&mut self, index: u32) -> Result<Now, Trouble> {
        self.card(index)?.now
    }

    fn is_asleep(&self, place: &str) -> bool {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.cards.iter().any(|card| card.place == place && card.asleep)
    }
}

const GIB: u64 = 1 << 30;

/// A GeForce RTX 4090 that answers: 83 °C, at its power limit.
fn played(place: &'static str) -> Played {
    let lasting = Lasting {
        name: Some("NVIDIA GeForce RTX 4090".to_owned()),
        computes: Some(8),
        limit: Some(98),
        memory: Some((10_501, 384)),
    };
    let now = Now {
        memory: Some((25_757_220_864, 5_368_709_120)),
        percent: Some(99),
        celsius: Some(83),
        milliwatts: Some(448_900),
        reasons: Some(0x04),
        drawing: vec![1_200],
        computing: vec![4_711],
        programs: Some(vec![(1_200, 1), (4_711, 98)]),
    };
    Played { place, lasting, now: Ok(now), asleep: false }
}

/// What asks a driver that plays these cards.
fn nvidia(cards: Vec<Played>) -> (Nvidia<Script>, Script) {
    let script = Script::default();
    script.change(|lines| lines.cards = cards);
    let mut nvidia = Nvidia::new(|| Err(Trouble::Other("the test gives the driver".to_owned())));
    nvidia.driver = Some(script.clone());
    (nvidia, script)
}

fn value(found: &Found, wanted: Column) -> Option<f64> {
    found.readings.iter().find(|(column, _)| *column == wanted).map(|(_, value)| *value)
}

fn cards(found: &Found) -> Vec<herdwick_wire::machine::CardFacts> {
    found.facts.cards.clone().map(|told| told.cards).unwrap_or_default()
}

#[test]
fn a_card_at_work_is_told_whole() {
    let (mut nvidia, _) = nvidia(vec![played("0000:01:00.0")]);
    let (found, next) = nvidia.look();
    assert!(found.has_card && next == Next::After(PAUSE));
    let card = &cards(&found)[0];
    assert_eq!(card.name, "NVIDIA GeForce RTX 4090");
    assert_eq!((card.memory_total, card.memory_free), (Some(25_757_220_864), Some(5 * GIB)));
    assert_eq!((card.busy, card.celsius, card.watts), (Some(0.99), Some(83.0), Some(448.9)));
    assert_eq!(card.bytes_per_s, Some(1_008_096_000_000.0), "as its maker says: 1,008 GB/s");
    assert_eq!(card.slowed_by, ["power limit"]);
    assert_eq!(value(&found, Column::Throttled), Some(0.0));
    assert_eq!(value(&found, Column::Thermal), Some(0.0));
}

#[test]
fn each_reason_is_told_and_only_those_of_trouble_throttle() {
    let told = |reasons: u64| {
        let mut card = played("0000:01:00.0");
        card.now = card.now.map(|now| Now { reasons: Some(reasons), ..now });
        let found = nvidia(vec![card]).0.look().0;
        let level = value(&found, Column::Thermal).unwrap();
        (cards(&found)[0].slowed_by.join(", "), value(&found, Column::Throttled) == Some(1.0), level)
    };
    assert_eq!(told(0), (String::new(), false, 0.0));
    assert_eq!(told(0x01), (String::new(), false, 0.0));
    assert_eq!(told(0x20), ("heat".to_owned(), true, 2.0));
    assert_eq!(told(0x48), ("too much heat".to_owned(), true, 3.0));
    assert_eq!(told(0x88), ("too little power".to_owned(), true, 0.0));
    assert_eq!(told(0x08), ("its own protection".to_owned(), true, 0.0));
    assert_eq!(told(0x09), (String::new(), false, 0.0), "an idle card says so whenever its clock changes");
}

#[test]
fn absurd_numbers_are_not_told() {
    let mut card = played("0000:01:00.0");
    card.lasting = Lasting { name: None, computes: None, limit: Some(0), memory: Some((0, 0)) };
    card.now = Ok(Now {
        memory: Some((u64::MAX, 1)),
        percent: Some(4_000),
        celsius: Some(u32::MAX),
        reasons: None,
        programs: Some(vec![(1_200, 900)]),
        drawing: vec![1_200],
        ..Now::default()
    });
    let (mut nvidia, _) = nvidia(vec![card]);
    let found = (0..LOOKS + 1).map(|_| nvidia.look().0).next_back().unwrap();
    let card = &cards(&found)[0];
    assert_eq!((card.memory_total, card.memory_free, card.busy, card.celsius), (None, None, None, None));
    assert_eq!(card.bytes_per_s, None);
    assert_eq!(found.readings, []);
}

#[test]
fn models_are_not_put_on_cards_for_which_no_server_has_programs() {
    let mut card = played("0000:01:00.0");
    card.lasting.computes = Some(3);
    let found = nvidia(vec![card]).0.look().0;
    assert!(!found.has_card, "models live in the machine's memory");
    assert_eq!(cards(&found)[0].memory_total, None);
    let mut unified = played("000f:01:00.0");
    unified.now = unified.now.map(|now| Now { memory: None, ..now });
    assert!(!nvidia(vec![unified]).0.look().0.has_card, "such a chip shares the machine's memory");
}

#[test]
fn a_card_that_disappears_takes_nothing_with_it_and_may_come_back() {
    let (mut nvidia, script) = nvidia(vec![played("0000:01:00.0"), played("0000:02:00.0")]);
    assert_eq!(cards(&nvidia.look().0).len(), 2);
    script.change(|lines| lines.cards[0].now = Err(Trouble::Lost("fell off the bus".to_owned())));
    let (found, next) = nvidia.look();
    assert_eq!((cards(&found).len(), next), (1, Next::After(PAUSE)));
    assert!(nvidia.seen["0000:01:00.0"].is_lost);
    // Some drivers do not count it any more.
    script.change(|lines| drop(lines.cards.remove(0)));
    assert_eq!(cards(&nvidia.look().0).len(), 1);
    script.change(|lines| lines.cards.clear());
    let (found, _) = nvidia.look();
    assert!(found.has_card && cards(&found).is_empty(), "nobody may believe that models moved");
    script.change(|lines| lines.cards.push(played("0000:01:00.0")));
    assert_eq!(cards(&nvidia.look().0).len(), 1);
    assert!(!nvidia.seen["0000:01:00.0"].is_lost);
}

#[test]
fn a_driver_that_fails_is_loaded_anew_and_told_of_once() {
    let (mut nvidia, script) = nvidia(vec![played("0000:01:00.0")]);
    nvidia.look();
    script.change(|lines| lines.broken = Some(Trouble::Mismatch));
    let (found, next) = nvidia.look();
    assert!(found.has_card && cards(&found).is_empty() && next == Next::After(AGAIN));
    assert_eq!((nvidia.told.clone(), nvidia.driver.is_none()), (Some(Trouble::Mismatch), true));
    // Loading fails as well; then it works.
    nvidia.look();
    assert_eq!(nvidia.told, Some(Trouble::Other("the test gives the driver".to_owned())));
    script.change(|lines| lines.broken = None);
    nvidia.driver = Some(script);
    assert_eq!(cards(&nvidia.look().0).len(), 1);
    assert_eq!(nvidia.told, None);
}

#[test]
fn no_library_means_no_card_unless_the_driver_runs() {
    let look = |here: fn() -> Result<Script, Trouble>| Nvidia::new(here).look();
    let absent = |here| Trouble::Absent { why: "no such file".to_owned(), here };
    assert_eq!(
        look(|| Err(Trouble::Absent { why: String::new(), here: Here::Nothing })),
        (Found::default(), Next::After(SELDOM))
    );
    assert!(!absent(Here::Card).may_have_models() && absent(Here::Driver).may_have_models());
    assert!(look(|| Err(Trouble::TooOld("nvmlDeviceGetMemoryInfo_v2".to_owned()))).0.has_card);
}

#[test]
fn every_trouble_says_what_to_do() {
    let why = || "why".to_owned();
    for (trouble, next) in [
        (Trouble::Absent { why: why(), here: Here::Card }, "install NVIDIA's driver"),
        (Trouble::Absent { why: why(), here: Here::Driver }, "let a container see it"),
        (Trouble::NotLoaded(why()), "load or reinstall"),
        (Trouble::Mismatch, "restart the machine"),
        (Trouble::TooOld(why()), "install version 510"),
        (Trouble::Lost(why()), "restart the machine"),
        (Trouble::Other(why()), "nvidia-smi"),
    ] {
        let words = trouble.words();
        assert!(words.contains(next), "{words}");
        assert!(words.contains("why") || trouble == Trouble::Mismatch, "{words}");
    }
}

#[test]
fn a_card_that_sleeps_is_not_woken() {
    let (mut nvidia, script) = nvidia(vec![played("0000:01:00.0")]);
    nvidia.look();
    script.change(|lines| (lines.cards[0].asleep, lines.asked) = (true, 0));
    let found = nvidia.look().0;
    script.change(|lines| assert_eq!(lines.asked, 0, "its driver was asked"));
    let card = &cards(&found)[0];
    assert_eq!((card.memory_total, card.busy, card.celsius), (Some(25_757_220_864), Some(0.0), None));
    assert!(card.slowed_by.is_empty());
    script.change(|lines| lines.cards[0].asleep = false);
    assert_eq!(cards(&nvidia.look().0)[0].celsius, Some(83.0));
}

#[test]
fn a_program_that_draws_for_long_leaves_us_the_rest() {
    let play = |programs: Option<Vec<(u32, u32)>>| {
        let mut card = played("0000:01:00.0");
        card.now = card.now.map(|now| Now { programs, ..now });
        card
    };
    let game = Some(vec![(1_200, 75), (4_711, 20)]);
    let (mut nvidia, script) = nvidia(vec![play(game.clone())]);
    let mut left = || value(&nvidia.look().0, Column::Availability);
    let told: Vec<_> = (0..LOOKS).map(|_| left()).collect();
    assert_eq!(told, [None, None, None, None, Some(0.25)], "a moment is no game");
    // What a model server takes is no game, and neither is a desktop.
    for (programs, expected) in
        [(Some(vec![(4_711, 100), (1_200, 30)]), None), (None, None), (Some(Vec::new()), None), (game, None)]
    {
        script.change(|lines| lines.cards = vec![play(programs)]);
        assert_eq!(left(), expected);
    }
}

#[test]
fn people_hear_of_cards_or_of_what_is_wrong() {
    let (mut nvidia, script) = nvidia(vec![played("0000:01:00.0")]);
    assert_eq!(once_of(&mut nvidia), Some(Ok(vec!["NVIDIA GeForce RTX 4090".to_owned()])));
    script.change(|lines| lines.broken = Some(Trouble::Mismatch));
    let (cause, next) = once_of(&mut nvidia).unwrap().unwrap_err();
    assert!(cause.contains("different versions") && next == "restart the machine", "{cause}");
    script.change(|lines| (lines.broken, lines.cards) = (None, Vec::new()));
    assert_eq!(once_of(&mut self::nvidia(Vec::new()).0), None);
    let absent = || Err(Trouble::Absent { why: String::new(), here: Here::Nothing });
    assert_eq!(once_of(&mut Nvidia::<Script>::new(absent)), None);
}

/// A library built of `fake.c`, as the card's maker would lay it down; `None` where nobody can build it.
#[cfg(target_os = "linux")]
fn library(test: &str, defines: &[&str]) -> std::path::PathBuf {
    let folder = crate::tests::folder(test);
    let source = folder.join("fake.c");
    std::fs::write(&source, include_str!("fake.c")).unwrap();
    let library = folder.join("libnvidia-ml.so.1");
    let mut cc = std::process::Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).args(defines);
    // Whoever links Rust programs has one.
    let built = cc.output().expect("a C compiler");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_is_loaded_and_asked() {
    let mut driver = Nvml::load_from(&library("nvml-good", &[])).ok().unwrap();
    assert_eq!(driver.count(), Ok(2));
    let mut nvidia = Nvidia::new(|| Err(Trouble::Mismatch));
    nvidia.driver = Some(driver);
    let found = nvidia.look().0;
    let told = cards(&found);
    assert_eq!(told.len(), 1, "the other fell off the bus");
    assert_eq!((told[0].name.as_str(), told[0].memory_total), ("NVIDIA Fake", Some(24 * GIB)));
    assert_eq!((told[0].memory_free, told[0].busy), (Some(6 * GIB), Some(0.42)));
    assert_eq!((told[0].celsius, told[0].slowed_by.join(" ")), (Some(97.0), "heat".to_owned()));
    assert_eq!(nvidia.places, ["0000:01:00.0"]);
    assert!(matches!(&nvidia.told, Some(Trouble::Lost(_))), "{:?}", nvidia.told);
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_of_another_version_is_told_from_a_broken_one() {
    let trouble = |test: &str, defines: &[&str]| match Nvml::load_from(&library(test, defines)) {
        Ok(mut driver) => driver.now(0).err(),
        Err(trouble) => Some(trouble),
    };
    assert_eq!(trouble("nvml-mismatch", &["-DINIT=18"]), Some(Trouble::Mismatch));
    assert!(matches!(trouble("nvml-down", &["-DINIT=9"]), Some(Trouble::NotLoaded(_))));
    assert!(matches!(trouble("nvml-old", &["-DOLD"]), Some(Trouble::TooOld(_))));
    assert_eq!(trouble("nvml-good-again", &[]), None);
    let folder = crate::tests::folder("nvml-none");
    assert!(matches!(Nvml::load_from(&folder.join("libnvidia-ml.so.1")), Err(Trouble::Absent { .. })));
    std::fs::write(folder.join("libnvidia-ml.so.1"), "no library").unwrap();
    assert!(matches!(Nvml::load_from(&folder.join("libnvidia-ml.so.1")), Err(Trouble::Absent { .. })));
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_that_never_answers_stops_nobody() {
    let driver = Nvml::load_from(&library("nvml-hang", &["-DHANG"])).ok();
    assert!(driver.is_some());
    let nvidia = Nvidia { driver, ..Nvidia::new(|| Err(Trouble::Mismatch)) };
    let shelf = Shelf::fill(vec![Box::new(nvidia)]);
    let together = shelf.take(Instant::now());
    assert!(together.readings.is_empty() && together.facts.cards.is_none());
    assert!(together.has_card, "until it has answered nobody may believe that there is no card");
    // Its thread hangs on; whoever ends does not wait for it.
    drop(shelf);
}
