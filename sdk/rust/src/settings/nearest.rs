//! The known name that a mistyped one probably means.
//! Must not know: that the names are settings.

/// The name with the smallest edit distance; the first of equals; `None` when there are no names.
pub(crate) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.min_by_key(|name| distance(wrong.as_bytes(), name.as_bytes()))
}

/// Levenshtein's distance, one line of its table at a time.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut line: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.iter().enumerate() {
        let mut diagonal = row;
        let mut before = row + 1;
        for (cell, to) in line.iter_mut().zip(std::iter::once(None).chain(right.iter().map(Some))) {
            let above = *cell;
            *cell = match to {
                None => row + 1,
                Some(to) => (diagonal + usize::from(from != to)).min(above + 1).min(before + 1),
            };
            (diagonal, before) = (above, *cell);
        }
    }
    line.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn the_distance_counts_edits() {
        for (left, right, edits) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(left.as_bytes(), right.as_bytes()), edits, "{left} {right}");
        }
    }

    #[test]
    fn the_nearest_name_wins_and_nothing_is_near_nothing() {
        assert_eq!(nearest("wieght", ["weight", "width", "tag"].into_iter()), Some("weight"));
        assert_eq!(nearest("wait", ["weight", "waits"].into_iter()), Some("waits"));
        assert_eq!(nearest("x", std::iter::empty()), None);
    }
}
