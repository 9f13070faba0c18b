//! What the machine says of itself: numbers for plugins, as columns, and facts for people. Every source is asked on a
//! thread of its own (`source`, `shelf`); a beat takes what lies there and never waits. One file per subject: a pure
//! parser and a thin part that asks the system.

mod cards;
#[cfg(any(test, not(any(target_os = "macos", target_os = "windows"))))]
mod cpu;
#[cfg(any(test, not(any(target_os = "macos", target_os = "windows"))))]
mod load;
#[cfg(any(target_os = "macos", test))]
mod mac;
mod meeting;
#[cfg(any(test, not(any(target_os = "macos", target_os = "windows"))))]
mod memory;
#[cfg(any(target_os = "macos", target_os = "windows", test))]
mod portable;
mod room;
mod shelf;
mod source;
mod tree;

use std::sync::OnceLock;
use std::time::Instant;

use herdwick_fleet::Column;
use herdwick_wire::beat::ReadingBeat;
use herdwick_wire::machine::MachineFacts;

use shelf::{Shelf, Together};
use source::Source;
use tree::Tree;

/// All that this machine can be asked. The first is the one that the first beat waits for; of several that tell the same
/// column the last counts.
fn sources(tree: &Tree, asked: Asked) -> Vec<Box<dyn Source>> {
    let mut sources = vec![load(tree)];
    #[cfg(target_os = "macos")]
    sources.push(Box::new(mac::Mac));
    sources.extend(cards::sources(tree));
    if asked.meetings {
        sources.extend(meeting::sources(tree));
    }
    sources
}

/// Who is asked for what changes from second to second.
#[cfg(any(target_os = "macos", target_os = "windows"))]
fn load(_: &Tree) -> Box<dyn Source> {
    Box::new(portable::Load::default())
}

/// Who is asked for what changes from second to second.
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
fn load(tree: &Tree) -> Box<dyn Source> {
    Box::new(load::Load::new(tree.clone()))
}

/// What the machine is asked beside what it is always asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Whether somebody is in a meeting.
    pub(crate) meetings: bool,
}

/// Knows what the machine said last.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    shelf: OnceLock<Shelf>,
}

impl Collector {
    /// Begins to ask; once.
    pub(crate) fn begin(&self, asked: Asked) {
        self.shelf.get_or_init(|| Shelf::fill(sources(&Tree::machine(), asked)));
    }

    /// Returns once the source that is quick has answered.
    pub(crate) async fn has_begun(&self) {
        if let Some(shelf) = self.shelf.get() {
            shelf.has_begun().await;
        }
    }

    /// What is known at this moment.
    pub(crate) fn look(&self) -> (Vec<ReadingBeat>, MachineFacts) {
        let together = self.shelf.get().map(|shelf| shelf.take(Instant::now())).unwrap_or_default();
        told(together)
    }
}

/// What is to be told of it.
fn told(together: Together) -> (Vec<ReadingBeat>, MachineFacts) {
    let Together { readings, facts, has_card } = together;
    let is_made = |column: &Column| {
        matches!(column, Column::MemTotal | Column::MemFree | Column::MemSystem | Column::Bandwidth)
    };
    let readings = readings.into_iter().filter(|(column, ..)| !is_made(column));
    let readings = readings.chain(room::columns(&facts, has_card)).map(|(column, value, age)| ReadingBeat {
        name: column.name().to_owned(),
        value,
        age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
    });
    (readings.collect(), facts)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_tells_numbers_that_can_be() {
        let collector = Collector::default();
        assert_eq!(collector.look(), (Vec::new(), MachineFacts::default()), "nobody was asked yet");
        collector.begin(Asked { meetings: true });
        collector.has_begun().await;
        let (readings, facts) = collector.look();
        assert!(readings.iter().all(|reading| reading.value.is_finite() && reading.value >= 0.0));
        assert!(readings.iter().all(|reading| Column::from_name(&reading.name).is_some()));
        assert!(facts.memory.is_some());
    }
}
