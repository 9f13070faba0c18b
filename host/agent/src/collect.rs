//! What the machine says of itself: numbers for plugins, as columns, and facts for people. Every source is asked on a
//! thread of its own (`source`, `shelf`); a beat takes what lies there and never waits. One file per subject: a pure
//! parser and a thin part that asks the system.

#[cfg(not(any(target_os = "macos", target_os = "windows")))]
mod around;
mod bandwidth;
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
mod bounds;
mod cards;
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
mod cpu;
mod disk;
#[cfg(any(target_os = "macos", target_os = "windows"))]
mod elsewhere;
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
mod heat;
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
mod host;
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
mod load;
#[cfg(any(target_os = "macos", test))]
mod mac;
#[cfg(test)]
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
mod machines;
mod meeting;
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
mod memory;
#[cfg(any(target_os = "macos", target_os = "windows", test))]
mod portable;
mod power;
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
mod pressure;
mod room;
mod shelf;
mod source;
mod tree;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use herdwick_fleet::Column;
use herdwick_wire::beat::ReadingBeat;
use herdwick_wire::machine::MachineFacts;

pub(crate) use cards::nvidia;
use shelf::{Shelf, Together};
use source::Source;
use tree::Tree;

/// What the sources must be told of this agent.
pub(crate) struct About {
    /// Where what is measured once is kept.
    pub(crate) state_dir: PathBuf,
    /// Folders in which running servers keep models, as far as they were told.
    pub(crate) folders: Box<dyn Fn() -> Vec<PathBuf> + Send>,
    /// Whether it is asked if somebody is in a meeting.
    pub(crate) meetings: bool,
}

/// All that this machine can be asked. The first is the one that the first beat waits for; of several that tell the same
/// column the last counts.
fn sources(tree: &Tree, about: About) -> Vec<Box<dyn Source>> {
    let mut sources = itself(tree, about.state_dir);
    sources.push(Box::new(disk::Disk::new(about.folders)));
    #[cfg(target_os = "macos")]
    sources.push(Box::new(mac::Mac));
    sources.extend(cards::sources(tree));
    if about.meetings {
        sources.extend(meeting::sources(tree));
    }
    sources
}

/// What tells of the machine itself.
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
fn itself(tree: &Tree, state_dir: PathBuf) -> Vec<Box<dyn Source>> {
    let around = Box::new(around::Around::new(tree.clone()));
    vec![
        Box::new(load::Load::new(tree.clone())),
        Box::new(host::Host(tree.clone())),
        Box::new(heat::Heat::new(tree.clone())),
        Box::new(power::Power::new(tree.clone())),
        Box::new(bandwidth::Bandwidth::new(state_dir, around)),
    ]
}

/// What tells of the machine itself.
#[cfg(any(target_os = "macos", target_os = "windows"))]
fn itself(_: &Tree, state_dir: PathBuf) -> Vec<Box<dyn Source>> {
    let around = Box::new(elsewhere::Around::default());
    vec![
        Box::new(portable::Load::default()),
        Box::new(elsewhere::Host),
        Box::new(power::Power::new()),
        Box::new(bandwidth::Bandwidth::new(state_dir, around)),
    ]
}

/// Knows what the machine said last.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    shelf: OnceLock<Shelf>,
}

impl Collector {
    /// Begins to ask; once.
    pub(crate) fn begin(&self, about: About) {
        self.shelf.get_or_init(|| Shelf::fill(sources(&Tree::machine(), about)));
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
        let state_dir = crate::tests::folder("collect");
        collector.begin(About { state_dir, folders: Box::new(Vec::new), meetings: true });
        collector.has_begun().await;
        let (readings, facts) = collector.look();
        assert!(readings.iter().all(|reading| reading.value.is_finite() && reading.value >= 0.0));
        assert!(readings.iter().all(|reading| Column::from_name(&reading.name).is_some()));
        assert!(facts.memory.is_some());
    }
}
