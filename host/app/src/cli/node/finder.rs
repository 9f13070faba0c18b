//! The network as an agent sees it: routers that say who they are by multicast DNS, and this machine saying so itself.
//! Hints only: whom an agent reports to, its own rules decide.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use herdwick_agent::{Agent, Finder, Sighting};
use herdwick_discovery::{Advertiser, Browser, Card, Mdns, Role, Settings};
use herdwick_fleet::Origin;
use tokio::time::timeout;

/// How often everybody who is seen is told of again.
const AGAIN: Duration = Duration::from_secs(30);

/// Multicast DNS, where it is spoken.
#[derive(Clone)]
pub(super) struct Network(Option<Mdns>);

impl Network {
    /// Nothing is said and nothing heard.
    pub(super) fn silent() -> Self {
        Self(None)
    }

    /// Where the system gives no multicast, the agent does without; routers can be named.
    pub(super) fn start() -> Self {
        match Mdns::start(Settings::default()) {
            Ok(mdns) => Self(Some(mdns)),
            Err(error) => {
                tracing::warn!("no router will be seen on the network: {error}; name it with --router HOST");
                Self(None)
            }
        }
    }

    /// Says who this machine is, until what it returns is dropped.
    pub(super) fn show(&self, agent: &Agent) -> Option<Advertiser> {
        let overview = agent.overview();
        let first = overview.servers.first().map_or(Origin::DEFAULT_PORT, |server| server.origin.port);
        let card =
            Card { role: Role::Node, name: overview.name, fingerprint: agent.id().into(), port: first };
        Some(self.0.as_ref()?.advertise(card))
    }

    /// Sees routers.
    pub(super) fn finder(&self, agent: &Arc<Agent>) -> Seen {
        let browser = self.0.as_ref().map(|mdns| mdns.browse(Role::Router));
        let seen = Seen { agent: Arc::clone(agent), browser, last: Arc::new([]), queue: VecDeque::new() };
        seen.know();
        seen
    }
}

/// Routers that are seen, one by one.
pub(super) struct Seen {
    agent: Arc<Agent>,
    browser: Option<Browser>,
    /// Those that were told of.
    last: Arc<[herdwick_discovery::Sighting]>,
    queue: VecDeque<Sighting>,
}

impl Seen {
    /// Routers that the agent met find room among any number of strangers.
    fn know(&self) {
        if let Some(browser) = &self.browser {
            let met: Vec<_> = self.agent.routers_met().into_iter().map(Into::into).collect();
            browser.know(&met);
        }
    }
}

impl Finder for Seen {
    async fn next(&mut self) -> Option<Sighting> {
        loop {
            let browser = self.browser.as_mut()?;
            if let Some(sighting) = self.queue.pop_front() {
                return Some(sighting);
            }
            // Whoever was not looked for when it was seen, since there were too many, has another chance.
            let now = match timeout(AGAIN, browser.changed()).await {
                Ok(now) => now,
                Err(_) => {
                    self.last = Arc::new([]);
                    let now = browser.now();
                    if now.is_empty() {
                        // Every answer and every announcement may have been lost.
                        browser.ask();
                    }
                    self.know();
                    now
                }
            };
            let is_news = |sighting: &&herdwick_discovery::Sighting| {
                let same = |known: &herdwick_discovery::Sighting| {
                    known.fingerprint == sighting.fingerprint && known.addresses == sighting.addresses
                };
                !self.last.iter().any(same)
            };
            let news = now.iter().filter(is_news).map(|sighting| Sighting {
                addresses: sighting.addresses.clone(),
                fingerprint: Some(sighting.fingerprint.to_string()),
            });
            self.queue.extend(news);
            self.last = now;
        }
    }
}
