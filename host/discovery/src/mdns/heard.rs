//! What was heard: from events to the lists that others read. It asks nobody anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mdns_sd::{ResolvedService, ServiceEvent};
use tokio::sync::watch;

use super::Seen;
use super::daemon;
use super::wanted::Saying;
use crate::address::{Judge, Own, own_addresses};
use crate::answer::{Answer, Sighting, Unusable};
use crate::card::{Card, Fingerprint, Role};
use crate::herd::Herds;
use crate::sightings::Sightings;

/// Answers that are no use are told of at most so often.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// How long this machine's addresses are believed to be the same.
const FRESH: Duration = Duration::from_secs(1);

/// Everything that was heard.
pub(super) struct Heard {
    lists: BTreeMap<Role, List>,
    herds: Herds,
    herds_out: watch::Sender<Vec<String>>,
    own: Option<(Instant, Vec<Own>)>,
    told: Option<Instant>,
    is_deaf: bool,
}

/// Those of one role.
struct List {
    sightings: Sightings,
    out: watch::Sender<Arc<[Sighting]>>,
}

impl List {
    fn new() -> Self {
        Self { sightings: Sightings::default(), out: watch::Sender::new(Arc::new([])) }
    }

    fn publish(&self) {
        self.out.send_replace(self.sightings.list().cloned().collect());
    }
}

/// What should be done about what was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// Somebody said goodbye for somebody, who may be there after all.
    Ask,
}

impl Heard {
    /// Nothing yet, and where it will be read.
    pub(super) fn new() -> (Self, Seen) {
        let (routers, nodes) = (List::new(), List::new());
        let herds_out = watch::Sender::new(Vec::new());
        let seen = Seen {
            routers: routers.out.subscribe(),
            nodes: nodes.out.subscribe(),
            herds: herds_out.subscribe(),
        };
        let heard = Self {
            lists: BTreeMap::from([(Role::Router, routers), (Role::Node, nodes)]),
            herds: Herds::default(),
            herds_out,
            own: None,
            told: None,
            is_deaf: false,
        };
        (heard, seen)
    }

    /// Whoever says to have one of these keys finds room.
    pub(super) fn want(&mut self, keys: &[Fingerprint]) {
        self.lists.values_mut().for_each(|list| list.sightings.want(keys.to_vec()));
    }

    /// The names of the instances that have this role.
    pub(super) fn instances(&self, role: Role) -> Vec<String> {
        self.lists.get(&role).map(|list| list.sightings.instances().cloned().collect()).unwrap_or_default()
    }

    /// Forgets whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        for list in self.lists.values_mut() {
            if list.sightings.expire(now) {
                list.publish();
            }
        }
        if self.herds.expire(now) {
            self.herds_out.send_replace(self.herds.names());
        }
    }

    /// Somebody of us. `sayings` is what this program says of itself.
    pub(super) fn of_us(
        &mut self,
        role: Role,
        event: ServiceEvent,
        sayings: &[Saying],
        now: Instant,
    ) -> Then {
        match event {
            ServiceEvent::ServiceResolved(resolved) => self.answered(role, &resolved, sayings, now),
            ServiceEvent::ServiceRemoved(_, instance) => {
                if let Some(list) = self.lists.get_mut(&role) {
                    list.sightings.goodbye(&instance, now);
                }
                return Then::Ask;
            }
            ServiceEvent::SearchStarted(text) => self.check_interfaces(&text),
            // Found is only half of an answer; the others say what we asked ourselves.
            _ => {}
        }
        Then::Nothing
    }

    /// Somebody of Ollama Herd. Here half an answer counts: whoever is there is not to be disturbed.
    pub(super) fn of_herd(&mut self, event: ServiceEvent, now: Instant) {
        let changed = match event {
            ServiceEvent::ServiceFound(_, instance) => self.herds.found(&instance, now),
            ServiceEvent::ServiceResolved(resolved) => self.herds.found(&resolved.fullname, now),
            ServiceEvent::ServiceRemoved(_, instance) => self.herds.removed(&instance),
            _ => false,
        };
        if changed {
            self.herds_out.send_replace(self.herds.names());
        }
    }

    fn answered(&mut self, role: Role, resolved: &ResolvedService, sayings: &[Saying], now: Instant) {
        let answer = daemon::answer(resolved);
        let judged = self.judge(&answer, sayings, now);
        let judged = judged.and_then(|seen| if seen.role == role { Ok(seen) } else { Err(Unusable::NoRole) });
        if let Err(why) = &judged {
            self.tell(&answer.instance, *why, now);
        }
        let Some(list) = self.lists.get_mut(&role) else { return };
        let changed = match judged {
            Ok(sighting) => list.sightings.add(&answer.instance, sighting),
            Err(_) => list.sightings.remove(&answer.instance),
        };
        if changed {
            list.publish();
        }
    }

    fn judge(&mut self, answer: &Answer, sayings: &[Saying], now: Instant) -> Result<Sighting, Unusable> {
        let cards: Vec<&Card> = sayings.iter().filter_map(Saying::card).collect();
        let keys: Vec<_> = cards.iter().map(|card| (card.role, card.fingerprint)).collect();
        let ports: Vec<_> = cards.iter().map(|card| card.port).collect();
        answer.sighting(&keys, &Judge { own: self.own_addresses(now), ports: &ports }, now)
    }

    /// Tells people of an answer that is no use, at most once a minute.
    fn tell(&mut self, instance: &str, why: Unusable, now: Instant) {
        if why == Unusable::Ourselves || self.told.is_some_and(|then| now.duration_since(then) < TELL_EVERY) {
            return;
        }
        self.told = Some(now);
        let instance: String = instance.escape_debug().take(80).collect();
        tracing::warn!("somebody on the network says to be one of us, and is left alone: {instance}: {why}");
    }

    /// Tells people once that there is nobody to ask.
    fn check_interfaces(&mut self, started: &str) {
        let is_deaf = daemon::is_deaf(started);
        if is_deaf && !self.is_deaf {
            tracing::warn!(
                "multicast DNS is spoken on no interface: there is no network, or another program has its UDP port to \
                 itself; `herdwick doctor` tells which"
            );
        }
        self.is_deaf = is_deaf;
    }

    fn own_addresses(&mut self, now: Instant) -> &[Own] {
        if self.own.as_ref().is_none_or(|(then, _)| now.duration_since(*then) >= FRESH) {
            self.own = Some((now, own_addresses()));
        }
        self.own.as_ref().map_or(&[], |(_, own)| own)
    }
}
