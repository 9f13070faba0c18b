//! Those who wait for one model, in the order in which they are looked at: class, then fair share, then arrival. It knows
//! no backend and decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::id::RowId;
use crate::moment::Moment;

use super::ask::{Ask, Class, Client};
use super::fair::Shares;

/// The place of a request in its line. Lower goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    class: Class,
    stamp: u64,
    arrival: u64,
}

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) ask: Ask,
    pub(crate) since: Moment,
    /// How much work it is, as its client is charged.
    pub(crate) share: u64,
    /// It has been looked at.
    pub(crate) looked: bool,
    /// The slot that it waits for: where, and its service there in milliseconds.
    pub(crate) reserved: Option<(RowId, f64)>,
    /// Bound to this backend, where requests are bound as they arrive.
    pub(crate) bound: Option<RowId>,
    /// Since when nobody can serve it.
    pub(crate) lost: Option<Moment>,
    /// Its deadline is near: it takes whatever is free.
    pub(crate) hurried: bool,
}

/// What changed for those who wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stirred {
    /// Nothing.
    #[default]
    Not,
    /// Slots may have freed: nobody needs to be looked at once all are taken again.
    Slots,
    /// Anything: everybody is looked at.
    All,
}

/// Who waits for one model.
#[derive(Debug, Default)]
pub(crate) struct Line {
    waiting: BTreeMap<Key, Waiting>,
    /// One for each class.
    shares: [Shares; 2],
    per_client: HashMap<Client, usize>,
    bytes: u64,
    arrivals: u64,
    /// Tokens of all prompts and of all answers to come.
    prompt_tokens: f64,
    expected_tokens: f64,
    /// What changed for those in it since they were looked at.
    pub(crate) stirred: Stirred,
    /// What the look under way, if it is not through, looks for.
    pub(crate) looks_for: Stirred,
    /// When somebody in it is to be looked at by itself.
    pub(crate) wake: Option<Moment>,
    /// Where a look stopped that used up its share of one turn; the next goes on from there.
    pub(crate) resume: Option<Key>,
}

impl Line {
    /// Puts a request in its place.
    pub(crate) fn push(&mut self, waiting: Waiting) -> Key {
        let Ask { class, client, .. } = waiting.ask;
        let stamp = self.shares_of(class).stamp(client, waiting.share);
        self.arrivals += 1;
        let key = Key { class, stamp, arrival: self.arrivals };
        self.bytes += waiting.ask.bytes;
        self.prompt_tokens += waiting.ask.profile.prompt_tokens;
        self.expected_tokens += waiting.ask.profile.expected_tokens;
        *self.per_client.entry(client).or_default() += 1;
        self.waiting.insert(key, waiting);
        key
    }

    /// Takes one out; `served` says whether it got what it waited for.
    pub(crate) fn remove(&mut self, key: Key, served: bool) -> Option<Waiting> {
        let waiting = self.waiting.remove(&key)?;
        let Ask { class, client, .. } = waiting.ask;
        if served {
            self.shares_of(class).serves(key.stamp);
        } else {
            self.shares_of(class).refunds(client, key.stamp, waiting.share);
        }
        self.bytes -= waiting.ask.bytes;
        self.prompt_tokens -= waiting.ask.profile.prompt_tokens;
        self.expected_tokens -= waiting.ask.profile.expected_tokens;
        if let Some(count) = self.per_client.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                self.per_client.remove(&client);
            }
        }
        if self.waiting.is_empty() {
            // Also the sums, so that no error of rounding outlives the line.
            *self = Self { arrivals: self.arrivals, ..Self::default() };
        }
        Some(waiting)
    }

    fn shares_of(&mut self, class: Class) -> &mut Shares {
        let [interactive, batch] = &mut self.shares;
        match class {
            Class::Interactive => interactive,
            Class::Batch => batch,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Waiting> {
        self.waiting.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Waiting> {
        self.waiting.get_mut(&key)
    }

    /// How many go before this one.
    pub(crate) fn ahead(&self, key: Key) -> usize {
        self.waiting.range(..key).count()
    }

    /// The first one, or the first that is not before `from`.
    pub(crate) fn next(&self, from: Option<Key>) -> Option<Key> {
        match from {
            None => self.waiting.first_key_value().map(|(key, _)| *key),
            Some(from) => self.waiting.range(from..).next().map(|(key, _)| *key),
        }
    }

    /// The one after `key`.
    pub(crate) fn after(&self, key: Key) -> Option<Key> {
        let beyond = (Bound::Excluded(key), Bound::Unbounded);
        self.waiting.range(beyond).next().map(|(key, _)| *key)
    }

    /// Everybody from `from` on, in order.
    pub(crate) fn range(&self, from: Option<Key>) -> impl Iterator<Item = &Waiting> {
        let from = from.map_or(Bound::Unbounded, Bound::Included);
        self.waiting.range((from, Bound::Unbounded)).map(|(_, waiting)| waiting)
    }

    /// Everybody, in order, to change.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.waiting.values_mut()
    }

    /// Somebody is to be looked at then, whatever happens until then.
    pub(crate) fn wake_at(&mut self, at: Moment) {
        self.wake = Some(self.wake.map_or(at, |before| before.min(at)));
    }

    /// Whether there is somebody to look at.
    pub(crate) fn is_stirred(&self) -> bool {
        !self.is_empty() && (self.stirred > Stirred::Not || self.resume.is_some())
    }

    /// Who has most in this line, and how many; of equals the lowest number, so that equal runs are equal.
    pub(crate) fn largest(&self) -> Option<(Client, usize)> {
        let each = self.per_client.iter().map(|(client, count)| (*client, *count));
        each.max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)))
    }

    /// How many of this client's wait here.
    pub(crate) fn of_client(&self, client: Client) -> usize {
        self.per_client.get(&client).copied().unwrap_or(0)
    }

    /// The last one of a client, which is the one that loses least by being refused.
    pub(crate) fn last_of(&self, client: Client) -> Option<Key> {
        self.waiting.iter().rev().find(|(_, waiting)| waiting.ask.client == client).map(|(key, _)| *key)
    }

    /// Mean tokens of prompt and answer of those who wait.
    pub(crate) fn mean_tokens(&self) -> Option<(f64, f64)> {
        let count = self.waiting.len() as f64;
        (count > 0.0).then(|| (self.prompt_tokens / count, self.expected_tokens / count))
    }
}

impl Key {
    pub(crate) fn class(self) -> Class {
        self.class
    }
}
