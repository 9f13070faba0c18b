//! What runs where and how far it is, and what else dispatch keeps of one model on one backend: a station. It knows
//! neither who waits nor how anybody is chosen.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Holding;
use crate::id::RowId;
use crate::live::LoadCredit;
use crate::moment::Moment;
use crate::slots::SlotGuard;

use super::answer::{LoadId, Progress};
use super::ask::Prompt;
use super::cache::Caches;
use super::rules::Tuning;

/// Time in which what ran is forgotten to a third (e) in the mean number of streams.
const UTIL_KEEPS: Duration = Duration::from_secs(60);
/// A prompt that takes longer to read than predicted is predicted to need this share of its prediction more.
const OVERDUE_RATIO: f64 = 0.2;

/// All stations, by row and then by model. Rows are small numbers that are never given twice.
#[derive(Debug, Default)]
pub(crate) struct Works {
    backends: Vec<Vec<Station>>,
}

/// One model on one backend.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) model: u32,
    /// What runs, in the order in which it began.
    pub(crate) runs: Vec<Run>,
    pub(crate) caches: Caches,
    /// What residency here saved lately, or would have saved.
    pub(crate) worth: Fading,
    /// Predicted service of those who wait for a slot here, in milliseconds.
    pub(crate) reserved_ms: f64,
    /// Its memory is given to another model, or it is loaded anew: no new work until then.
    pub(crate) closed: Option<LoadId>,
    /// When it was last loaded on our behalf.
    pub(crate) loaded: Option<Moment>,
    /// The context that we last asked for, and when, where the server does not tell.
    pub(crate) context: Option<(u32, Moment)>,
    /// Not to be loaded before, since that failed or could not begin.
    pub(crate) not_before: Option<Moment>,
    /// How often in a row it failed.
    pub(crate) failures: u32,
    /// An operator wants it to stay.
    pub(crate) pinned: bool,
    util: Fading,
    used: Moment,
    number: u64,
    /// Moves whenever a run begins or ends.
    revision: u64,
    sums: Cell<(Moment, u64, Sums)>,
}

/// What is the same for everybody who is looked at in the same moment. In a look at many it would be added up anew for
/// each of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// Predicted rest of everything that runs on the backend.
    pub(crate) rest_ms: f64,
    /// Mean number of streams of other models.
    pub(crate) other_util: f64,
    /// Predicted time until a slot of this model frees; 0 when one is free.
    pub(crate) first_free_ms: f64,
}

/// A request that runs.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) number: u64,
    pub(crate) holding: Arc<Holding>,
    /// Given back when this is dropped.
    pub(crate) slot: SlotGuard,
    pub(crate) progress: Arc<Progress>,
    pub(crate) began: Moment,
    /// Its answer has begun.
    pub(crate) answering: bool,
    /// What comes before the answer: the rest of the prompt, and a load that the request itself carries.
    pub(crate) before_ms: f64,
    pub(crate) expected_tokens: f64,
    pub(crate) decode_per_s: f64,
    /// The mirrored slot, and what it holds afterwards.
    pub(crate) cache: Option<usize>,
    pub(crate) prompt: Prompt,
    pub(crate) prompt_tokens: f64,
    /// Its part in a load that it carries itself.
    pub(crate) credit: Option<LoadCredit>,
}

/// A number that fades: after a time constant a third (1/e) is left.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fading {
    value: f64,
    at: Moment,
}

impl Fading {
    /// The value now, fading towards `level`.
    pub(crate) fn at(self, now: Moment, keeps: Duration, level: f64) -> f64 {
        // What is at its level stays there, and no exponential has to be taken to see it.
        if now <= self.at || self.value == level {
            return self.value;
        }
        let left = (-now.since(self.at).as_secs_f64() / keeps.as_secs_f64()).exp();
        level + (self.value - level) * left
    }

    /// Sets it.
    pub(crate) fn set(&mut self, value: f64, now: Moment) {
        *self = Self { value, at: now };
    }

