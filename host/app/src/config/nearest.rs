//! What somebody probably meant, added to a problem.

use herdwick_fleet::nearest::distance;

/// `; did you mean "x"?` when something possible is near.
pub(crate) fn hint<'a>(written: &str, possible: impl Iterator<Item = &'a str>) -> String {
    match near(written, possible) {
        Some(name) => format!("; did you mean {name:?}?"),
        None => String::new(),
    }
}

/// Says that a key is unknown, and which one was probably meant, or which ones its section has.
pub(crate) fn unknown(written: &str, possible: &[&str]) -> String {
    match key(written, possible) {
        Some(near) => format!("unknown key {written:?}; did you mean {near:?}?"),
        None => {
            let section = parts(written).0;
            let here: Vec<_> = names_in(section, possible).collect();
            format!("unknown key {written:?}; possible here: {}", here.join(", "))
        }
    }
}

/// The nearest of the possible keys. A key that was said under the wrong section is near the one of its name.
pub(crate) fn key<'a>(written: &str, possible: &[&'a str]) -> Option<&'a str> {
    let (section, name) = parts(written);
    match near(name, names_in(section, possible)) {
        Some(sibling) => possible.iter().copied().find(|key| parts(key) == (section, sibling)),
        None => possible.iter().copied().find(|key| parts(key).1 == name),
    }
}

/// Section and last part of a key.
pub(crate) fn parts(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

fn names_in<'a>(section: &str, keys: &[&'a str]) -> impl Iterator<Item = &'a str> {
    keys.iter().map(|key| parts(key)).filter(move |(of, _)| *of == section).map(|(_, name)| name)
}

/// The nearest of the possible names, if it is near at all.
fn near<'a>(written: &str, possible: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (edits, name) = possible.map(|name| (distance(written, name), name)).min()?;
    (edits <= written.len().max(2) / 2).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] =
        ["listen", "routing", "routing.wait_max", "plugins.auto_enable", "plugins.a.weight"];

    #[test]
    fn the_nearest_key_stands_in_the_same_section_or_has_the_same_name() {
        for (written, meant) in [
            ("lissten", Some("listen")),
            ("rooting", Some("routing")),
            ("routing.waitmax", Some("routing.wait_max")),
            ("wait_max", Some("routing.wait_max")),
            ("plugins.listen", Some("listen")),
            ("plugins.a.wieght", Some("plugins.a.weight")),
            ("colour", None),
        ] {
            assert_eq!(key(written, &KEYS), meant, "{written}");
        }
    }
}
