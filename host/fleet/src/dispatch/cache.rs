//! What the prompt caches of a model's slots are predicted to hold: a mirror of each slot, by hashes of what was sent
//! there. It never sees a prompt.
//!
//! The rules are those of Ollama's runner and of llama.cpp: a request takes the idle slot with the longest common prefix,
//! else the one that was used longest ago; what runs in a slot cannot be used by others until it ends.

use crate::moment::Moment;

use super::ask::{Part, Prompt};

/// Slots that are mirrored per model and backend. Servers with more share their cache by pages, not by slots.
const MOST: usize = 64;

/// The mirror of one model on one backend.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    busy: bool,
    used: Moment,
    held: Prompt,
    /// Tokens of the prompt, and of the answer that follows it.
    prompt: f64,
    answer: f64,
}

impl Caches {
    /// Tokens of `prompt`, which has `tokens` in all, that an idle slot holds.
    pub(crate) fn common(&self, prompt: &Prompt, tokens: f64) -> f64 {
        let idle = self.slots.iter().filter(|slot| !slot.busy);
        idle.map(|slot| slot.common(prompt, tokens)).fold(0.0, f64::max)
    }

    /// Whether the conversation's last turn ran in one of these slots.
    pub(crate) fn has_session(&self, session: u64) -> bool {
        self.slots.iter().any(|slot| slot.held.session == Some(session))
    }

    /// Takes the slot that the server will take, of `total`; says which, and how many tokens of the prompt it holds.
    pub(crate) fn take(&mut self, prompt: &Prompt, tokens: f64, total: u32) -> (Option<usize>, f64) {
        let total = (total as usize).min(MOST);
        let best = self.slots.iter().enumerate().filter(|(_, slot)| !slot.busy);
        let best = best.map(|(at, slot)| (at, slot.common(prompt, tokens), slot.used));
        // Of equals the one that was used longest ago, and of those the first.
        let best = best.max_by(|a, b| a.1.total_cmp(&b.1).then(b.2.cmp(&a.2)).then(b.0.cmp(&a.0)));
        let at = match best {
            Some((at, common, _)) if common > 0.0 || self.slots.len() >= total => Some((at, common)),
            _ if self.slots.len() < total => {
                self.slots.push(Slot::default());
                Some((self.slots.len() - 1, 0.0))
            }
            _ => None,
        };
        let Some((at, common)) = at else { return (None, 0.0) };
        if let Some(slot) = self.slots.get_mut(at) {
            slot.busy = true;
        }
        (Some(at), common)
    }

    /// What ran in a slot ended; `held` is what it holds now, with the tokens of prompt and answer. `None` = unknown.
    pub(crate) fn give_back(&mut self, at: usize, held: Option<(Prompt, f64, f64)>, now: Moment) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        let (held, prompt, answer) = held.unwrap_or_default();
        *slot = Slot { busy: false, used: now, held, prompt, answer };
    }

    /// The model was let go of, and with it all that was cached. What still runs keeps its slot.
    pub(crate) fn clear(&mut self) {
        for slot in &mut self.slots {
            *slot = Slot { busy: slot.busy, ..Slot::default() };
        }
    }

    /// When idle slots with something in them were last used, and how many parts they hold.
    pub(crate) fn held(&self) -> impl Iterator<Item = (Moment, usize)> {
        self.slots.iter().map(|slot| (slot.used, slot.held.parts.len()))
    }

    /// Forgets what was last used before `before`.
    pub(crate) fn forget(&mut self, before: Moment) {
        for slot in self.slots.iter_mut().filter(|slot| !slot.busy && slot.used < before) {
            *slot = Slot { used: slot.used, ..Slot::default() };
        }
    }
}