    /// Adds to what is left.
    pub(crate) fn add(&mut self, more: f64, now: Moment, keeps: Duration) {
        self.set(self.at(now, keeps, 0.0) + more, now);
    }
}

impl Run {
    /// Predicted time until it ends, in milliseconds, while streams are `slow_down` times slower than alone.
    ///
    /// Lengths of answers have a heavy tail: one that has gone on for longer than expected is predicted to go on for as
    /// long again.
    pub(crate) fn rest_ms(&self, now: Moment, slow_down: f64) -> f64 {
        let produced = f64::from(self.progress.count());
        let left = self.expected_tokens.max(produced);
        let answer_ms = left * slow_down / self.decode_per_s * 1e3;
        if self.answering || produced > 0.0 {
            return answer_ms;
        }
        let done_ms = now.since(self.began).as_secs_f64() * 1e3;
        (self.before_ms - done_ms).max(self.before_ms * OVERDUE_RATIO) + answer_ms
    }
}

impl Station {
    pub(crate) fn new(model: u32) -> Self {
        Self {
            model,
            runs: Vec::new(),
            caches: Caches::default(),
            worth: Fading::default(),
            reserved_ms: 0.0,
            closed: None,
            loaded: None,
            context: None,
            not_before: None,
            failures: 0,
            pinned: false,
            util: Fading::default(),
            used: Moment::default(),
            number: 0,
            revision: 0,
            sums: Cell::default(),
        }
    }

    /// The sums of this station among all `stations` of its backend.
    pub(crate) fn sums(
        &self,
        stations: &[Station],
        holding: &Holding,
        (tuning, now): (&Tuning, Moment),
    ) -> Sums {
        let slots = &holding.live.slots;
        // Slots that are resized, or that others take, count as a revision too. One more, so that no station begins with
        // sums that nobody added up.
        let revisions: u64 = stations.iter().map(|station| station.revision).sum();
        let revision =
            (revisions + 1) << 32 | u64::from(slots.total()) << 12 | u64::from(slots.free().min(4_095));
        let (at, of, known) = self.sums.get();
        if (at, of) == (now, revision) {
            return known;
        }
        let others = || stations.iter().filter(|station| station.model != self.model);
        let same = self.runs.len() as f64;
        let other: usize = others().map(|station| station.runs.len()).sum();
        let is_full = slots.free() == 0;
        let slow_down = || tuning.slow_down(same, other as f64);
        let sums = Sums {
            rest_ms: rest_ms(stations, tuning, now),
            other_util: others().map(|station| station.util(now)).sum(),
            first_free_ms: if is_full { self.first_free_ms(slots.total(), now, slow_down()) } else { 0.0 },
        };
        self.sums.set((now, revision, sums));
        sums
    }

    /// A number for the next run, unlike that of any other here.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Takes a run in.
    pub(crate) fn begin(&mut self, run: Run) {
        self.revision += 1;
        self.count_util(run.began);
        self.used = run.began;
        self.runs.push(run);
    }

    /// Takes a run out.
    pub(crate) fn end(&mut self, number: u64, now: Moment) -> Option<Run> {
        let at = self.runs.iter().position(|run| run.number == number)?;
        self.revision += 1;
        self.count_util(now);
        self.used = now;
        Some(self.runs.remove(at))
    }

    fn count_util(&mut self, now: Moment) {
        self.util.set(self.util(now), now);
    }

    /// Mean number of streams in the last minute.
    pub(crate) fn util(&self, now: Moment) -> f64 {
        self.util.at(now, UTIL_KEEPS, self.runs.len() as f64)
    }

    /// When something last ran here.
    pub(crate) fn used(&self) -> Moment {
        self.used
    }

    /// The longest rest of what runs here.
    pub(crate) fn longest_rest_ms(&self, now: Moment, slow_down: f64) -> f64 {
        self.runs.iter().map(|run| run.rest_ms(now, slow_down)).fold(0.0, f64::max)
    }

