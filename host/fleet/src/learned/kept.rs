//! What was learned as plain data, one quantity of one thing a piece: for keeping it, showing it and putting it back.
//! Knows nothing of how it is written down.

use crate::id::{BackendId, NodeId};
use crate::learned::app::App;
use crate::learned::hours::Hour;
use crate::learned::track::{Estimate, Track};
use crate::model::ModelName;

/// One thing that was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    /// Of what.
    pub of: Subject,
    /// Which quantity.
    pub what: Quantity,
    /// How much, and how sure.
    pub estimate: Estimate,
}

/// Of what something was learned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A model on one backend.
    Speed {
        /// Where.
        backend: BackendId,
        /// Which.
        model: ModelName,
    },
    /// A model, wherever it runs.
    Model {
        /// Which.
        model: ModelName,
    },
    /// An application that asks a model.
    App {
        /// Who asks.
        app: App,
        /// Whom.
        model: ModelName,
    },
    /// A machine.
    Machine {
        /// Which.
        node: NodeId,
    },
}

/// What was learned of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Of a model on a backend: prompt tokens read per second.
    Prefill,
    /// Of a model on a backend: answer tokens per second of one stream alone.
    Decode,
    /// Of a model on a backend: how much each further stream of the model slows a stream down, as a share.
    SameDrag,
    /// Of a model on a backend: how much each stream of another model does.
    OtherDrag,
    /// Of a model on a backend: bytes per second of a load from disk.
    LoadDisk,
    /// Of a model on a backend: bytes per second of a load from the page cache.
    LoadCache,
    /// Of a model on a backend: milliseconds that a wait took longer than predicted.
    WaitBias,
    /// Of a model on a backend: durations as the backend tells them, in times of those observed. 0.33 = it claims to be
    /// three times as fast as it is.
    Told,
    /// Of a model: bytes of text per token of the prompt.
    BytesPerToken,
    /// Of a model, or of an application that asks it: tokens of an answer.
    AnswerTokens,
    /// Of a machine: the share of this hour of the week in which it is ours, with a minute a sample.
    Hour(Hour),
}

impl Quantity {
    /// All but the hours, with their names.
    const NAMED: [(Self, &'static str); 10] = [
        (Self::Prefill, "prefill-per-s"),
        (Self::Decode, "decode-per-s"),
        (Self::SameDrag, "same-drag-ratio"),
        (Self::OtherDrag, "other-drag-ratio"),
        (Self::LoadDisk, "load-disk-bytes-per-s"),
        (Self::LoadCache, "load-cache-bytes-per-s"),
        (Self::WaitBias, "wait-bias-ms"),
        (Self::Told, "told-ratio"),
        (Self::BytesPerToken, "bytes-per-token"),
        (Self::AnswerTokens, "answer-tokens"),
    ];

    /// A stable name for files and programs.
    pub fn name(self) -> String {
        if let Self::Hour(hour) = self {
            return format!("hour-{:03}", hour.index());
        }
        let named = Self::NAMED.iter().find(|(quantity, _)| *quantity == self);
        named.map_or(String::new(), |(_, name)| (*name).to_owned())
    }

    /// The quantity with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(index) = name.strip_prefix("hour-") {
            return Hour::new(index.parse().ok()?).map(Self::Hour);
        }
        Self::NAMED.iter().find(|(_, named)| *named == name).map(|(quantity, _)| *quantity)
    }
}

/// Adds a lesson for each of the tracks of which `read` tells something.
pub(super) fn collect<'a>(
    tracks: impl IntoIterator<Item = (Quantity, &'a Track)>,
    of: impl Fn() -> Subject,
    read: &mut dyn FnMut(&Track) -> Option<Estimate>,
    lessons: &mut Vec<Lesson>,
) {
    for (what, track) in tracks {
        if let Some(estimate) = read(track) {
            lessons.push(Lesson { of: of(), what, estimate });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quantity_has_a_name_and_comes_back_from_it() {
        let hours = [0, 9, 167].into_iter().filter_map(Hour::new).map(Quantity::Hour);
        let all: Vec<_> = Quantity::NAMED.iter().map(|(quantity, _)| *quantity).chain(hours).collect();
        assert_eq!(all.len(), 13);
        for quantity in all {
            assert_eq!(Quantity::from_name(&quantity.name()), Some(quantity), "{quantity:?}");
        }
        assert_eq!(Quantity::Hour(Hour::new(9).expect("an hour")).name(), "hour-009");
        for bad in ["hour-168", "hour-", "hour-x", "", "speed"] {
            assert_eq!(Quantity::from_name(bad), None, "{bad}");
        }
    }
}
