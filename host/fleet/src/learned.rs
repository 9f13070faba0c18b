//! What the router learns of its fleet from its own answers: how fast each model runs where, how long answers get, how
//! much text a token is, when a machine is ours. Must not know how it is kept, nor how a request travels.
//!
//! Everything here is shared by all pictures of the fleet and outlives each of them. Figures are atomic words: a
//! decision reads them without a lock, and an answer that ends teaches them on the data thread.

pub mod app;
pub mod hours;
pub mod kept;
pub mod length;
pub mod prior;
pub mod shown;
pub mod speed;
pub mod track;
mod weights;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::{BackendId, NodeId};
use crate::model::ModelName;
use crate::moment::Moment;

pub use self::app::App;
pub use self::hours::{Hour, Hours};
pub use self::kept::{Lesson, Quantity, Subject};
pub use self::length::OfModel;
pub use self::prior::Rates;
pub use self::shown::{Company, Load, Shown};
pub use self::speed::Speed;
pub use self::track::{Estimate, Rule, Taken, Track};
pub use self::weights::News;

/// Models of all backends together of which speeds are known. A fleet of a thousand machines with ten models each has a
/// quarter of it; each takes 400 bytes.
pub const SPEEDS: usize = 40_000;
/// Models of which lengths are known; each may take some kilobytes.
pub const MODELS: usize = 4_000;
/// Machines of which hours are known: as many as a fleet may have.
pub const MACHINES: usize = crate::fleet::NODES;

/// Everything that was learned. The fleet's owner finds things here by name and lays them into its pictures; nobody on
/// the path of a request comes here.
#[derive(Debug, Default)]
pub struct Learned {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    speeds: BTreeMap<BackendId, BTreeMap<ModelName, Arc<Speed>>>,
    models: BTreeMap<ModelName, Arc<OfModel>>,
    hours: BTreeMap<NodeId, Arc<Hours>>,
    weights: weights::Weights,
}

impl Learned {
    /// How fast a model is on a backend. Past [`SPEEDS`] a new one is learned for as long as the fleet lists it, and
    /// not kept.
    pub fn speed(&self, backend: BackendId, model: &ModelName) -> Arc<Speed> {
        self.with(|books| books.speed(backend, model))
    }

    /// What is known of a model wherever it runs.
    pub fn model(&self, model: &ModelName) -> Arc<OfModel> {
        self.with(|books| books.model(model))
    }

    /// When a machine is ours.
    pub fn hours(&self, node: NodeId) -> Arc<Hours> {
        self.with(|books| books.hours(node))
    }

    /// Everything that is known, for showing it.
    pub fn export(&self, now: Moment) -> Vec<Lesson> {
        self.lessons(&mut |track| track.estimate(now))
    }

    /// What changed since this was asked last, for keeping it. Whoever takes it keeps it: it is not told again.
    pub fn take_changed(&self, now: Moment) -> Vec<Lesson> {
        self.lessons(&mut |track| track.take_changed(now))
    }

    /// Puts back what was kept; returns how many lessons could not be true or found no room.
    pub fn restore(&self, lessons: impl IntoIterator<Item = Lesson>, now: Moment) -> usize {
        self.with(|books| lessons.into_iter().filter(|lesson| !books.restore(lesson, now)).count())
    }

    /// Begins anew with what `is_meant` holds of; returns what was forgotten, which whoever keeps it is told as well.
    /// Pictures share the figures, so the very next decision knows nothing of it.
    pub fn forget(&self, is_meant: impl Fn(&Subject) -> bool) -> Vec<Subject> {
        self.with(|books| {
            let forgotten = books.forget(is_meant);
            books.weights.forgotten.extend(forgotten.iter().cloned());
            forgotten
        })
    }