    /// Predicted time until one of `total` slots frees, all of them taken by what runs here: when there are fewer slots
    /// than runs, more than one has to end first. NaN when nothing of ours runs.
    pub(crate) fn first_free_ms(&self, total: u32, now: Moment, slow_down: f64) -> f64 {
        let surplus = self.runs.len().saturating_sub((total as usize).max(1));
        let rests = self.runs.iter().map(|run| run.rest_ms(now, slow_down));
        if surplus == 0 {
            return rests.fold(f64::NAN, f64::min);
        }
        let mut rests: Vec<f64> = rests.collect();
        rests.sort_by(f64::total_cmp);
        rests.get(surplus).copied().unwrap_or(f64::NAN)
    }
}

/// Predicted rest of everything that runs at these stations of one backend, in milliseconds.
pub(crate) fn rest_ms(stations: &[Station], tuning: &Tuning, now: Moment) -> f64 {
    let all: usize = stations.iter().map(|station| station.runs.len()).sum();
    let busy = stations.iter().filter(|station| !station.runs.is_empty());
    let each = busy.map(|station| {
        let own = station.runs.len();
        let slow_down = tuning.slow_down(own as f64, (all - own) as f64);
        station.runs.iter().map(|run| run.rest_ms(now, slow_down)).sum::<f64>()
    });
    each.sum()
}

impl Works {
    /// All stations of a backend.
    pub(crate) fn of(&self, row: RowId) -> &[Station] {
        self.backends.get(row.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// The same, to change.
    pub(crate) fn of_mut(&mut self, row: RowId) -> &mut [Station] {
        self.backends.get_mut(row.0 as usize).map_or(&mut [], Vec::as_mut_slice)
    }

    pub(crate) fn get(&self, row: RowId, model: u32) -> Option<&Station> {
        self.of(row).iter().find(|station| station.model == model)
    }

    pub(crate) fn get_mut(&mut self, row: RowId, model: u32) -> Option<&mut Station> {
        self.of_mut(row).iter_mut().find(|station| station.model == model)
    }

    /// Has a station made if there is none.
    pub(crate) fn make(&mut self, row: RowId, model: u32) {
        let at = row.0 as usize;
        if self.backends.len() <= at {
            self.backends.resize_with(at + 1, Vec::new);
        }
        if let Some(stations) = self.backends.get_mut(at)
            && !stations.iter().any(|station| station.model == model)
        {
            stations.push(Station::new(model));
        }
    }

    /// Changes a station, made if need be.
    pub(crate) fn change<T: Default>(
        &mut self,
        row: RowId,
        model: u32,
        change: impl FnOnce(&mut Station) -> T,
    ) -> T {
        self.make(row, model);
        self.get_mut(row, model).map(change).unwrap_or_default()
    }

    /// Streams on a backend, of `model` and of all others.
    pub(crate) fn streams(&self, row: RowId, model: u32) -> (f64, f64) {
        let (mut same, mut other) = (0, 0);
        for station in self.of(row) {
            if station.model == model {
                same += station.runs.len();
            } else {
                other += station.runs.len();
            }
        }
        (same as f64, other as f64)
    }

    /// How many times slower streams of `model` are on a backend now than alone.
    pub(crate) fn slow_down(&self, row: RowId, model: u32, tuning: &Tuning) -> f64 {
        let (same, other) = self.streams(row, model);
        tuning.slow_down(same, other)
    }

    /// Every station with its row.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RowId, &Station)> {
        self.backends
            .iter()
            .enumerate()
            .flat_map(|(row, stations)| stations.iter().map(move |station| (RowId(row as u32), station)))
    }

    /// Every station, to change.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Station> {
        self.backends.iter_mut().flatten()
    }

    /// Forgets the stations of backends that `is_there` does not know and on which nothing runs any more.
    pub(crate) fn keep(&mut self, is_there: impl Fn(RowId) -> bool) {
        for (row, stations) in self.backends.iter_mut().enumerate() {
            if !is_there(RowId(row as u32)) {
                stations.retain(|station| !station.runs.is_empty());
            }
        }
    }
}
