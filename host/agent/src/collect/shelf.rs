//! Where the last answers of all sources lie, each with its age, and what they are together. Sources are asked on threads
//! of their own; whoever takes from here never waits for one.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use herdwick_fleet::Column;
use tokio::sync::watch;

use super::source::{Found, Next, Source};

/// Stack of a source's thread. Drivers that are loaded run on it as well.
const STACK: usize = 1 << 20;

/// What a source said last.
#[derive(Debug)]
struct Place {
    name: &'static str,
    keeps: Option<Duration>,
    /// It may know of a card; until it has answered, nobody may believe that there is none.
    may_have_cards: bool,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    last: Option<(Instant, Found)>,
    /// Until it is asked again; `None` = it is not.
    pause: Option<Duration>,
    /// It knew of a card with memory of its own once. A card that falls silent is no reason to believe that models moved.
    had_card: bool,
    /// Its silence was logged.
    is_missed: bool,
}

/// All of them, in the order in which they were given.
#[derive(Debug)]
pub(crate) struct Shelf {
    places: Vec<Arc<Place>>,
    /// Dropped with the shelf, by which the threads end.
    stops: Vec<Sender<()>>,
    /// Moves with each answer.
    answers: watch::Receiver<()>,
}

/// What all sources say together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Together {
    /// Each column once, with its age.
    pub(crate) readings: Vec<(Column, f64, Duration)>,
    /// With their ages.
    pub(crate) facts: herdwick_wire::machine::MachineFacts,
    /// See [`Found::has_card`].
    pub(crate) has_card: bool,
}

impl Shelf {
    /// Begins to ask each source, on a thread of its own. One that cannot have a thread stays silent.
    pub(crate) fn fill(sources: Vec<Box<dyn Source>>) -> Self {
        let (answered, answers) = watch::channel(());
        let (mut places, mut stops) = (Vec::new(), Vec::new());
        for mut source in sources {
            let (stop, stopped) = mpsc::channel::<()>();
            let place = Arc::new(Place {
                name: source.name(),
                keeps: source.keeps(),
                may_have_cards: source.may_have_cards(),
                told: Mutex::default(),
            });
            let (own, answered) = (Arc::clone(&place), answered.clone());
            let run = move || loop {
                let began = Instant::now();
                let (found, next) = source.look();
                own.put(began, found, next);
                answered.send_replace(());
                let Next::After(pause) = next else { return };
                // Nothing is ever sent: the other end goes, or the pause is over.
                if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            };
            let thread = thread::Builder::new().name(format!("look-{}", place.name)).stack_size(STACK);
            if let Err(error) = thread.spawn(run) {
                tracing::warn!("nothing is told of this machine's {}: no thread: {error}", place.name);
            }
            places.push(place);
            stops.push(stop);
        }
        Self { places, stops, answers }
    }

    /// Returns once the first source has answered.
    pub(crate) async fn has_begun(&self) {
        let Some(first) = self.places.first() else { return };
        // Its senders live as long as the threads.
        let _ = self.answers.clone().wait_for(|()| first.has_answered()).await;
    }

    /// What they say together at this moment. Those that are late say nothing.
    pub(crate) fn take(&self, now: Instant) -> Together {
        let mut together = Together::default();
        for place in &self.places {
            if let Some((age, found)) = place.fresh(now) {
                together.absorb(age, place.keeps.is_none(), found);
            }
            together.has_card |= place.has_card();
        }
        together
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.stops.clear();
    }
}

impl Place {
    fn put(&self, at: Instant, found: Found, next: Next) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.had_card |= found.has_card;
        told.pause = match next {
            Next::After(pause) => Some(pause),
            Next::Never => None,
        };
        told.last = Some((at, found));
        if std::mem::take(&mut told.is_missed) {
            tracing::info!("this machine's {} is told again", self.name);
        }
    }

    fn has_answered(&self) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).last.is_some()
    }

    fn has_card(&self) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.had_card || (self.may_have_cards && told.last.is_none())
    }

    /// Its last answer and its age, unless that is too old. Where a source sees no reason to look again soon, it is not
    /// late before it has looked.
    fn fresh(&self, now: Instant) -> Option<(Duration, Found)> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, found) = told.last.as_ref()?;
        let age = now.saturating_duration_since(*at);
        let keeps = self.keeps.zip(told.pause).map(|(keeps, pause)| keeps.max(pause.saturating_mul(2)));
        if keeps.is_none_or(|keeps| age <= keeps) {
            return Some((age, found.clone()));
        }
        if !std::mem::replace(&mut told.is_missed, true) {
            tracing::warn!(
                "this machine's {} is not told any more: nothing was heard of it for {} s",
                self.name,
                age.as_secs()
            );
        }
        None
    }
}

