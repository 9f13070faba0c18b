//! A node in one word: `[NAME=]http://HOST[:PORT][,slots=N]`.

use std::collections::BTreeMap;

use herdwick_fleet::Origin;

use super::{MOST_SLOTS, Node, checked_name};

/// Reads it.
pub(super) fn read(text: &str) -> Result<Node, String> {
    let mut parts = text.split(',');
    let place = parts.next().unwrap_or_default();
    let (name, url) = match place.split_once('=') {
        Some((name, url)) => (Some(name.trim()), url),
        None => (None, place),
    };
    let origin = Origin::parse(url).map_err(|error| error.to_string())?;
    let mut slots = None;
    for option in parts {
        match option.split_once('=') {
            Some(("slots", number)) => {
                slots = number.parse().ok().filter(|slots| (1..=MOST_SLOTS).contains(slots));
                if slots.is_none() {
                    return Err(format!("slots={number} is not a number from 1 to {MOST_SLOTS}"));
                }
            }
            _ => return Err(format!("{option:?} is no option of a node; only slots=N is")),
        }
    }
    let name = name.map_or_else(|| Ok(origin.host.clone()), checked_name)?;
    Ok(Node { name, origin, slots, labels: BTreeMap::new(), is_assumed: false })
}

#[cfg(test)]
mod tests {
    fn read(text: &str) -> Result<(String, String, Option<u32>), String> {
        super::read(text).map(|node| (node.name, node.origin.to_string(), node.slots))
    }

    #[test]
    fn nodes_are_read_with_and_without_name_and_slots() {
        let node = |name: &str, url: &str, slots| Ok((name.to_owned(), url.to_owned(), slots));
        assert_eq!(read("http://10.0.0.5"), node("10.0.0.5", "http://10.0.0.5:11434", None));
        assert_eq!(read("studio=10.0.0.5:80,slots=4"), node("studio", "http://10.0.0.5:80", Some(4)));
    }

    #[test]
    fn a_bad_node_says_what_is_wrong() {
        for (text, why) in [
            ("https://studio", "only http"),
            ("", "names no host"),
            ("studio,slots=0", "slots=0 is not a number from 1"),
            ("studio,cores=4", "only slots=N is"),
            ("my mac=studio", "must be 1 to 63"),
        ] {
            let told = read(text).expect_err(text);
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