impl Slot {
    fn common(&self, prompt: &Prompt, tokens: f64) -> f64 {
        let (held, asked) = (&self.held.parts, &prompt.parts);
        let common = if held.is_empty() || asked.is_empty() {
            let same = self.held.session.is_some() && self.held.session == prompt.session;
            if same { self.prompt + self.answer } else { 0.0 }
        } else {
            // Hashes are over all that goes before, so that they agree up to one place and not beyond it.
            let both = held.len().min(asked.len());
            let same = |at: usize| held.get(at).map(hash) == asked.get(at).map(hash);
            let agree = first_false(both, same);
            let upto =
                |at: usize| at.checked_sub(1).and_then(|at| asked.get(at)).map_or(0.0, |part| part.tokens);
            // The part after all that was sent is what was answered.
            let answered = if agree == held.len() {
                asked.get(agree).map_or(0.0, |next| (next.tokens - upto(agree)).min(self.answer))
            } else {
                0.0
            };
            upto(agree) + answered.max(0.0)
        };
        common.clamp(0.0, tokens.max(0.0))
    }
}

fn hash(part: &Part) -> u64 {
    part.hash
}

/// The first of `count` places where `test` does not hold, given that it never holds again after that.
fn first_false(count: usize, test: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        if test(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A prompt of parts of 100 tokens each; parts with equal numbers from the beginning are equal.
    fn prompt(parts: &[u64]) -> Prompt {
        let mut hash = 0_u64;
        let parts = parts.iter().enumerate().map(|(at, part)| {
            hash = hash.wrapping_mul(31).wrapping_add(*part + 1);
            Part { hash, tokens: (at as f64 + 1.0) * 100.0 }
        });
        Prompt { session: None, parts: parts.collect() }
    }

    fn after(caches: &mut Caches, sent: &[u64], total: u32, now: u64) -> f64 {
        let sent = prompt(sent);
        let tokens = sent.parts.len() as f64 * 100.0;
        let (at, common) = caches.take(&sent, tokens, total);
        caches.give_back(at.expect("a free slot"), Some((sent, tokens, 40.0)), Moment(now));
        common
    }

    #[test]
    fn the_next_turn_finds_its_prompt_and_the_answer() {
        let mut caches = Caches::default();
        assert_eq!(after(&mut caches, &[1, 2], 2, 0), 0.0);
        assert_eq!(caches.common(&prompt(&[1, 2, 3, 4]), 400.0), 240.0, "two parts, and 40 of the answer");
        assert_eq!(caches.common(&prompt(&[1, 9]), 200.0), 100.0, "the head that they share");
        assert_eq!(caches.common(&prompt(&[9, 2]), 200.0), 0.0, "a prefix, not a part");
        assert_eq!(caches.common(&prompt(&[1, 2]), 200.0), 200.0, "the same again");
        assert_eq!(caches.common(&prompt(&[1, 2]), 150.0), 150.0, "never more than there is");
    }

    #[test]
    fn a_busy_slot_holds_nothing_for_others() {
        let mut caches = Caches::default();
        after(&mut caches, &[1, 2], 2, 0);
        let (slot, _) = caches.take(&prompt(&[1, 2, 3]), 300.0, 2);
        assert_eq!(caches.common(&prompt(&[1, 2, 3]), 300.0), 0.0);
        caches.give_back(slot.expect("a slot"), None, Moment(1));
        assert_eq!(caches.common(&prompt(&[1, 2, 3]), 300.0), 0.0, "a failure leaves nothing that is known");
    }

    #[test]
    fn the_longest_prefix_is_taken_else_a_new_slot_else_the_one_used_longest_ago() {
        let mut caches = Caches::default();
        after(&mut caches, &[1, 2], 2, 1);
        after(&mut caches, &[7, 8], 2, 2);
        assert_eq!(after(&mut caches, &[1, 2, 3], 2, 3), 240.0);
        after(&mut caches, &[5], 2, 4);
        assert_eq!(caches.common(&prompt(&[7, 8]), 200.0), 0.0, "it was used longest ago");
        assert_eq!(caches.common(&prompt(&[1, 2, 3]), 300.0), 300.0);
    }

    #[test]
    fn a_session_counts_where_nobody_hashes() {
        let mut caches = Caches::default();
        let turn = Prompt { session: Some(7), parts: [].into() };
        let (slot, _) = caches.take(&turn, 100.0, 1);
        caches.give_back(slot.expect("a slot"), Some((turn.clone(), 100.0, 30.0)), Moment(1));
        assert!(caches.has_session(7) && !caches.has_session(8));
        assert_eq!(caches.common(&turn, 500.0), 130.0);
        assert_eq!(caches.common(&Prompt::default(), 500.0), 0.0, "nobody's session is not the same session");
    }
}
