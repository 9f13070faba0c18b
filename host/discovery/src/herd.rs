//! Routers of Ollama Herd on the network: whether there are any besides ourselves and others of us. It decides nothing;
//! whoever advertises in their way looks here first.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::card::Fingerprint;

/// What their agents look for.
pub(crate) const SERVICE: &str = "_fleet-manager._tcp.local.";
/// How an instance of ours begins; the fingerprint of its router follows. Theirs is called "Fleet Manager Router".
const OURS: &str = "Herdwick-";
/// Names that are kept. One is enough to leave its fleet alone.
const MOST: usize = 16;
/// A router that nobody told of for so long is gone, whatever its answer said.
const MOST_AGE: Duration = Duration::from_secs(20 * 60);

/// The name under which one of our routers shows itself to agents of Ollama Herd.
pub(crate) fn instance(fingerprint: Fingerprint) -> String {
    format!("{OURS}{fingerprint}")
}

/// Whose routers were seen.
#[derive(Debug, Default)]
pub(crate) struct Herds {
    /// The names of their instances, and when they are forgotten.
    seen: BTreeMap<String, Instant>,
}

impl Herds {
    /// An instance is on the network. Says whether the list changed.
    pub(crate) fn found(&mut self, instance: &str, now: Instant) -> bool {
        if is_ours(instance) {
            return false;
        }
        let is_new = !self.seen.contains_key(instance);
        if is_new && self.seen.len() >= MOST {
            return false;
        }
        self.seen.insert(instance.to_owned(), now + MOST_AGE);
        is_new
    }

    /// An instance is gone. Says whether the list changed.
    pub(crate) fn removed(&mut self, instance: &str) -> bool {
        self.seen.remove(instance).is_some()
    }

    /// Forgets those whose time is over. Says whether the list changed.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let before = self.seen.len();
        self.seen.retain(|_, until| now < *until);
        self.seen.len() != before
    }

    /// Their names, fit to be shown.
    pub(crate) fn names(&self) -> Vec<String> {
        self.seen.keys().map(|instance| label(instance).escape_debug().take(80).collect()).collect()
    }
}

fn label(instance: &str) -> &str {
    instance.strip_suffix(SERVICE).map_or(instance, |label| label.trim_end_matches('.'))
}

/// Whether one of our routers shows itself there. Theirs, too, could be called so; it would ask for what it gets.
fn is_ours(instance: &str) -> bool {
    label(instance).strip_prefix(OURS).is_some_and(|key| key.parse::<Fingerprint>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: &str = "Fleet Manager Router._fleet-manager._tcp.local.";

    #[test]
    fn others_of_us_are_no_herd() {
        let check = |instance: &str, theirs: bool| {
            assert_eq!(Herds::default().found(instance, Instant::now()), theirs, "{instance}");
        };
        check(THEIRS, true);
        check("Fleet Manager Router (2)._fleet-manager._tcp.local.", true);
        check(&format!("{}.{SERVICE}", instance(Fingerprint::new([7; 8]))), false);
        check("Herdwick-anything._fleet-manager._tcp.local.", true);
        check("Herdwick-0011223344556677-x._fleet-manager._tcp.local.", true);
    }

    #[test]
    fn a_herd_is_there_until_it_leaves_or_is_never_heard_of_again() {
        let (mut herds, now) = (Herds::default(), Instant::now());
        assert!(herds.found(THEIRS, now));
        assert!(!herds.found(THEIRS, now + Duration::from_secs(1)));
        assert_eq!(herds.names(), ["Fleet Manager Router"]);
        assert!(!herds.expire(now + MOST_AGE));
        assert!(herds.expire(now + MOST_AGE + Duration::from_secs(1)));
        herds.found(THEIRS, now);
        assert!(herds.removed(THEIRS));
        assert!(!herds.removed(THEIRS));
        assert!(herds.names().is_empty());
    }

    #[test]
    fn thousands_of_them_are_no_more_than_a_few() {
        let mut herds = Herds::default();
        for number in 0..10_000 {
            herds.found(&format!("\u{1b}{number}"), Instant::now());
        }
        assert_eq!(herds.names().len(), MOST);
        assert!(herds.names().iter().all(|name| !name.contains('\u{1b}')));
    }
}
