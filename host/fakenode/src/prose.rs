//! The answers: sentences about sheep and fells, cut into tokens with leading spaces as tokenizers do.

const OPENINGS: [&str; 6] =
    ["At first light", "By noon", "After the rain", "In late autumn", "Up on the fell", "Below the crag"];
const WHO: [&str; 8] = [
    "the old ewe",
    "a young tup",
    "the whole flock",
    "the shepherd",
    "a black-faced lamb",
    "the grey dog",
    "our heafed herd",
    "the hogg by the wall",
];
const DOES: [&str; 8] = [
    "follows",
    "remembers",
    "crosses",
    "climbs toward",
    "keeps to",
    "watches over",
    "waits beside",
    "wanders along",
];
const WHERE: [&str; 8] = [
    "the drystone wall",
    "the beck",
    "the high pasture",
    "the sheepfold",
    "the bracken slope",
    "the quiet tarn",
    "the green road",
    "the cairn in the mist",
];
const ENDINGS: [&str; 7] = [
    "",
    ", and nobody hurries",
    ", as its mother did",
    " until the wind turns",
    ", one step at a time",
    " without being told",
    ", counting yan, tan, tethera",
];

/// Endless tokens, the same for the same seed.
pub(crate) fn tokens(seed: u64) -> impl Iterator<Item = String> {
    let mut dice = Dice(seed);
    let sentences = std::iter::repeat_with(move || sentence(&mut dice));
    sentences.enumerate().flat_map(|(index, text)| split(&text, index == 0))
}

fn sentence(dice: &mut Dice) -> String {
    let (opening, who, does) = (dice.pick(&OPENINGS), dice.pick(&WHO), dice.pick(&DOES));
    let (place, ending) = (dice.pick(&WHERE), dice.pick(&ENDINGS));
    format!("{opening} {who} {does} {place}{ending}.")
}

/// Words carry their leading space, punctuation stands alone, long words come in two pieces.
fn split(sentence: &str, first: bool) -> Vec<String> {
    let mut tokens = Vec::new();
    for (index, word) in sentence.split(' ').enumerate() {
        let body = word.trim_end_matches([',', '.']);
        let space = if first && index == 0 { "" } else { " " };
        match body.split_at_checked(5) {
            Some((head, tail)) if tail.len() >= 3 => {
                tokens.extend([format!("{space}{head}"), tail.to_owned()])
            }
            _ => tokens.push(format!("{space}{body}")),
        }
        tokens.extend(word.strip_prefix(body).filter(|mark| !mark.is_empty()).map(str::to_owned));
    }
    tokens
}

/// SplitMix64: enough randomness for sheep.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Anybody of the flock.
    pub(crate) fn name(&mut self) -> &'static str {
        self.pick(&WHO)
    }

    fn pick(&mut self, from: &'static [&'static str]) -> &'static str {
        from.get((self.roll() % from.len().max(1) as u64) as usize).copied().unwrap_or_default()
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn the_same_seed_says_the_same_and_reads_like_prose() {
        let text: String = tokens(7).take(60).collect();
        assert_eq!(text, tokens(7).take(60).collect::<String>());
        assert_ne!(text, tokens(8).take(60).collect::<String>());
        assert!(!text.starts_with(' ') && !text.contains("  ") && !text.contains(" ,"), "{text}");
        assert!(text.contains(". "), "{text}");
    }
}
