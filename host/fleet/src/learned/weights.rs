//! Of which weights something was learned, and what somebody measured on purpose. A model's name may stand for other
//! weights from one day to the next; what was learned of the old ones says nothing of them. Must not know how it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{BackendId, NodeId};
use crate::learned::kept::{Lesson, Quantity, Subject};
use crate::learned::track::{Estimate, Track};
use crate::learned::{Books, Learned, SPEEDS};
use crate::model::ModelName;
use crate::moment::Moment;

/// A figure that was measured on purpose, while nothing else went on, counts as much as so many answers.
const WORTH: u32 = 10;
/// Its variance: 5 %.
const VARIANCE: f64 = 0.0025;

/// What was told since it was asked last, for whoever keeps it.
#[derive(Debug, Default)]
pub struct News {
    /// Forgotten, before any of the lessons was learned.
    pub forgotten: Vec<Subject>,
    /// Learned, in place of what was known of the same.
    pub lessons: Vec<Lesson>,
    /// Of which weights: server, model and what the server calls their content.
    pub weights: Vec<(BackendId, ModelName, Arc<str>)>,
}

/// The weights behind names.
#[derive(Debug, Default)]
pub(super) struct Weights {
    known: BTreeMap<(BackendId, ModelName), Known>,
    /// What nobody who keeps it was told is forgotten.
    pub(super) forgotten: Vec<Subject>,
}

#[derive(Debug)]
struct Known {
    digest: Arc<str>,
    is_kept: bool,
}

impl Learned {
    /// A server lists the model with these weights; an empty digest says nothing. If others stood behind the name, what
    /// was learned of its speed there is forgotten. Says whether it was.
    pub fn weigh(&self, backend: BackendId, model: &ModelName, digest: &str) -> bool {
        self.with(|books| books.weigh(backend, model, digest))
    }

    /// Puts back of which weights what was kept was learned.
    pub fn restore_weights(&self, weights: impl IntoIterator<Item = (BackendId, ModelName, Arc<str>)>) {
        self.with(|books| {
            for (backend, model, digest) in weights {
                books.weights.note((backend, model), digest, true);
            }
        });
    }

    /// This was measured on purpose, in place of what was learned. What cannot be true is left out.
    pub fn measured(
        &self,
        (backend, model): (BackendId, &ModelName),
        figures: impl IntoIterator<Item = (Quantity, f64)>,
        now: Moment,
    ) {
        self.with(|books| {
            let speed = books.speed(backend, model);
            for (what, mean) in figures {
                let estimate =
                    Estimate { mean, variance: VARIANCE, samples: WORTH, age: std::time::Duration::ZERO };
                if speed.restore(what, estimate, now) {
                    speed.track(what).into_iter().for_each(Track::mark_changed);
                }
            }
        });
    }

    /// What changed since this was asked last. Whoever takes it keeps it: it is not told again.
    pub fn take_news(&self, now: Moment) -> News {
        self.with(|books| News {
            forgotten: std::mem::take(&mut books.weights.forgotten),
            lessons: books.lessons(&mut |track| track.take_changed(now)),
            weights: books.weights.take_changed(),
        })
    }

    /// A machine is gone for good: nothing is known of it any more.
    pub fn forget_node(&self, node: NodeId) {
        self.forget(|of| match of {
            Subject::Speed { backend, .. } => backend.node == node,
            Subject::Machine { node: own } => *own == node,
            Subject::Model { .. } | Subject::App { .. } => false,
        });
        self.with(|books| {
            books.weights.known.retain(|(backend, _), _| backend.node != node);
        });
    }
}

impl Books {
    fn weigh(&mut self, backend: BackendId, model: &ModelName, digest: &str) -> bool {
        if digest.is_empty() {
            return false;
        }
        let key = (backend, model.clone());
        let is_other = match self.weights.known.get(&key) {
            Some(known) if *known.digest == *digest => return false,
            known => known.is_some(),
        };
        self.weights.note(key, digest.into(), false);
        if is_other {
            let of = Subject::Speed { backend, model: model.clone() };
            self.speed(backend, model).forget();
            self.weights.forgotten.push(of);
        }
        is_other
    }
}

