//! The task: makes true what is wanted, takes in what is answered, and begins anew when the network answers too much.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mdns_sd::{DaemonStatus, Metrics, Receiver, ServiceEvent};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::daemon::{self, Daemon, Events};
use super::wanted::{Saying, Wanted, Wish};
use super::{MdnsError, Seen, Settings};
use crate::address::{Judge, Own, own_addresses};
use crate::answer::{Sighting, Unusable};
use crate::card::{Fingerprint, Role};
use crate::guard::{self, Guard, Reason};
use crate::herd::Herds;
use crate::sightings::Sightings;

/// How often it looks after itself.
const TICK: Duration = Duration::from_secs(1);
/// The network is asked anew at least so often, in case every answer was lost.
const ASK_EVERY: Duration = Duration::from_secs(300);
/// Whoever misses somebody has it asked at most so often.
const ASK_AT_MOST: Duration = Duration::from_secs(10);
/// After a goodbye it is asked so long after the last time: whoever is there after all answers within the grace of a goodbye.
const DOUBT: Duration = Duration::from_secs(1);
/// Every so many times it is asked, those who are listed are asked whether they are still there, whatever their answers
/// said about how long they hold.
const VERIFY_EVERY: u32 = 3;
/// How long a goodbye is waited for.
const GOODBYE: Duration = Duration::from_secs(1);
/// Ticks without an answer after which its thread is taken for stuck.
const MOST_SILENT: u32 = 5;
/// When the system gives no thread, it is asked again after this.
const RETRY: Duration = Duration::from_secs(30);
/// Answers that are no use are told of at most so often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The task.
pub(super) struct Actor {
    settings: Settings,
    wanted: Arc<Wanted>,
    /// What is wanted, as it was last looked at.
    wish: Wish,
    daemon: Option<Daemon>,
    /// One that was told to end and did not say yet that it has.
    leaving: Option<Receiver<DaemonStatus>>,
    /// It stays away until then.
    rest: Option<Instant>,
    guard: Guard,
    counters: Option<Receiver<Metrics>>,
    silent: u32,
    asked: Option<Instant>,
    asks: u32,
    looks: BTreeMap<Role, Look>,
    herd: Option<Events>,
    herds: Herds,
    herds_out: watch::Sender<Vec<String>>,
    said: watch::Sender<Vec<Saying>>,
    own: Option<(Instant, Vec<Own>)>,
    told: Option<Instant>,
    is_deaf: bool,
    /// Somebody said goodbye for somebody.
    is_in_doubt: bool,
}

/// The search for one role.
struct Look {
    events: Option<Events>,
    sightings: Sightings,
    out: watch::Sender<Arc<[Sighting]>>,
}

impl Look {
    fn publish(&self) {
        self.out.send_replace(self.sightings.list().cloned().collect());
    }
}

/// What one turn of the task brought.
enum Turn {
    Wish,
    Tick,
    Role(Role, Option<ServiceEvent>),
    Herd(Option<ServiceEvent>),
    Counters(Option<Metrics>),
}

impl Actor {
    pub(super) fn new(
        settings: Settings,
        wanted: Arc<Wanted>,
    ) -> Result<(Self, Seen, watch::Receiver<Vec<Saying>>), MdnsError> {
        let look =
            || Look { events: None, sightings: Sightings::default(), out: watch::Sender::new(Arc::new([])) };
        let (routers, nodes) = (look(), look());
        let herds_out = watch::Sender::new(Vec::new());
        let seen = Seen {
            routers: routers.out.subscribe(),
            nodes: nodes.out.subscribe(),
            herds: herds_out.subscribe(),
        };
        let said = watch::Sender::new(Vec::new());
        let says = said.subscribe();
        let actor = Self {
            daemon: Some(Daemon::start(&settings)?),
            settings,
            wanted,
            wish: Wish::default(),
            leaving: None,
            rest: None,
            guard: Guard::default(),
            counters: None,
            silent: 0,
            asked: None,
            asks: 0,
            looks: BTreeMap::from([(Role::Router, routers), (Role::Node, nodes)]),
            herd: None,
            herds: Herds::default(),
            herds_out,
            said,
            own: None,
            told: None,
            is_deaf: false,
            is_in_doubt: false,
        };
        Ok((actor, seen, says))
    }

