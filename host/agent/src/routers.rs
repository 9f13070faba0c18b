//! The routers that this machine reports to: those that were named, those met before, those that are seen on the
//! network. Each is one link; two links that turn out to lead to one router become one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herdwick_wire::seal::PublicKey;

use crate::beat::link::Link;
use crate::door::RouterId;
use crate::pins::Pins;

/// Routers that one agent reports to at once. More on one network are a mistake or an attack; each costs a beat a
/// second.
const MOST: usize = 16;

/// A router as somebody sees it on the network: a hint where to look, believed only after its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Where it can be reached.
    pub addresses: Vec<SocketAddr>,
    /// Which key it says it has: the first 16 hexadecimal digits of the id that the key makes.
    pub fingerprint: Option<String>,
}

impl Sighting {
    /// Whether it says to have this key. Anybody can say so.
    fn says(&self, key: &PublicKey) -> bool {
        self.fingerprint.as_ref().is_some_and(|digits| key.node().to_string().get(..16) == Some(digits))
    }
}

/// Looks for routers on the network, for ever.
pub trait Finder: Send {
    /// The next router that was seen. May say the same again; `None` = it looks no more.
    fn next(&mut self) -> impl Future<Output = Option<Sighting>> + Send;
}

/// Sees nobody: for an agent that is told where its routers are.
#[derive(Clone, Copy, Debug)]
pub struct Blind;

impl Finder for Blind {
    async fn next(&mut self) -> Option<Sighting> {
        None
    }
}

/// How an address came to be known: what is made of another router that answers there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The operator says so.
    Named,
    /// It was there before.
    Met,
    /// Somebody says so on the network.
    Seen,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Routers {
    pins: Arc<Pins>,
    /// The operator named some, so nobody else is reported to.
    is_closed: bool,
    links: Mutex<Links>,
}

#[derive(Debug, Default)]
struct Links {
    all: Vec<Arc<Link>>,
    last: u64,
}

impl Routers {
    /// Those that were named, or, if none was, those met before.
    pub(crate) fn new(named: &[String], pins: Arc<Pins>) -> Self {
        let routers = Self { pins, is_closed: !named.is_empty(), links: Mutex::default() };
        for address in named {
            routers.named(address);
        }
        if !routers.is_closed {
            for pin in routers.pins.all() {
                let addresses = pin.addresses.into_iter().map(|address| (address, Source::Met));
                routers.add(addresses.collect(), Some(pin.key));
            }
        }
        routers
    }

    /// A router that was met at a named address is looked for wherever else it was as well.
    fn named(&self, address: &str) {
        let key = self.pins.at(address);
        let met = self.pins.all().into_iter().filter(|pin| Some(pin.key) == key);
        let met = met.flat_map(|pin| pin.addresses).filter(|known| known != address);
        let named = (address.to_owned(), Source::Named);
        self.add([named].into_iter().chain(met.map(|address| (address, Source::Met))).collect(), key);
    }