impl Together {
    /// One source more. What never changes is as true now as when it was found out.
    fn absorb(&mut self, age: Duration, is_lasting: bool, found: Found) {
        let of_now = if is_lasting { Duration::ZERO } else { age };
        for (column, value) in found.readings.into_iter().filter(|(_, value)| value.is_finite()) {
            match self.readings.iter_mut().find(|(known, ..)| *known == column) {
                Some(known) if !is_graded(column) || value >= known.1 => *known = (column, value, of_now),
                Some(_) => {}
                None => self.readings.push((column, value, of_now)),
            }
        }
        self.facts.absorb(found.facts.aged(age));
        self.has_card |= found.has_card;
    }
}

/// Whether the worst counts of what several sources say.
fn is_graded(column: Column) -> bool {
    matches!(
        column,
        Column::MemPressure | Column::Thermal | Column::Throttled | Column::Battery | Column::Meeting
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(readings: &[(Column, f64)]) -> Found {
        Found { readings: readings.to_vec(), ..Found::default() }
    }

    #[test]
    fn of_several_words_the_worst_counts_where_there_is_a_worst_and_else_the_last() {
        let mut together = Together::default();
        let second = Duration::from_secs(1);
        together.absorb(second, false, found(&[(Column::Thermal, 2.0), (Column::CpuBusy, 0.9)]));
        together.absorb(2 * second, false, found(&[(Column::Thermal, 1.0), (Column::CpuBusy, 0.1)]));
        together.absorb(3 * second, true, found(&[(Column::Battery, 1.0), (Column::MemPressure, f64::NAN)]));
        let expected = [
            (Column::Thermal, 2.0, second),
            (Column::CpuBusy, 0.1, 2 * second),
            (Column::Battery, 1.0, Duration::ZERO),
        ];
        assert_eq!(together.readings, expected);
    }

    /// Answers once for each word that it is given, and hangs between them.
    struct Told(mpsc::Receiver<f64>);

    impl Source for Told {
        fn name(&self) -> &'static str {
            "nose"
        }

        fn keeps(&self) -> Option<Duration> {
            Some(Duration::from_secs(3))
        }

        fn look(&mut self) -> (Found, Next) {
            match self.0.recv() {
                Ok(value) => (found(&[(Column::Thermal, value)]), Next::After(Duration::ZERO)),
                Err(_) => (Found::default(), Next::Never),
            }
        }
    }

    #[tokio::test]
    async fn a_source_that_hangs_falls_silent_and_nobody_waits_for_it() {
        let (tell, told) = mpsc::channel();
        let shelf = Shelf::fill(vec![Box::new(Told(told))]);
        assert_eq!(shelf.take(Instant::now()), Together::default(), "it has not answered yet");
        tell.send(1.0).expect("it listens");
        shelf.has_begun().await;
        let now = Instant::now();
        assert_eq!(shelf.take(now).readings.len(), 1);
        assert_eq!(shelf.take(now + Duration::from_secs(4)).readings, [], "it hangs");
        tell.send(2.0).expect("it listens");
        let mut answers = shelf.answers.clone();
        while shelf.take(now).readings.first().is_none_or(|(_, value, _)| *value < 2.0) {
            answers.changed().await.expect("the thread lives");
        }
    }

    fn place(may_have_cards: bool) -> Place {
        let keeps = Some(Duration::from_secs(8));
        Place { name: "cards", keeps, may_have_cards, told: Mutex::default() }
    }

    #[test]
    fn a_card_is_not_forgotten_and_not_ruled_out_unasked() {
        let (place, now) = (place(true), Instant::now());
        assert!(place.has_card() && !self::place(false).has_card());
        place.put(now, Found::default(), Next::Never);
        assert!(!place.has_card());
        place.put(now, Found { has_card: true, ..Found::default() }, Next::Never);
        place.put(now, Found::default(), Next::Never);
        assert!(place.has_card(), "its card fell silent");
    }

    #[test]
    fn who_has_no_reason_to_look_soon_is_not_late() {
        let (place, now) = (place(true), Instant::now());
        let is_fresh = |next: Next, age: u64| {
            place.put(now, Found::default(), next);
            place.fresh(now + Duration::from_secs(age)).is_some()
        };
        let soon = Next::After(Duration::from_secs(2));
        assert!(is_fresh(soon, 8) && !is_fresh(soon, 9));
        let late = Next::After(Duration::from_secs(60));
        assert!(is_fresh(late, 119) && !is_fresh(late, 121) && is_fresh(Next::Never, 1_000_000));
    }

    #[tokio::test]
    async fn sources_end_with_whoever_asked_for_them() {
        struct Held(Sender<()>);
        impl Source for Held {
            fn name(&self) -> &'static str {
                "held"
            }
            fn keeps(&self) -> Option<Duration> {
                None
            }
            fn look(&mut self) -> (Found, Next) {
                let _ = self.0.send(());
                (Found::default(), Next::After(Duration::from_secs(3_600)))
            }
        }
        let (held, ended) = mpsc::channel();
        let shelf = Shelf::fill(vec![Box::new(Held(held))]);
        shelf.has_begun().await;
        drop(shelf);
        let patience = Duration::from_secs(10);
        assert_eq!(ended.recv_timeout(patience), Ok(()), "it looked");
        assert_eq!(ended.recv_timeout(patience), Err(RecvTimeoutError::Disconnected), "it is gone");
    }
}
