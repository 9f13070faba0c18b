//! Cards of AMD and Intel, found by the files of Linux: who is there, and whose file each one's are.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use super::names::Numbers;
use super::{Card, amd, found, intel};
use crate::collect::source::{Found, Next, Source};
use crate::collect::tree::Tree;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// Three looks and some; a driver that takes longer hangs.
const KEEPS: Duration = Duration::from_secs(8);
/// Where no such card is: until one is looked for again, since some are plugged in.
const SELDOM: Duration = Duration::from_secs(60);
/// Cards that are read; a server takes up to 16.
const CARDS: usize = 16;
/// Bytes of a table of a driver; none is longer.
const TABLE: u64 = 8 << 10;

/// Reads their files.
#[derive(Debug)]
pub(in crate::collect) struct Drm {
    tree: Tree,
    /// Cards by their places, as they were seen last.
    seen: BTreeMap<String, Card>,
    /// Of these, which are gone.
    lost: Vec<String>,
}

/// A folder of a card, or of a part of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files<'a> {
    pub(super) tree: &'a Tree,
    /// Like `sys/class/drm/card0`.
    pub(super) card: &'a str,
}

impl Drm {
    /// Reads below a root.
    pub(in crate::collect) fn new(tree: Tree) -> Self {
        Self { tree, seen: BTreeMap::new(), lost: Vec::new() }
    }

    fn cards(&self) -> Vec<Card> {
        let folders = numbered(&self.tree, "sys/class/drm", "card");
        folders.iter().filter_map(|card| self.card(Files { tree: &self.tree, card })).take(CARDS).collect()
    }

    fn card(&self, files: Files<'_>) -> Option<Card> {
        let numbers = files.numbers()?;
        let place = files.place();
        let known = self.seen.get(&place);
        let card = match numbers.vendor {
            amd::VENDOR => amd::card(files, numbers, known),
            intel::VENDOR => intel::card(files, numbers, known),
            _ => None,
        };
        Some(Card { place, ..card? })
    }

    /// Logs once that a card with memory is gone, and once that it is back.
    fn miss(&mut self, cards: &[Card]) {
        for (place, card) in self.seen.iter().filter(|(_, card)| card.has_memory()) {
            let is_here = cards.iter().any(|card| card.place == *place);
            let was_lost = self.lost.iter().position(|lost| lost == place);
            match (is_here, was_lost) {
                (false, None) => {
                    tracing::warn!(
                        "the card {} at {place} is gone; until it is back or the agent is restarted, memory for models \
                         is unknown or that of the other cards",
                        card.name
                    );
                    self.lost.push(place.clone());
                }
                (true, Some(at)) => {
                    tracing::info!("the card {} at {place} is back", card.name);
                    self.lost.swap_remove(at);
                }
                _ => {}
            }
        }
    }
}

impl Source for Drm {
    fn name(&self) -> &'static str {
        "cards"
    }

    fn keeps(&self) -> Option<Duration> {
        Some(KEEPS)
    }

    fn may_have_cards(&self) -> bool {
        true
    }

    fn look(&mut self) -> (Found, Next) {
        let cards = self.cards();
        self.miss(&cards);
        self.seen.extend(cards.iter().map(|card| (card.place.clone(), card.clone())));
        let pause = if self.seen.is_empty() { SELDOM } else { PAUSE };
        (found(&cards, !self.lost.is_empty()), Next::After(pause))
    }
}

impl Files<'_> {
    /// A file of the card itself, or `device/…` of what it is on the bus.
    pub(super) fn number<N: std::str::FromStr>(self, file: &str) -> Option<N> {
        self.tree.number(format!("{}/{file}", self.card))
    }

    /// A file that is no text.
    pub(super) fn table(self, file: &str) -> Option<Vec<u8>> {
        let mut table = Vec::new();
        let file = std::fs::File::open(self.tree.path(format!("{}/{file}", self.card))).ok()?;
        file.take(TABLE).read_to_end(&mut table).ok()?;
        Some(table)
    }

    /// Folders within it that are called so and numbered, as paths from it, in the order of their numbers.
    pub(super) fn parts(self, folder: &str, prefix: &str) -> Vec<String> {
        let folder = format!("{}/{folder}", self.card);
        let parts = numbered(self.tree, &folder, prefix).into_iter();
        parts
            .filter_map(|part| Some(part.strip_prefix(self.card)?.trim_start_matches('/').to_owned()))
            .collect()
    }

    /// Whether it is switched off to save power. Most of what could be asked of it would wake it.
    pub(super) fn is_asleep(self) -> bool {
        self.tree.word(format!("{}/device/power/runtime_status", self.card)).as_deref() == Some("suspended")
    }

    fn numbers(self) -> Option<Numbers> {
        let number = |file: &str| {
            let text = self.tree.word(format!("{}/device/{file}", self.card))?;
            u16::from_str_radix(text.strip_prefix("0x")?, 16).ok()
        };
        let revision =
            number("revision").and_then(|revision| u8::try_from(revision).ok()).unwrap_or_default();
        Some(Numbers { vendor: number("vendor")?, device: number("device")?, revision })
    }

    /// Where it sits on the bus, or else which card it is.
    fn place(self) -> String {
        let device = self.tree.path(format!("{}/device", self.card));
        let place: Option<PathBuf> = std::fs::canonicalize(device).ok();
        let place =
            place.as_ref().and_then(|place| place.file_name()?.to_str()).filter(|name| *name != "device");
        place.unwrap_or(self.card).to_owned()
    }
}

