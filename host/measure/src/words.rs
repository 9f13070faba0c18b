//! Prompts that no cache knows: words in an order that nobody had before, from the first one on. They say nothing, and
//! nobody's text is in them.

use std::fmt::Write as _;

/// Common words, of one or two tokens in every vocabulary that is known.
const WORDS: [&str; 32] = [
    "river", "stone", "green", "seven", "market", "window", "paper", "north", "winter", "garden", "silver",
    "letter", "music", "bridge", "summer", "yellow", "field", "table", "cloud", "horse", "morning", "little",
    "water", "forest", "copper", "island", "candle", "engine", "harbor", "basket", "mirror", "valley",
];
/// Bytes of a word with its space, on average.
const WORD_BYTES: usize = 7;
/// Bytes per token, roughly. What the server counts is what is reckoned with.
const TOKEN_BYTES: usize = 5;

/// A text of about `tokens` tokens. Texts of two seeds differ from the first word on, so that none finds the beginning of
/// another in a server's prompt cache.
pub(crate) fn text(seed: u64, tokens: u32) -> String {
    let count = tokens as usize * TOKEN_BYTES / WORD_BYTES;
    let mut state = mix(seed);
    let mut out = String::with_capacity(count * WORD_BYTES + 32);
    // Writing to a string cannot fail.
    let _ = write!(out, "{state:016x}");
    for _ in 0..count {
        state = mix(state);
        out.push(' ');
        out.push_str(WORDS.get((state >> 32) as usize % WORDS.len()).copied().unwrap_or_default());
    }
    out
}

/// Steps of Weyl's sequence, stirred (Steele, Lea and Flood: splitmix64).
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_prompts_begin_alike_and_each_is_about_as_long_as_asked() {
        let mut beginnings: Vec<String> =
            (0..1_000).map(|seed| text(seed, 8).chars().take(8).collect()).collect();
        beginnings.sort();
        beginnings.dedup();
        assert_eq!(beginnings.len(), 1_000);
        for tokens in [64, 512, 4_096] {
            let bytes = text(7, tokens).len();
            let expected = tokens as usize * TOKEN_BYTES;
            assert!(bytes.abs_diff(expected) < expected / 8 + 24, "{tokens}: {bytes}");
        }
        assert_eq!(text(3, 100), text(3, 100));
    }
}
