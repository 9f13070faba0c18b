//! Other routers on the network: each is told of once. They are no matter of ours, since an agent serves several, but
//! whoever looks for a machine should know that there are two.

use std::collections::HashSet;

use herdwick_discovery::{Browser, Fingerprint};

/// Routers that are told of; whoever makes up more fills no log.
const MOST: usize = 32;

/// Tells of them for ever.
pub(super) async fn run(mut browser: Browser) {
    let mut told: HashSet<Fingerprint> = HashSet::new();
    let mut seen = browser.now();
    loop {
        for other in seen.iter() {
            if told.len() < MOST && told.insert(other.fingerprint) {
                let address = other.addresses.first().map(ToString::to_string).unwrap_or_default();
                tracing::info!(
                    name = other.name,
                    address,
                    key = %other.fingerprint,
                    "another router is on this network; agents report to both"
                );
            }
        }
        seen = browser.changed().await;
    }
}