/// Entries of a folder whose names begin so and go on with digits alone, as paths, in the order of their numbers.
fn numbered(tree: &Tree, folder: &str, prefix: &str) -> Vec<String> {
    let names = tree.list(folder).unwrap_or_default();
    let mut found: Vec<(u32, String)> = names
        .iter()
        .filter_map(|name| Some((name.strip_prefix(prefix)?.parse().ok()?, format!("{folder}/{name}"))))
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::*;

    /// A machine of these files.
    pub(in super::super) fn machine(test: &str, files: &[(&str, &str)]) -> Tree {
        let root = crate::tests::folder(test);
        for (name, content) in files {
            let file = root.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        Tree::below(root)
    }

    fn radeon(card: u32) -> [(String, &'static str); 4] {
        let file = |name: &str| format!("sys/class/drm/card{card}/device/{name}");
        [
            (file("vendor"), "0x1002\n"),
            (file("device"), "0xfffe\n"),
            (file("mem_info_vram_total"), "17163091968\n"),
            (file("mem_info_vram_used"), "1048576\n"),
        ]
    }

    fn names(found: &Found) -> Vec<String> {
        let cards = found.facts.cards.iter().flat_map(|told| &told.cards);
        cards.map(|card| card.name.clone()).collect()
    }

    #[test]
    fn cards_are_told_from_their_plugs_and_from_those_of_others() {
        let files = [radeon(0), radeon(10), radeon(2)].concat();
        let mut files: Vec<_> = files.iter().map(|(name, content)| (name.as_str(), *content)).collect();
        files.extend([
            ("sys/class/drm/card2-HDMI-A-1/status", "connected\n"),
            ("sys/class/drm/card3/device/vendor", "0x10de\n"),
            ("sys/class/drm/card3/device/device", "0x2684\n"),
            ("sys/class/drm/card4/device/vendor", "intel\n"),
            ("sys/class/drm/card5/device/uevent", "\n"),
            ("sys/class/drm/renderD128/device/vendor", "0x1002\n"),
        ]);
        let mut drm = Drm::new(machine("drm-many", &files));
        let (found, next) = drm.look();
        assert_eq!((names(&found), next), (vec!["AMD graphics fffe".to_owned(); 3], Next::After(PAUSE)));
        let order: Vec<_> = numbered(&drm.tree, "sys/class/drm", "card");
        assert_eq!(order.last().map(String::as_str), Some("sys/class/drm/card10"));
    }

    #[test]
    fn a_machine_without_cards_is_seldom_asked() {
        let mut drm = Drm::new(machine("drm-none", &[]));
        assert_eq!(drm.look(), (Found::default(), Next::After(SELDOM)));
    }

    #[test]
    fn a_card_that_is_gone_is_missed_and_may_come_back() {
        let files = radeon(1);
        let files: Vec<_> = files.iter().map(|(name, content)| (name.as_str(), *content)).collect();
        let mut drm = Drm::new(machine("drm-gone", &files));
        assert!(drm.look().0.has_card);
        let (card, aside) = (drm.tree.path("sys/class/drm/card1"), drm.tree.path("aside"));
        fs::rename(&card, &aside).unwrap();
        let (found, next) = drm.look();
        assert!(found.has_card && found.facts.cards.is_none(), "nobody may believe that models moved");
        assert_eq!((drm.lost.len(), next), (1, Next::After(PAUSE)));
        fs::rename(&aside, &card).unwrap();
        assert_eq!(names(&drm.look().0).len(), 1);
        assert!(drm.lost.is_empty());
    }
}
