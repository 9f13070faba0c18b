//! What a plugin says of itself, checked: every name known, every count bounded, all problems at once.

use herdwick_fleet::{Column, PluginId, Words};

use crate::limits;
use crate::sandbox::printable;
use crate::world::Manifest;

/// A manifest that was checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Described {
    pub(crate) id: PluginId,
    pub(crate) version: String,
    pub(crate) summary: String,
    /// The wanted columns in order; `None` for an optional one that this host does not have.
    pub(crate) columns: Vec<Option<Column>>,
    /// The wanted words in order.
    pub(crate) words: Vec<&'static str>,
    /// Whether it asks for the right to refuse a candidate.
    pub(crate) may_veto: bool,
    /// Whether it wants to know who is in the fleet.
    pub(crate) wants_topology: bool,
}

/// Checks what a plugin says of itself. What it may do is not its to say: `may_veto` is only what it asks for.
pub(crate) fn check(manifest: &Manifest) -> Result<Described, Vec<String>> {
    let mut problems = Vec::new();
    if !is_name(&manifest.name) {
        problems.push(format!(
            "its name {:?} must be 1 to {} lower-case letters, digits and dashes",
            printable(&manifest.name, limits::NAME_BYTES),
            limits::NAME_BYTES
        ));
    }
    let mut columns = Vec::new();
    for wanted in manifest.columns.iter().take(limits::COLUMNS) {
        let (name, optional) = match wanted.strip_prefix('?') {
            Some(name) => (name, true),
            None => (wanted.as_str(), false),
        };
        let column = Column::from_name(name);
        if column.is_none() && !optional {
            let near = nearest(name, Column::ALL.iter().map(|column| column.name()));
            let name = printable(name, limits::NAME_BYTES);
            problems.push(format!("it wants the column {name:?}, which does not exist{near}"));
        }
        columns.push(column);
    }
    let mut words = Vec::new();
    for wanted in manifest.words.iter().take(limits::WORDS) {
        match Words::NAMES.into_iter().find(|name| name == wanted) {
            Some(word) => words.push(word),
            None => {
                let near = nearest(wanted, Words::NAMES.into_iter());
                let name = printable(wanted, limits::NAME_BYTES);
                problems.push(format!("it wants the word {name:?}, which does not exist{near}"));
            }
        }
    }
    for (what, count, most) in
        [("columns", manifest.columns.len(), limits::COLUMNS), ("words", manifest.words.len(), limits::WORDS)]
    {
        if count > most {
            problems.push(format!("it wants {count} {what}, at most {most} are possible"));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Described {
        id: PluginId::new(&manifest.name),
        version: printable(&manifest.version, limits::NAME_BYTES),
        summary: printable(&manifest.summary, limits::LOG_LINE_BYTES),
        columns,
        words,
        may_veto: manifest.may_veto,
        wants_topology: manifest.wants_topology,
    })
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.len() <= limits::NAME_BYTES && name.chars().all(allowed)
}

/// `; did you mean "x"?` when something known is near.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> String {
    let distance = |name: &&str| herdwick_fleet::nearest::distance(wanted, name);
    match known.min_by_key(distance) {
        Some(name) if distance(&name) <= wanted.len() / 2 => format!("; did you mean {name:?}?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            name: "my-signal".into(),
            version: "1".into(),
            summary: String::new(),
            columns: vec!["slots.free-count".into(), "?no.such-ms".into()],
            words: vec!["model".into()],
            wants_topology: false,
            may_veto: true,
        }
    }

    #[test]
    fn what_is_known_is_taken_and_optional_columns_may_be_unknown() {
        let described = check(&manifest()).expect("a good manifest");
        assert_eq!(described.columns, [Some(Column::SlotsFree), None]);
        assert_eq!((described.words.as_slice(), described.may_veto), (&["model"][..], true));
    }

    #[test]
    fn all_problems_are_told_at_once_with_the_nearest_name() {
        let bad = Manifest {
            name: "My Signal".into(),
            columns: vec!["slots.fre-count".into(), "zzz".into()],
            words: vec!["modle".into()],
            wants_topology: true,
            ..manifest()
        };
        let problems = check(&bad).expect_err("a bad manifest");
        assert_eq!(
            problems,
            [
                "its name \"My Signal\" must be 1 to 64 lower-case letters, digits and dashes",
                "it wants the column \"slots.fre-count\", which does not exist; did you mean \"slots.free-count\"?",
                "it wants the column \"zzz\", which does not exist",
                "it wants the word \"modle\", which does not exist; did you mean \"model\"?",
            ]
        );
    }

    #[test]
    fn too_many_columns_are_refused() {
        let greedy = Manifest { columns: vec!["slots.free-count".into(); 65], ..manifest() };
        let problems = check(&greedy).expect_err("too many");
        assert_eq!(problems, ["it wants 65 columns, at most 64 are possible"]);
    }
}