    /// A backend is known by another id from now on: a server that was only named turned out to be an agent's. `used` is
    /// what its models teach from now on; what else was learned under either id stays where `used` has nothing.
    pub(crate) fn moved<'a>(
        &self,
        from: BackendId,
        to: BackendId,
        used: impl Iterator<Item = (&'a ModelName, &'a Arc<Speed>)>,
        now: Moment,
    ) {
        self.with(|books| books.moved((from, to), used, now));
    }

    fn lessons(&self, read: &mut dyn FnMut(&Track) -> Option<Estimate>) -> Vec<Lesson> {
        self.with(|books| books.lessons(read))
    }

    /// The lock is held for a look by name or a walk, by the fleet's owner and by whoever keeps or shows what was
    /// learned; decisions and answers never take it.
    fn with<T>(&self, work: impl FnOnce(&mut Books) -> T) -> T {
        work(&mut self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Books {
    fn speed(&mut self, backend: BackendId, model: &ModelName) -> Arc<Speed> {
        if let Some(speed) = self.speeds.get(&backend).and_then(|models| models.get(model)) {
            return Arc::clone(speed);
        }
        let speed = Arc::new(Speed::default());
        let count: usize = self.speeds.values().map(BTreeMap::len).sum();
        if count < SPEEDS {
            self.speeds.entry(backend).or_default().insert(model.clone(), Arc::clone(&speed));
        }
        speed
    }

    fn model(&mut self, model: &ModelName) -> Arc<OfModel> {
        if let Some(of_model) = self.models.get(model) {
            return Arc::clone(of_model);
        }
        let of_model = Arc::new(OfModel::default());
        if self.models.len() < MODELS {
            self.models.insert(model.clone(), Arc::clone(&of_model));
        }
        of_model
    }

    fn hours(&mut self, node: NodeId) -> Arc<Hours> {
        if let Some(hours) = self.hours.get(&node) {
            return Arc::clone(hours);
        }
        let hours = Arc::new(Hours::default());
        if self.hours.len() < MACHINES {
            self.hours.insert(node, Arc::clone(&hours));
        }
        hours
    }

    fn lessons(&self, read: &mut dyn FnMut(&Track) -> Option<Estimate>) -> Vec<Lesson> {
        let mut lessons = Vec::new();
        for (backend, models) in &self.speeds {
            for (model, speed) in models {
                let of = || Subject::Speed { backend: *backend, model: model.clone() };
                kept::collect(speed.tracks(), of, read, &mut lessons);
            }
        }
        for (model, of_model) in &self.models {
            kept::collect(of_model.tracks(), || Subject::Model { model: model.clone() }, read, &mut lessons);
            of_model.each_app(|app, track| {
                let of = || Subject::App { app: app.clone(), model: model.clone() };
                kept::collect([(Quantity::AnswerTokens, track)], of, read, &mut lessons);
            });
        }
        for (node, hours) in &self.hours {
            kept::collect(hours.tracks(), || Subject::Machine { node: *node }, read, &mut lessons);
        }
        lessons
    }

    fn restore(&mut self, lesson: &Lesson, now: Moment) -> bool {
        let Lesson { of, what, estimate } = lesson;
        match of {
            Subject::Speed { backend, model } => self.speed(*backend, model).restore(*what, *estimate, now),
            Subject::Model { model } => self.model(model).restore(*what, *estimate, now),
            Subject::App { app, model } => {
                *what == Quantity::AnswerTokens && self.model(model).restore_app(app, *estimate, now)
            }
            Subject::Machine { node } => self.hours(*node).restore(*what, *estimate, now),
        }
    }

    fn forget(&mut self, is_meant: impl Fn(&Subject) -> bool) -> Vec<Subject> {
        let mut forgotten = Vec::new();
        let mut meant = |of: Subject| {
            let is_meant = is_meant(&of);
            if is_meant {
                forgotten.push(of);
            }
            is_meant
        };
        for (backend, models) in &self.speeds {
            for (model, speed) in models {
                if meant(Subject::Speed { backend: *backend, model: model.clone() }) {
                    speed.forget();
                }
            }
        }
        for (model, of_model) in &self.models {
            if meant(Subject::Model { model: model.clone() }) {
                of_model.forget();
            }
            of_model.retain_apps(|app| !meant(Subject::App { app: app.clone(), model: model.clone() }));
        }
        for (node, hours) in &self.hours {
            if meant(Subject::Machine { node: *node }) {
                hours.forget();
            }
        }
        // What the fleet still shows must stay the object that it shows.
        self.speeds.values_mut().for_each(|models| models.retain(|_, speed| Arc::strong_count(speed) > 1));
        self.speeds.retain(|_, models| !models.is_empty());
        self.models.retain(|_, of_model| Arc::strong_count(of_model) > 1);
        self.hours.retain(|_, hours| Arc::strong_count(hours) > 1);
        forgotten
    }

    fn moved<'a>(
        &mut self,
        (from, to): (BackendId, BackendId),
        used: impl Iterator<Item = (&'a ModelName, &'a Arc<Speed>)>,
        now: Moment,
    ) {
        let mut old = self.speeds.remove(&from).unwrap_or_default();
        let kept = self.speeds.entry(to).or_default();
        for (model, used) in used {
            let before = [old.remove(model), kept.insert(model.clone(), Arc::clone(used))];
            before.into_iter().flatten().for_each(|before| used.take_over(&before, now));
        }
        for (model, speed) in old {
            kept.entry(model).or_insert(speed);
        }
        // It is kept under another name from now on.
        kept.values()
            .for_each(|speed| speed.tracks().into_iter().for_each(|(_, track)| track.mark_changed()));
    }
}