impl Weights {
    /// Past as many as there are speeds one is not remembered: it will be taken for what it was.
    fn note(&mut self, key: (BackendId, ModelName), digest: Arc<str>, is_kept: bool) {
        if self.known.len() < SPEEDS || self.known.contains_key(&key) {
            self.known.insert(key, Known { digest, is_kept });
        }
    }

    fn take_changed(&mut self) -> Vec<(BackendId, ModelName, Arc<str>)> {
        let new = self.known.iter_mut().filter(|(_, known)| !known.is_kept);
        new.map(|((backend, model), known)| {
            known.is_kept = true;
            (*backend, model.clone(), Arc::clone(&known.digest))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_000);

    fn model() -> ModelName {
        ModelName::parse("m").expect("a name")
    }

    fn backend() -> BackendId {
        BackendId { node: NodeId::from_origin("studio"), port: 1 }
    }

    fn decode(learned: &Learned) -> Option<f64> {
        learned.speed(backend(), &model()).track(Quantity::Decode).and_then(Track::mean)
    }

    #[test]
    fn other_weights_under_the_same_name_are_another_model() {
        let learned = Learned::default();
        assert!(!learned.weigh(backend(), &model(), "a"), "nothing stood behind it");
        learned.measured((backend(), &model()), [(Quantity::Decode, 50.0)], NOW);
        let news = learned.take_news(NOW);
        assert_eq!((news.lessons.len(), news.weights.len(), news.forgotten.len()), (1, 1, 0));
        assert!(!learned.weigh(backend(), &model(), "a") && !learned.weigh(backend(), &model(), ""));
        assert!(decode(&learned).is_some());
        assert!(learned.weigh(backend(), &model(), "b"));
        assert_eq!(decode(&learned), None);
        let of = Subject::Speed { backend: backend(), model: model() };
        let news = learned.take_news(NOW);
        assert_eq!((news.forgotten, news.weights.len()), (vec![of], 1));
        let none = learned.take_news(NOW);
        assert!(none.forgotten.is_empty() && none.lessons.is_empty() && none.weights.is_empty(), "told once");
    }

    #[test]
    fn other_weights_are_noticed_after_a_restart() {
        let learned = Learned::default();
        learned.restore_weights([(backend(), model(), "a".into())]);
        learned.measured((backend(), &model()), [(Quantity::Decode, 50.0)], NOW);
        assert!(learned.take_news(NOW).weights.is_empty(), "whoever kept them has them");
        assert!(!learned.weigh(backend(), &model(), "a"));
        assert!(learned.weigh(backend(), &model(), "b"));
    }

    #[test]
    fn what_was_measured_stands_at_once_and_answers_move_it_slowly() {
        let learned = Learned::default();
        let speed = learned.speed(backend(), &model());
        let decode_track = speed.track(Quantity::Decode).expect("a rate");
        (0..50).for_each(|_| _ = decode_track.teach(20.0, NOW));
        learned.measured(
            (backend(), &model()),
            [(Quantity::Decode, 60.0), (Quantity::Prefill, f64::NAN)],
            NOW,
        );
        let measured = decode(&learned).expect("a rate");
        assert!((measured - 60.0).abs() < 1e-3, "{measured}");
        decode_track.teach(50.0, NOW);
        let moved = decode(&learned).expect("a rate");
        assert!((58.0..60.0).contains(&moved), "{moved}");
        assert_eq!(speed.track(Quantity::Prefill).and_then(Track::mean), None);
    }

    #[test]
    fn with_a_machine_goes_what_was_learned_there() {
        let learned = Learned::default();
        learned.weigh(backend(), &model(), "a");
        learned.measured((backend(), &model()), [(Quantity::Decode, 60.0)], NOW);
        learned.forget_node(backend().node);
        assert!(!learned.take_news(NOW).forgotten.is_empty(), "whoever keeps it is told");
        assert_eq!(decode(&learned), None);
        assert!(!learned.weigh(backend(), &model(), "b"), "nothing is known of it");
    }
}
