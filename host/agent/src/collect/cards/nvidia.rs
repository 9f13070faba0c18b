//! Cards of NVIDIA, by what its driver's library tells. Which library that is and how it is loaded this must not know
//! (`nvml`): here a driver is somebody who is asked, may be missing, of another version, wrong, or lose a card.

mod nvml;
mod trouble;

use std::collections::BTreeMap;
use std::time::Duration;

use herdwick_fleet::Column;

use super::{Card, Heat, Memory, Slowed, found, share};
use crate::collect::source::{Found, Next, Source};
use nvml::Nvml;
use trouble::{Here, Trouble};

/// Between two looks. A look at a card costs its driver about a millisecond.
const PAUSE: Duration = Duration::from_secs(2);
/// Three looks and some; a driver that takes longer hangs.
const KEEPS: Duration = Duration::from_secs(8);
/// Until a driver that is there and does not work is tried again: a machine that starts may load it a little later.
const AGAIN: Duration = Duration::from_secs(60);
/// Until a library that is not there is looked for again: somebody may install it.
const SELDOM: Duration = Duration::from_secs(600);
/// Cards that are asked; a server takes up to 16.
const CARDS: u32 = 16;
/// The least compute capability for which model servers still have programs. Models are not put on older cards.
const COMPUTES: i32 = 5;
/// From this share of a card on, a program that draws takes it from models.
const DRAWS: u64 = 50;
/// Looks in a row after which that is no passing moment.
const LOOKS: u32 = 5;

/// Who is asked about cards.
trait Driver {
    /// How many there are.
    fn count(&mut self) -> Result<u32, Trouble>;
    /// Where a card sits, like `0000:01:00.0`.
    fn place(&mut self, index: u32) -> Result<String, Trouble>;
    /// What does not change of a card.
    fn lasting(&mut self, index: u32) -> Result<Lasting, Trouble>;
    /// What it does now.
    fn now(&mut self, index: u32) -> Result<Now, Trouble>;
    /// Whether it is switched off to save power: to ask it would wake it.
    fn is_asleep(&self, place: &str) -> bool;
}

/// As the driver says it; nothing of it is believed yet.
#[derive(Clone, Debug, Default)]
struct Lasting {
    name: Option<String>,
    /// The major number of its compute capability.
    computes: Option<i32>,
    /// Degrees Celsius at which it slows down.
    limit: Option<u32>,
    /// Of its memory: the highest clock in MHz, and the width of the bus in bits.
    memory: Option<(u32, u32)>,
}

/// As the driver says it; nothing of it is believed yet.
#[derive(Clone, Debug, Default)]
struct Now {
    /// All bytes of its memory, and the free ones. `None` on chips that share the machine's memory.
    memory: Option<(u64, u64)>,
    percent: Option<u32>,
    celsius: Option<u32>,
    milliwatts: Option<u32>,
    /// `nvmlClocksThrottleReasons`, as bits.
    reasons: Option<u64>,
    /// Programs that draw, and programs that compute.
    drawing: Vec<u32>,
    computing: Vec<u32>,
    /// How much of the card each takes, in hundredths; `None` where that is not told.
    programs: Option<Vec<(u32, u32)>>,
}

/// Asks the driver of this machine.
pub(in crate::collect) fn source() -> Box<dyn Source> {
    Box::new(Nvidia::new(Nvml::load))
}

/// Asks once, for people; takes as long as the driver. `None` where nothing shows a card.
pub(in crate::collect) fn once() -> Option<Result<Vec<String>, (String, &'static str)>> {
    once_of(&mut Nvidia::new(Nvml::load))
}

fn once_of(nvidia: &mut Nvidia<impl Driver>) -> Option<Result<Vec<String>, (String, &'static str)>> {
    let trouble = match nvidia.ask() {
        Err(Trouble::Absent { here: Here::Nothing, .. }) => return None,
        Err(trouble) => Some(trouble),
        Ok(_) => nvidia.told.take(),
    };
    match trouble {
        Some(trouble) => Some(Err((trouble.cause(), trouble.next()))),
        None if nvidia.seen.is_empty() => None,
        None => Some(Ok(nvidia.seen.values().map(|seen| seen.card.name.clone()).collect())),
    }
}

/// All cards, from look to look.
struct Nvidia<D> {
    load: fn() -> Result<D, Trouble>,
    driver: Option<D>,
    /// What was logged last, so that it is logged once.
    told: Option<Trouble>,
    /// Places in the order of the driver, at the last look.
    places: Vec<String>,
    seen: BTreeMap<String, Seen>,
    /// Looks in a row in which a program drew a lot.
    drawn: u32,
}

/// A card that was seen once.
struct Seen {
    lasting: Lasting,
    card: Card,
    /// It does not answer any more.
    is_lost: bool,
}

impl<D: Driver + Send> Source for Nvidia<D> {
    fn name(&self) -> &'static str {
        "nvidia"
    }

    fn keeps(&self) -> Option<Duration> {
        Some(KEEPS)
    }

    fn may_have_cards(&self) -> bool {
        true
    }

    fn look(&mut self) -> (Found, Next) {
        match self.ask() {
            Ok(found) => (found, Next::After(PAUSE)),
            Err(trouble) => {
                let pause = if matches!(trouble, Trouble::Absent { .. }) { SELDOM } else { AGAIN };
                let is_here =
                    trouble.may_have_models() || self.seen.values().any(|seen| seen.card.has_memory());
                // Whatever is wrong may be right with a library that is loaded anew.
                self.driver = None;
                self.tell(Some(trouble));
                (found(&[], is_here), Next::After(pause))
            }
        }
    }
}

