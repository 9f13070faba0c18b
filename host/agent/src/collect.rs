//! What the machine says of itself: numbers for plugins, as columns, and facts for people. Every source is asked on a
//! thread of its own (`source`, `shelf`); a beat takes what lies there and never waits. One file per subject: a pure
//! parser and a thin part that asks the system.

#[cfg(target_os = "linux")]
mod around;
mod bandwidth;
#[cfg(target_os = "linux")]
mod bounds;
#[cfg(target_os = "linux")]
mod cpu;
mod disk;
#[cfg(target_os = "linux")]
mod heat;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod load;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod machines;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(not(target_os = "linux"))]
mod portable;
mod power;
#[cfg(target_os = "linux")]
mod pressure;
mod room;
mod shelf;
mod source;
#[cfg(target_os = "linux")]
mod tree;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use herdwick_fleet::Column;
use herdwick_wire::beat::ReadingBeat;
use herdwick_wire::machine::MachineFacts;

use shelf::{Shelf, Together};
use source::Source;
#[cfg(target_os = "linux")]
use tree::Tree;

/// What the sources must be told of this agent.
pub(crate) struct About {
    /// Where what is measured once is kept.
    pub(crate) state_dir: PathBuf,
    /// Folders in which running servers keep models, as far as they were told.
    pub(crate) folders: Box<dyn Fn() -> Vec<PathBuf> + Send>,
}

/// All that this machine can be asked. The first is the one that the first beat waits for; of several that tell the same
/// column the last counts.
#[cfg(target_os = "linux")]
fn sources(about: About) -> Vec<Box<dyn Source>> {
    let tree = Tree::machine();
    let around = Box::new(around::Around::new(tree.clone()));
    vec![
        Box::new(load::Load::new(tree.clone())),
        Box::new(host::Host(tree.clone())),
        Box::new(heat::Heat::new(tree.clone())),
        Box::new(power::Power::new(tree)),
        Box::new(disk::Disk::new(about.folders)),
        Box::new(bandwidth::Bandwidth::new(about.state_dir, around)),
    ]
}

/// The same of macOS and Windows.
#[cfg(not(target_os = "linux"))]
fn sources(about: About) -> Vec<Box<dyn Source>> {
    let around = Box::new(portable::Around::default());
    vec![
        Box::new(portable::Load::default()),
        Box::new(portable::Host),
        Box::new(power::Power::new()),
        Box::new(disk::Disk::new(about.folders)),
        Box::new(bandwidth::Bandwidth::new(about.state_dir, around)),
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
        self.shelf.get_or_init(|| Shelf::fill(sources(about)));
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
        collector.begin(About { state_dir: crate::tests::folder("collect"), folders: Box::new(Vec::new) });
        collector.has_begun().await;
        let (readings, facts) = collector.look();
        assert!(readings.iter().all(|reading| reading.value.is_finite() && reading.value >= 0.0));
        assert!(readings.iter().all(|reading| Column::from_name(&reading.name).is_some()));
        assert!(facts.memory.is_some());
    }
}
