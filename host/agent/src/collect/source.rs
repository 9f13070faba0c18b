//! A source of numbers about the machine: who it is asked by, how often, and what it answers. Knows no source.
//!
//! To add one: a file of this folder with a pure parser and a thin part that asks the system, a type that is a
//! [`Source`], and a line in `collect::sources`. It runs on a thread of its own and may block as long as it likes: a
//! beat takes its last answer while that is fresh, and no answer once it is not. What it cannot find out it leaves out;
//! it never tells a number that it does not believe.

use std::time::Duration;

use herdwick_fleet::Column;
use herdwick_wire::machine::MachineFacts;

/// Something that is asked again and again.
pub(crate) trait Source: Send {
    /// What it is called in the log: one word.
    fn name(&self) -> &'static str;

    /// How long an answer is believed: a little more than the pause after it, so that only a source that is late falls
    /// silent. `None` = as long as the agent runs, since what it tells does not change.
    fn keeps(&self) -> Option<Duration>;

    /// Whether it may know of a card with memory of its own. Until it has answered nothing is concluded of where models
    /// live.
    fn may_have_cards(&self) -> bool {
        false
    }

    /// Looks at the machine, and says when to look again.
    fn look(&mut self) -> (Found, Next);
}

/// What one look found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// For plugins. Of heat, pressure and flags that several sources tell the largest counts, of other columns the word
    /// of the source that stands last in `collect::sources`. The columns of memory and its bandwidth no source tells:
    /// `collect::room` makes them from the facts about memory and cards.
    pub(crate) readings: Vec<(Column, f64)>,
    /// For people.
    pub(crate) facts: MachineFacts,
    /// A card with memory of its own is here, whether or not anything else is known of it: then models go there, and
    /// what the system has says nothing of them.
    pub(crate) has_card: bool,
}

impl Found {
    /// One number more, unless it is not known.
    pub(crate) fn add(&mut self, column: Column, value: impl Into<Option<f64>>) {
        self.readings.extend(value.into().map(|value| (column, value)));
    }
}

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// After this pause.
    After(Duration),
    /// Never: it does not change, or is not here.
    Never,
}
