//! One model in a machine's memory: its slots, what runs in them, and the queue behind them that nobody outside sees.

use std::collections::VecDeque;

use super::{Cached, Happening, NOTHING};
use crate::time::Time;
use crate::trace::Request;

/// What a stream is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its prompt is being read.
    Prompt = 0,
    /// Its answer is being made.
    Answer = 1,
}

/// A request that runs.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Whose it is.
    pub request: Request,
    /// What it is at.
    pub stage: Stage,
    /// Prompt tokens that are still to be read.
    pub prompt_left: f64,
    /// Answer tokens that are still to be made.
    pub answer_left: f64,
}

/// One slot.
#[derive(Clone, Debug, Default)]
struct Slot {
    stream: Option<Stream>,
    cached: Option<Cached>,
    used: Time,
}

/// A model in memory, or on its way there.
#[derive(Clone, Debug)]
pub struct Runner {
    /// Whether it can answer.
    pub is_ready: bool,
    /// It takes no load's place any more and leaves once it is idle.
    pub is_leaving: bool,
    /// When it was there.
    pub loaded: Time,
    /// When it was last used.
    pub used: Time,
    /// Requests that were handed over and found no slot.
    pub queue: VecDeque<Request>,
    slots: Vec<Slot>,
    has_cache: bool,
}

impl Stream {
    /// Tokens left of what it is at.
    pub fn left(&self) -> f64 {
        match self.stage {
            Stage::Prompt => self.prompt_left,
            Stage::Answer => self.answer_left,
        }
    }

    pub(super) fn work(&mut self, tokens: f64) {
        match self.stage {
            Stage::Prompt => self.prompt_left -= tokens,
            Stage::Answer => self.answer_left -= tokens,
        }
    }
}

impl Runner {
    pub(super) fn new(slots: usize, has_cache: bool, now: Time) -> Self {
        Self {
            is_ready: false,
            is_leaving: false,
            loaded: now,
            used: now,
            queue: VecDeque::new(),
            slots: vec![Slot::default(); slots],
            has_cache,
        }
    }

    /// What runs in it.
    pub fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().filter_map(|slot| slot.stream.as_ref())
    }

    pub(super) fn streams_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().filter_map(|slot| slot.stream.as_mut())
    }

    /// Whether nothing of it runs or waits.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.streams().next().is_none()
    }

    /// Slots that nobody has.
    pub fn free(&self) -> usize {
        self.slots.len() - self.streams().count()
    }

    /// Tokens of this prompt that the idle slot would have, which it would be given now.
    pub fn cached(&self, request: &Request) -> f64 {
        self.best_slot(request).map_or(0.0, |(_, cached)| cached)
    }

    pub(super) fn everybody(&self) -> impl Iterator<Item = usize> {
        self.streams().map(|stream| stream.request.no).chain(self.queue.iter().map(|request| request.no))
    }

    pub(super) fn drop_request(&mut self, no: usize) {
        self.queue.retain(|request| request.no != no);
        for slot in &mut self.slots {
            if slot.stream.as_ref().is_some_and(|stream| stream.request.no == no) {
                slot.stream = None;
            }
        }
    }

    /// Whoever is done leaves, whoever waits takes what is free.
    pub(super) fn settle(&mut self, now: Time, happened: &mut Vec<Happening>, tokens: &mut (f64, f64)) {
        for slot in &mut self.slots {
            let Some(stream) = &mut slot.stream else { continue };
            if stream.stage == Stage::Prompt && stream.prompt_left <= NOTHING {
                stream.stage = Stage::Answer;
                happened.push(Happening::FirstToken(stream.request.no));
            }
            if stream.stage == Stage::Answer && stream.answer_left <= NOTHING {
                happened.push(Happening::Done(stream.request.no));
                slot.cached = self.has_cache.then(|| Cached::after(&stream.request, stream.request.answer));
                (slot.used, self.used) = (now, now);
                slot.stream = None;
            }
        }
        while self.is_ready && self.free() > 0 {
            let Some(request) = self.queue.pop_front() else { return };
            let Some((place, cached)) = self.best_slot(&request) else { return };
            tokens.0 += request.prompt;
            tokens.1 += cached;
            self.used = now;
            let slot = &mut self.slots[place];
            slot.cached = None;
            slot.stream = Some(Stream {
                stage: Stage::Prompt,
                prompt_left: request.prompt - cached,
                answer_left: request.answer,
                request,
            });
        }
    }

    /// The idle slot with the longest common beginning, else the one that was used longest ago.
    fn best_slot(&self, request: &Request) -> Option<(usize, f64)> {
        let idle = self.slots.iter().enumerate().filter(|(_, slot)| slot.stream.is_none());
        let shared = |slot: &Slot| slot.cached.as_ref().map_or(0.0, |cached| cached.shared_with(request));
        let measured = idle.map(|(place, slot)| (place, shared(slot), slot.used));
        let best = measured.max_by(|a, b| a.1.total_cmp(&b.1).then(b.2.cmp(&a.2)).then(b.0.cmp(&a.0)));
        best.map(|(place, cached, _)| (place, cached))
    }
}