    /// All links.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.lock().all.clone()
    }

    /// Takes in what was seen on the network; a new link, if it makes one.
    pub(crate) fn seen(&self, sighting: &Sighting) -> Option<Arc<Link>> {
        let addresses: Vec<_> = sighting.addresses.iter().map(ToString::to_string).collect();
        let links = self.links();
        let is_it = |link: &&Arc<Link>| link.key().is_some_and(|key| sighting.says(&key));
        if let Some(link) = links.iter().find(is_it) {
            link.offer(&addresses);
            return None;
        }
        if self.is_closed {
            // Whoever cannot be found where it was, now or later, may be here; its signature will tell. Of a router that
            // was never met nothing would tell: whoever was seen first would be taken for it, and pinned.
            if sighting.fingerprint.is_none() {
                let met = links.iter().filter(|link| link.key().is_some());
                met.for_each(|link| link.offer(&addresses));
            }
            return None;
        }
        // If it turns out to be one that is known and moved, the two links become one. A router that showed another key
        // is another one, whatever addresses somebody said that it has.
        let may_be_it = |link: &&Arc<Link>| link.key().is_none() || sighting.fingerprint.is_none();
        if addresses.is_empty() || links.iter().filter(may_be_it).any(|link| link.knows(&addresses)) {
            return None;
        }
        self.add(addresses.into_iter().map(|address| (address, Source::Seen)).collect(), None)
    }

    fn add(&self, addresses: Vec<(String, Source)>, key: Option<PublicKey>) -> Option<Arc<Link>> {
        let mut links = self.lock();
        if let Some(link) = links.all.iter().find(|link| key.is_some() && link.key() == key) {
            link.learn(addresses);
            return None;
        }
        if links.all.len() >= MOST {
            // What somebody says on the network, and nobody ever answered to, must not keep out who answers. Whoever is
            // left alone now is told of again.
            let Some(rumour) = links.all.iter().position(|link| link.is_old_rumour()) else {
                let first = addresses.first().map_or("?", |(address, _)| address.as_str());
                tracing::debug!("a router at {first} is left alone for now: {MOST} are looked for");
                return None;
            };
            links.all.remove(rumour).end();
        }
        links.last += 1;
        let link = Arc::new(Link::new(RouterId(links.last), addresses, key));
        links.all.push(Arc::clone(&link));
        Some(link)
    }

    /// The router behind `link` showed its key at `address`. `false` when another link leads to it already, which then
    /// knows of this address as well, and this link is no more.
    pub(crate) fn met(&self, link: &Arc<Link>, key: PublicKey, address: &str) -> bool {
        let mut links = self.lock();
        let other = links.all.iter().find(|other| !Arc::ptr_eq(other, link) && other.key() == Some(key));
        if let Some(other) = other.cloned() {
            other.learn(link.addresses());
            links.all.retain(|known| !Arc::ptr_eq(known, link));
            return false;
        }
        link.pin(key);
        drop(links);
        self.pins.met(key, address);
        true
    }

    /// Routers beside this one that hear of this machine.
    pub(crate) fn others(&self, link: &Arc<Link>) -> u32 {
        let links = self.lock();
        let others = links.all.iter().filter(|other| !Arc::ptr_eq(other, link) && other.is_up());
        u32::try_from(others.count()).unwrap_or(u32::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use herdwick_wire::seal::Identity;

    use super::*;

    fn key(seed: u8) -> PublicKey {
        Identity::from_seed(&[seed; 32]).public()
    }

    fn routers(test: &str, named: &[&str], met: &[(u8, &str)]) -> Routers {
        let pins = Pins::load(&crate::tests::folder(test)).expect("an empty folder");
        met.iter().for_each(|(seed, address)| pins.met(key(*seed), address));
        let named: Vec<_> = named.iter().map(|address| (*address).to_owned()).collect();
        Routers::new(&named, Arc::new(pins))
    }

    fn seen(port: u16, key: Option<PublicKey>) -> Sighting {
        let fingerprint = key.map(|key| key.node().to_string()[..16].to_owned());
        Sighting { addresses: vec![SocketAddr::from(([10, 0, 0, 9], port))], fingerprint }
    }

    #[test]
    fn without_a_name_whoever_was_met_or_is_seen_is_reported_to() {
        let routers = routers("routers-open", &[], &[(1, "10.0.0.1:1")]);
        assert_eq!(routers.links().len(), 1);
        assert!(routers.seen(&seen(2, None)).is_some());
        assert!(routers.seen(&seen(2, None)).is_none(), "it is known by now");
        assert!(routers.seen(&seen(3, Some(key(1)))).is_none(), "it only moved");
        assert!(routers.links()[0].knows(&["10.0.0.9:3".to_owned()]));
    }

    #[test]
    fn whoever_names_routers_means_these_alone_wherever_they_go() {
        let routers = routers("routers-closed", &["a:1"], &[(1, "a:1"), (2, "b:1"), (1, "c:1")]);
        let links = routers.links();
        assert_eq!((links.len(), links[0].key()), (1, Some(key(1))));
        assert!(links[0].knows(&["c:1".to_owned()]));
        assert!(routers.seen(&seen(2, Some(key(2)))).is_none());
        assert!(routers.seen(&seen(3, Some(key(1)))).is_none());
        assert!(links[0].knows(&["10.0.0.9:3".to_owned()]) && routers.links().len() == 1);
    }

    #[test]
    fn nobody_who_is_seen_is_taken_for_a_named_router_that_was_never_met() {
        let routers = routers("routers-unmet", &["a:1"], &[]);
        assert!(routers.seen(&seen(2, None)).is_none());
        assert_eq!(routers.links()[0].addresses(), [("a:1".to_owned(), Source::Named)]);
        assert!(routers.met(&routers.links()[0], key(1), "a:1"));
        routers.seen(&seen(2, None));
        assert!(routers.links()[0].knows(&["10.0.0.9:2".to_owned()]), "its signature will tell");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_rumours_keeps_nobody_out_who_answers() {
        let routers = routers("routers-flood", &[], &[(1, "10.0.0.1:1")]);
        let met = routers.seen(&seen(1, None)).expect("a new link");
        assert!(routers.met(&met, key(2), "10.0.0.9:1"));
        let flood =
            |from: u16| (from..from + 100).filter(|port| routers.seen(&seen(*port, None)).is_some()).count();
        assert_eq!(flood(2), MOST - 2, "each is tried for a while");
        assert_eq!(flood(200), 0);
        tokio::time::advance(crate::beat::link::TRIED).await;
        assert_eq!(flood(400), MOST - 2, "then others have their turn");
        let known: Vec<_> = routers.links().iter().filter_map(|link| link.key()).collect();
        assert_eq!(known, [key(1), key(2)], "whoever answered stays");
    }

    #[test]
    fn nobody_hides_a_router_by_naming_its_address_as_his_own() {
        let routers = routers("routers-hidden", &[], &[]);
        let addresses = [1, 2].map(|last| SocketAddr::from(([10, 0, 0, last], 1))).to_vec();
        let thief = Sighting { addresses: addresses.clone(), fingerprint: seen(1, Some(key(1))).fingerprint };
        let link = routers.seen(&thief).expect("a new link");
        assert!(routers.met(&link, key(1), "10.0.0.2:1"));
        let owner =
            Sighting { addresses: addresses[..1].to_vec(), fingerprint: seen(1, Some(key(2))).fingerprint };
        assert!(routers.seen(&owner).is_some());
    }

    #[test]
    fn whoever_tells_of_a_thousand_addresses_is_looked_for_at_a_few() {
        let routers = routers("routers-many", &[], &[]);
        let addresses = (1..1_000).map(|port| SocketAddr::from(([10, 0, 0, 9], port))).collect();
        let link = routers.seen(&Sighting { addresses, fingerprint: None }).expect("a new link");
        assert!(link.addresses().len() <= 12, "{}", link.addresses().len());
    }

    #[test]
    fn two_ways_to_one_router_become_one() {
        let routers = routers("routers-twice", &["a:1", "b:1"], &[]);
        let links = routers.links();
        assert!(routers.met(&links[0], key(1), "a:1"));
        assert!(!routers.met(&links[1], key(1), "b:1"));
        assert_eq!(routers.links().len(), 1);
        assert!(links[0].knows(&["b:1".to_owned()]));
    }
}