    pub(super) async fn run(mut self) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let not_asked_yet = self.wish.ask;
            self.wish = self.wanted.take();
            self.wish.ask |= not_asked_yet;
            if self.wish.over {
                break;
            }
            self.follow().await;
            let turn = tokio::select! {
                () = self.wanted.changed() => Turn::Wish,
                _ = tick.tick() => Turn::Tick,
                event = next(self.events(Role::Router)) => Turn::Role(Role::Router, event),
                event = next(self.events(Role::Node)) => Turn::Role(Role::Node, event),
                event = next(self.herd.as_ref()) => Turn::Herd(event),
                counters = next(self.counters.as_ref()) => Turn::Counters(counters),
            };
            let done = self.take_turn(turn, Instant::now());
            if let Err(reason) = done {
                self.begin_anew(reason);
            }
        }
        if let Some(leaving) = self.daemon.take().and_then(Daemon::shut_down) {
            let _ = timeout(GOODBYE, leaving.recv_async()).await;
        }
    }

    fn events(&self, role: Role) -> Option<&Events> {
        self.looks.get(&role).and_then(|look| look.events.as_ref())
    }

    /// Makes true what is wanted.
    async fn follow(&mut self) {
        self.start_if_it_is_time();
        let Some(daemon) = &self.daemon else { return };
        for (role, look) in &mut self.looks {
            look.sightings.want(self.wish.known.clone());
            if look.events.is_none() && self.wish.roles.contains(role) {
                look.events = daemon.browse(*role);
            }
        }
        if self.herd.is_none() && self.wish.herd {
            self.herd = daemon.browse_herd();
        }
        self.say().await;
    }

    /// Says what is wanted to be said and is not, and takes back what is not wanted any more.
    async fn say(&self) {
        let Some(daemon) = &self.daemon else { return };
        let said = self.said.borrow().clone();
        let stale = said.iter().filter(|saying| !self.wish.sayings.contains(saying));
        for saying in stale {
            if let Some(done) = daemon.unregister(saying) {
                let _ = timeout(GOODBYE, done.recv_async()).await;
            }
            self.said.send_modify(|said| said.retain(|other| other != saying));
        }
        for saying in &self.wish.sayings {
            if !self.said.borrow().contains(saying) && daemon.register(saying) {
                self.said.send_modify(|said| said.push(saying.clone()));
            }
        }
    }

    fn start_if_it_is_time(&mut self) {
        let now = Instant::now();
        if self
            .leaving
            .as_ref()
            .is_some_and(|leaving| leaving.try_recv().is_ok() || leaving.is_disconnected())
        {
            self.leaving = None;
        }
        if self.daemon.is_some() || self.leaving.is_some() || self.rest.is_some_and(|until| now < until) {
            return;
        }
        match Daemon::start(&self.settings) {
            Ok(daemon) => self.daemon = Some(daemon),
            Err(error) => {
                tracing::warn!("{error}; it is tried again in {} s", RETRY.as_secs());
                self.rest = Some(now + RETRY);
            }
        }
    }

    /// Lets go of everything that was gathered, and of nothing that was seen.
    fn begin_anew(&mut self, reason: Reason) {
        let now = Instant::now();
        let pause = self.guard.pause(now);
        let level = if pause.is_zero() { "at once" } else { "after a pause" };
        tracing::warn!(
            pause_s = pause.as_secs(),
            "the search for others on the network begins anew, {level}: {reason}"
        );
        self.rest = Some(now + pause);
        self.leaving = self.daemon.take().and_then(Daemon::shut_down);
        self.counters = None;
        self.silent = 0;
        self.asked = None;
        self.herd = None;
        for look in self.looks.values_mut() {
            look.events = None;
        }
        self.said.send_replace(Vec::new());
    }

    fn take_turn(&mut self, turn: Turn, now: Instant) -> Result<(), Reason> {
        match turn {
            Turn::Wish => {}
            Turn::Tick => self.tick(now)?,
            Turn::Counters(counters) => {
                self.counters = None;
                if let Some(counters) = counters {
                    self.silent = 0;
                    guard::check(|name| counters.get(name).copied().unwrap_or(0))?;
                }
            }
            Turn::Role(_, None) | Turn::Herd(None) => return Err(Reason::Flood),
            Turn::Role(role, Some(event)) => {
                self.guard.event(now)?;
                self.hear(role, event, now);
            }
            Turn::Herd(Some(event)) => {
                self.guard.event(now)?;
                self.hear_of_herd(event, now);
            }
        }
        Ok(())
    }

    fn tick(&mut self, now: Instant) -> Result<(), Reason> {
        for look in self.looks.values_mut() {
            if look.sightings.expire(now) {
                look.publish();
            }
        }
        if self.herds.expire(now) {
            self.herds_out.send_replace(self.herds.names());
        }
        let Some(daemon) = &self.daemon else { return Ok(()) };
        if self.counters.is_some() {
            self.silent += 1;
            if self.silent >= MOST_SILENT {
                return Err(Reason::Silent);
            }
        } else {
            self.counters = daemon.metrics();
        }
        let due = match (self.is_in_doubt, self.wish.ask) {
            (true, _) => DOUBT,
            (false, true) => ASK_AT_MOST,
            (false, false) => ASK_EVERY,
        };
        if self.asked.get_or_insert(now).elapsed() >= due {
            self.ask(now);
        }
        Ok(())
    }

    /// Asks the network again for everything that is looked for.
    fn ask(&mut self, now: Instant) {
        let Some(daemon) = &self.daemon else { return };
        self.asked = Some(now);
        self.asks = self.asks.wrapping_add(1);
        self.wish.ask = false;
        self.is_in_doubt = false;
        for (role, look) in &mut self.looks {
            if look.events.is_none() {
                continue;
            }
            if self.asks.is_multiple_of(VERIFY_EVERY) {
                look.sightings.instances().for_each(|instance| daemon.verify(instance.clone()));
            }
            look.events = daemon.browse(*role);
        }
        if self.herd.is_some() {
            self.herd = daemon.browse_herd();
        }
    }

    fn hear(&mut self, role: Role, event: ServiceEvent, now: Instant) {
        match event {
            ServiceEvent::ServiceResolved(resolved) => {
                let answer = daemon::answer(&resolved);
                let sighting = {
                    let ports = self.own_cards().map(|(_, _, port)| port).collect::<Vec<_>>();
                    let cards = self.own_cards().map(|(role, key, _)| (role, key)).collect::<Vec<_>>();
                    let judge = Judge { own: self.own_addresses(now), ports: &ports };
                    answer.sighting(&cards, &judge, now)
                };
                let sighting = sighting
                    .and_then(|seen| if seen.role == role { Ok(seen) } else { Err(Unusable::NoRole) });
                if let Err(why) = &sighting {
                    self.tell(&answer.instance, *why, now);
                }
                let Some(look) = self.looks.get_mut(&role) else { return };
                let changed = match sighting {
                    Ok(sighting) => look.sightings.add(&answer.instance, sighting),
                    Err(_) => look.sightings.remove(&answer.instance),
                };
                if changed {
                    look.publish();
                }
            }
            ServiceEvent::ServiceRemoved(_, instance) => {
                if let Some(look) = self.looks.get_mut(&role) {
                    look.sightings.goodbye(&instance, now);
                    self.is_in_doubt = true;
                }
            }
            ServiceEvent::SearchStarted(where_to) => self.check_interfaces(&where_to),
            // Found is only half of an answer; the others say what we asked ourselves.
            _ => {}
        }
    }

    /// Tells people once that there is nobody to ask.
    fn check_interfaces(&mut self, started: &str) {
        let is_deaf = daemon::is_deaf(started);
        if is_deaf && !self.is_deaf {
            tracing::warn!(
                "multicast DNS is spoken on no interface: there is no network, or another program has UDP port {} to \
                 itself; `herdwick doctor` tells which",
                self.settings.port
            );
        }
        self.is_deaf = is_deaf;
    }

    fn hear_of_herd(&mut self, event: ServiceEvent, now: Instant) {
        // Here half an answer counts: whoever is there is not to be disturbed.
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

    /// What this program says of itself to others of us.
    fn own_cards(&self) -> impl Iterator<Item = (Role, Fingerprint, u16)> {
        self.wish.sayings.iter().filter_map(|saying| match saying {
            Saying::Card(card) => Some((card.role, card.fingerprint, card.port)),
            Saying::Herd(_) => None,
        })
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

    fn own_addresses(&mut self, now: Instant) -> &[Own] {
        if self.own.as_ref().is_none_or(|(then, _)| now.duration_since(*then) >= TICK) {
            self.own = Some((now, own_addresses()));
        }
        self.own.as_ref().map_or(&[], |(_, own)| own)
    }
}

/// The next of a channel, or never when there is none. `None` means that the channel was closed.
async fn next<T>(channel: Option<&Receiver<T>>) -> Option<T> {
    match channel {
        Some(channel) => channel.recv_async().await.ok(),
        None => std::future::pending().await,
    }
}