impl<D: Driver> Nvidia<D> {
    fn new(load: fn() -> Result<D, Trouble>) -> Self {
        Self { load, driver: None, told: None, places: Vec::new(), seen: BTreeMap::new(), drawn: 0 }
    }

    /// Looks at every card. A card that is lost takes nothing with it.
    fn ask(&mut self) -> Result<Found, Trouble> {
        let driver = match &mut self.driver {
            Some(driver) => driver,
            none => none.insert((self.load)()?),
        };
        let count = driver.count()?.min(CARDS);
        let (mut cards, mut drawing, mut trouble) = (Vec::new(), None, None);
        let mut places = Vec::new();
        for index in 0..count {
            let known = self.places.get(index as usize).filter(|place| driver.is_asleep(place));
            if let Some(seen) = known.and_then(|place| self.seen.get(place)) {
                places.push(seen.card.place.clone());
                cards.push(seen.card.asleep());
                continue;
            }
            match look(driver, index, &mut self.seen) {
                Ok((card, share)) => {
                    places.push(card.place.clone());
                    cards.push(card);
                    drawing = drawing.max(share);
                }
                // Without it not one card can be read.
                Err(trouble @ Trouble::TooOld { .. }) => return Err(trouble),
                Err(other) => trouble = Some(other),
            }
        }
        self.places = places;
        self.miss();
        self.tell(trouble);
        let lost = self.seen.values().any(|seen| seen.is_lost && seen.card.has_memory());
        let mut found = found(&cards, lost);
        found.add(Column::Availability, self.left(drawing));
        Ok(found)
    }

    /// What is left of the machine while a program draws pictures on a card, as a game does: measured, and only once it
    /// goes on. Otherwise nothing is said, and hours that were learned count.
    fn left(&mut self, drawing: Option<u64>) -> Option<f64> {
        let drawing = drawing.filter(|percent| *percent >= DRAWS);
        self.drawn = if drawing.is_some() { self.drawn.saturating_add(1) } else { 0 };
        drawing.filter(|_| self.drawn >= LOOKS).and_then(share).map(|share| 1.0 - share)
    }

    /// Logs once that a card is gone, and once that it is back.
    fn miss(&mut self) {
        for (place, seen) in &mut self.seen {
            let is_lost = !self.places.contains(place);
            if std::mem::replace(&mut seen.is_lost, is_lost) == is_lost {
                continue;
            }
            let name = &seen.card.name;
            if is_lost {
                tracing::warn!(
                    "the card {name} at {place} does not answer any more; `nvidia-smi` and the system's log may \
                     say why; until it is back, memory for models is unknown or that of the other cards"
                );
            } else {
                tracing::info!("the card {name} at {place} is back");
            }
        }
    }

    fn tell(&mut self, trouble: Option<Trouble>) {
        if let Some(trouble) = trouble.as_ref().filter(|trouble| self.told.as_ref() != Some(*trouble)) {
            trouble.log();
        }
        if trouble.is_none() && self.told.is_some() {
            tracing::info!("the cards of NVIDIA are read again");
        }
        self.told = trouble;
    }
}

/// One card, and the largest share of it, in hundredths, that a program takes which draws and does not compute.
fn look(
    driver: &mut impl Driver,
    index: u32,
    seen: &mut BTreeMap<String, Seen>,
) -> Result<(Card, Option<u64>), Trouble> {
    let place = driver.place(index)?;
    let lasting = match seen.get(&place) {
        Some(seen) if !seen.is_lost => seen.lasting.clone(),
        _ => driver.lasting(index)?,
    };
    let now = driver.now(index)?;
    let card = card(&place, &lasting, &now);
    seen.insert(place, Seen { lasting, card: card.clone(), is_lost: false });
    Ok((card, drawn(&now)))
}

fn card(place: &str, lasting: &Lasting, now: &Now) -> Card {
    let computes = lasting.computes.is_none_or(|major| major >= COMPUTES);
    // Twice per clock, and a byte has eight bits.
    let bandwidth = lasting.memory.map(|(mhz, bits)| 2.0 * f64::from(mhz) * 1e6 * f64::from(bits) / 8.0);
    Card {
        place: place.to_owned(),
        name: lasting.name.clone().unwrap_or_else(|| "NVIDIA card".to_owned()),
        memory: match now.memory {
            Some((total, free)) if computes => Memory::own(Some(total), Some(free)),
            _ => Memory::Unknown,
        },
        bandwidth: bandwidth.filter(|bytes| *bytes > 0.0),
        busy: now.percent.and_then(|percent| share(u64::from(percent))),
        heat: now.celsius.and_then(|celsius| Heat::new(f64::from(celsius), lasting.limit.map(f64::from))),
        watts: now.milliwatts.map(|milliwatts| f64::from(milliwatts) / 1e3),
        slowed: now.reasons.map(slowed),
    }
}

/// Source: `nvmlClocksThrottleReasons` of NVML's reference.
fn slowed(reasons: u64) -> Slowed {
    let is = |bit: u64| reasons & bit != 0;
    Slowed {
        heat: is(0x20),
        overheated: is(0x40),
        brake: is(0x80),
        // A card that does nothing says this whenever its clock changes.
        hardware: is(0x08) && !is(0x01),
        cap: is(0x04),
    }
}

fn drawn(now: &Now) -> Option<u64> {
    let draws = |pid: &u32| now.drawing.contains(pid) && !now.computing.contains(pid);
    let programs = now.programs.as_ref()?.iter();
    let percents = programs.filter(|(pid, _)| draws(pid)).map(|(_, percent)| u64::from(*percent));
    Some(percents.filter(|percent| *percent <= 100).max().unwrap_or(0))
}

#[cfg(test)]
mod tests;
