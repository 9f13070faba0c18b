//! The task: makes true what is wanted, hands on what is answered, and begins anew when the network answers too much.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mdns_sd::{DaemonStatus, Metrics, Receiver, ServiceEvent};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::daemon::{Daemon, Events};
use super::heard::{Heard, Then};
use super::wanted::{Saying, Wanted, Wish};
use super::{MdnsError, Seen, Settings};
use crate::card::Role;
use crate::guard::{self, Guard, Reason};

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
    /// Somebody said goodbye for somebody.
    is_in_doubt: bool,
    /// What is answered about each role that is looked for.
    roles: BTreeMap<Role, Events>,
    herd: Option<Events>,
    heard: Heard,
    said: watch::Sender<Vec<Saying>>,
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
        let (heard, seen) = Heard::new();
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
            is_in_doubt: false,
            roles: BTreeMap::new(),
            herd: None,
            heard,
            said,
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
                event = next(self.roles.get(&Role::Router)) => Turn::Role(Role::Router, event),
                event = next(self.roles.get(&Role::Node)) => Turn::Role(Role::Node, event),
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

    /// Makes true what is wanted.
    async fn follow(&mut self) {
        self.start_if_it_is_time();
        let Some(daemon) = &self.daemon else { return };
        self.heard.want(&self.wish.known);
        for role in &self.wish.roles {
            if !self.roles.contains_key(role)
                && let Some(events) = daemon.browse(*role)
            {
                self.roles.insert(*role, events);
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
        self.roles.clear();
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
                self.is_in_doubt |= self.heard.of_us(role, event, &self.wish.sayings, now) == Then::Ask;
            }
            Turn::Herd(Some(event)) => {
                self.guard.event(now)?;
                self.heard.of_herd(event, now);
            }
        }
        Ok(())
    }

    fn tick(&mut self, now: Instant) -> Result<(), Reason> {
        self.heard.expire(now);
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
        let again = self.asks.is_multiple_of(VERIFY_EVERY);
        for (role, events) in &mut self.roles {
            if again {
                self.heard.instances(*role).into_iter().for_each(|instance| daemon.verify(instance));
            }
            if let Some(asked) = daemon.browse(*role) {
                *events = asked;
            }
        }
        if self.herd.is_some() {
            self.herd = daemon.browse_herd();
        }
    }
}

/// The next of a channel, or never when there is none. `None` means that the channel was closed.
async fn next<T>(channel: Option<&Receiver<T>>) -> Option<T> {
    match channel {
        Some(channel) => channel.recv_async().await.ok(),
        None => std::future::pending().await,
    }
}
