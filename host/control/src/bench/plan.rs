//! How much is asked: enough to tell a rate from what comes with it, and little enough that a slow machine is done in a
//! minute or two. Pure.

/// The context of a model that tells none: Ollama's own least.
const CONTEXT: u32 = 4_096;
/// A prompt fills this share of the context at most: servers count a few tokens more than we do.
const SHARE: f64 = 0.6;
/// The shorter of two prompts has this share of the longer one's tokens.
const SHORTER: u32 = 8;
/// No prompt is shorter: its length would be lost in what every answer takes.
const LEAST: u32 = 32;
/// Answers that are only asked for to see how long a prompt takes.
const BRIEF: u32 = 16;

/// How much is asked of one model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plan {
    /// Tokens of the shorter prompt.
    pub(crate) short: u32,
    /// Tokens of the longer one, on a machine that is fast enough.
    pub(crate) long: u32,
    /// Tokens of an answer whose pace is measured, on a machine that is fast enough.
    pub(crate) answer: u32,
    /// How often each prompt is asked.
    pub(crate) repeats: u32,
    /// Answers at once, in the end; 1 = there is only one slot.
    pub(crate) streams: u32,
    /// How often the model is loaded; 0 = only if it is not in memory.
    pub(crate) loads: u32,
    /// What one question may take, in seconds.
    pub(crate) patience_s: f64,
}

impl Plan {
    /// For a model with this context and so many slots.
    pub(crate) fn new(quick: bool, context: Option<u32>, slots: u32, can_load: bool) -> Self {
        let context = context.unwrap_or(CONTEXT);
        let room = (f64::from(context) * SHARE) as u32;
        let (long, answer) = if quick { (1_024, 64) } else { (2_048, 128) };
        let long = long.min(room).max(LEAST);
        Self {
            short: (long / SHORTER).max(LEAST),
            long,
            answer: answer.min(context / 4).max(BRIEF),
            repeats: if quick { 1 } else { 2 },
            streams: slots.clamp(1, STREAMS),
            loads: if can_load && !quick { 2 } else { 0 },
            patience_s: if quick { 4.0 } else { 10.0 },
        }
    }

    /// Tokens of an answer that is asked for only to see when it begins.
    pub(crate) fn brief(&self) -> u32 {
        BRIEF
    }

    /// The longer prompt, for a machine that reads so many tokens per second.
    pub(crate) fn long_for(&self, prefill_per_s: f64) -> u32 {
        within(prefill_per_s, self.patience_s, (self.short * 2).min(self.long), self.long)
    }

    /// The answer, for a machine that makes so many tokens per second.
    pub(crate) fn answer_for(&self, decode_per_s: f64) -> u32 {
        within(decode_per_s, self.patience_s, BRIEF.min(self.answer), self.answer)
    }

    /// Steps, so that somebody sees how far it is: loads, a first answer, prompts, an answer alone, answers at once.
    pub(crate) fn steps(&self, is_resident: bool) -> u32 {
        let loads = if self.loads > 0 { self.loads } else { u32::from(!is_resident) };
        loads + 1 + 2 * self.repeats + 1 + u32::from(self.streams > 1)
    }
}

/// Answers at once at most: more tell nothing that is not seen with so many, and take long.
const STREAMS: u32 = 16;

/// As many tokens as are made in this time, within bounds.
fn within(per_s: f64, seconds: f64, least: u32, most: u32) -> u32 {
    // A cast of a float stays within the type's bounds; NaN becomes 0.
    ((per_s * seconds) as u32).clamp(least.min(most), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_fit_into_the_context_with_room_for_the_answer() {
        for context in [512, 2_048, 4_096, 8_192, 131_072] {
            for quick in [false, true] {
                let plan = Plan::new(quick, Some(context), 4, true);
                assert!(plan.long + plan.answer < context, "{context}: {plan:?}");
                assert!(plan.short < plan.long && plan.short >= LEAST, "{context}: {plan:?}");
            }
        }
        let tiny = Plan::new(false, Some(1), 0, false);
        assert!(tiny.short >= LEAST && tiny.streams == 1 && tiny.loads == 0, "{tiny:?}");
        assert_eq!(Plan::new(false, None, 1_000, true).streams, STREAMS);
    }

    #[test]
    fn a_slow_machine_is_asked_for_less() {
        let plan = Plan::new(false, Some(8_192), 4, true);
        assert_eq!((plan.short, plan.long, plan.answer), (256, 2_048, 128));
        for (prefill, long) in
            [(10_000.0, 2_048), (100.0, 1_000), (8.0, 512), (f64::NAN, 512), (f64::INFINITY, 2_048)]
        {
            assert_eq!(plan.long_for(prefill), long, "{prefill}");
        }
        for (decode, answer) in [(100.0, 128), (5.0, 50), (0.5, 16), (f64::NAN, 16)] {
            assert_eq!(plan.answer_for(decode), answer, "{decode}");
        }
    }

    #[test]
    fn a_quick_run_leaves_in_memory_what_is_there() {
        let quick = Plan::new(true, None, 2, true);
        assert_eq!((quick.loads, quick.repeats, quick.steps(true), quick.steps(false)), (0, 1, 5, 6));
        let whole = Plan::new(false, None, 1, true);
        assert_eq!((whole.loads, whole.steps(true)), (2, 8));
        assert_eq!(Plan::new(false, None, 1, false).loads, 0);
    }
}
