//! Routers that the agent of this machine reported to, as it remembers them. Reads what the agent wrote; an agent of
//! another version may have written it otherwise, and then nobody is known.

use std::path::Path;

use herdwick_fleet::Origin;
use serde::Deserialize;

/// The agent's file in the state folder.
const FILE: &str = "routers.json";

#[derive(Deserialize)]
struct Written {
    routers: Vec<Router>,
}

#[derive(Deserialize)]
struct Router {
    /// The newest first.
    addresses: Vec<String>,
}

/// Where each of them was last, at most `most`.
pub(crate) fn look(state: Option<&Path>, most: usize) -> Vec<Origin> {
    let text = state.and_then(|folder| std::fs::read_to_string(folder.join(FILE)).ok());
    read(&text.unwrap_or_default(), most)
}

fn read(text: &str, most: usize) -> Vec<Origin> {
    let Ok(Written { routers }) = serde_json::from_str(text) else { return Vec::new() };
    let first = routers.iter().filter_map(|router| Origin::parse(router.addresses.first()?).ok());
    first.take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_router_is_looked_for_where_it_was_last() {
        let text = r#"{"version":1,"routers":[{"key":"00","addresses":["10.0.0.5:11435","10.0.0.4:11435"]},
            {"key":"01","addresses":[]},{"key":"02","addresses":["[fd00::2]:11435"]},{"key":"03","addresses":["x:1"]}]}"#;
        let found: Vec<_> = read(text, 2).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["http://10.0.0.5:11435", "http://[fd00::2]:11435"]);
        assert!(read("", 2).is_empty() && read("{\"routers\":1}", 2).is_empty());
    }
}
