//! What an agent and one router agreed on: the session that the router gave, which lists of models it has, how often
//! it wants to hear. Arithmetic without a clock, a key or a socket.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use herdwick_wire::beat::{Beat, Command, Reply};
use herdwick_wire::machine::MachineFacts;
use tokio::time::Instant;

/// What holds until a router says otherwise.
const INTERVAL: Duration = Duration::from_secs(1);
/// A router that asks for more beats than this would be paid for by everybody else on the machine.
const LEAST: Duration = Duration::from_millis(250);
/// A machine that is heard of more seldom is not heard of.
const MOST: Duration = Duration::from_secs(60);

/// Facts are for people: one picture of them lasts so long. With every beat they would be most of it.
const FACTS: Duration = Duration::from_secs(10);

/// How a router answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The beat was taken in.
    Taken,
    /// It gave another session: the next beat is due at once.
    Introduced,
    /// It did not take it in, and says nothing of use.
    Refused,
}

/// What is known of one router, from this start of the agent on.
#[derive(Debug)]
pub(crate) struct Session {
    given: String,
    seq: u64,
    interval: Duration,
    /// By port, the list that the router has.
    lists: BTreeMap<u16, String>,
    /// What it asked for.
    wants: BTreeSet<u16>,
    /// It said that the machine takes no new work from it.
    drained: bool,
    /// When it was told facts last, and which sections they had.
    facts: Option<(Instant, [bool; 8])>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            given: String::new(),
            seq: 0,
            interval: INTERVAL,
            lists: BTreeMap::new(),
            wants: BTreeSet::new(),
            drained: false,
            facts: None,
        }
    }
}

impl Session {
    /// Between two beats.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Whether the router has this list of the server at this port, or should not get it yet: whoever does not know us
    /// gets an introduction and no more.
    pub(crate) fn has(&self, port: u16, list: &str) -> bool {
        let has_it = self.lists.get(&port).is_some_and(|known| known == list);
        self.given.is_empty() || (has_it && !self.wants.contains(&port))
    }

    /// Whether the router should be told these facts now: it has none, an old picture, or one without something.
    pub(crate) fn wants(&self, facts: &MachineFacts, now: Instant) -> bool {
        let is_told = |(at, sections): (Instant, [bool; 8])| {
            now.saturating_duration_since(at) < FACTS && sections == facts.sections()
        };
        !self.given.is_empty() && !facts.is_empty() && !self.facts.is_some_and(is_told)
    }

    /// Whether the router lacks a list of a server that it heard of by this beat.
    pub(crate) fn lacks(&self, beat: &Beat) -> bool {
        beat.servers.iter().any(|server| !self.has(server.port, &server.models_hash))
    }

    /// Makes a beat this session's next.
    pub(crate) fn stamp(&mut self, beat: &mut Beat) {
        self.seq += 1;
        beat.session.clone_from(&self.given);
        beat.seq = self.seq;
        beat.interval_ms = u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX);
        beat.draining |= self.drained;
    }

    /// Takes in what the router answered to `beat`, which was sent then.
    pub(crate) fn answered(&mut self, beat: &Beat, sent: Instant, taken: bool, reply: &Reply) -> Answered {
        if reply.interval_ms > 0 {
            self.interval = Duration::from_millis(reply.interval_ms).clamp(LEAST, MOST);
        }
        if !taken {
            let is_new = !reply.session.is_empty() && reply.session != self.given;
            if !is_new {
                return Answered::Refused;
            }
            self.given.clone_from(&reply.session);
            self.seq = 0;
            self.lists.clear();
            self.facts = None;
            self.wants.clear();
            return Answered::Introduced;
        }
        if let Some(facts) = &beat.facts {
            self.facts = Some((sent, facts.sections()));
        }
        for server in beat.servers.iter().filter(|server| server.models.is_some()) {
            self.lists.insert(server.port, server.models_hash.clone());
        }
        self.lists.retain(|port, _| beat.servers.iter().any(|server| server.port == *port));
        self.wants = reply.want_models.iter().copied().collect();
        for command in &reply.commands {
            match command {
                Command::Drain => self.drained = true,
                Command::Undrain => self.drained = false,
                Command::Unknown => {}
            }
        }
        Answered::Taken
    }
}

#[cfg(test)]
mod tests {
    use herdwick_wire::beat::{ModelBeat, ServerBeat};
    use herdwick_wire::machine::{MemoryFacts, PowerFacts};

    use super::*;

    fn beat(hash: &str) -> Beat {
        let server = serde_json::json!({ "kind": "ollama", "port": 11_434, "models_hash": hash });
        let mut server: ServerBeat = serde_json::from_value(server).expect("a server");
        server.models = Some(vec![ModelBeat::default()]);
        let beat =
            serde_json::json!({ "name": "a", "version": "1", "boot": "b", "seq": 0, "interval_ms": 0 });
        Beat { servers: vec![server], ..serde_json::from_value(beat).expect("a beat") }
    }

    fn stamped(session: &mut Session, hash: &str) -> Beat {
        let mut beat = beat(hash);
        if session.has(11_434, hash) {
            beat.servers[0].models = None;
        }
        session.stamp(&mut beat);
        beat
    }

    fn introduced() -> Session {
        let mut session = Session::default();
        let first = stamped(&mut session, "1");
        assert!(first.session.is_empty() && first.servers[0].models.is_none());
        let reply = Reply { session: "s".to_owned(), ..Reply::default() };
        assert_eq!(session.answered(&first, Instant::now(), false, &reply), Answered::Introduced);
        session
    }

    #[test]
    fn lists_travel_until_they_arrived_and_again_when_asked_for() {
        let mut session = introduced();
        let carries = |beat: &Beat| beat.servers[0].models.is_some();
        let lost = stamped(&mut session, "1");
        assert!(carries(&lost) && (lost.session.as_str(), lost.seq) == ("s", 1));
        let sent = stamped(&mut session, "1");
        assert!(carries(&sent), "the first was lost");
        let reply = Reply { session: "s".to_owned(), ..Reply::default() };
        assert_eq!(session.answered(&sent, Instant::now(), true, &reply), Answered::Taken);
        let next = stamped(&mut session, "1");
        assert!(!carries(&next) && next.seq == 3);
        let wants = Reply { want_models: vec![11_434], ..reply.clone() };
        session.answered(&next, Instant::now(), true, &wants);
        let asked = stamped(&mut session, "1");
        assert!(carries(&asked));
        session.answered(&asked, Instant::now(), true, &reply);
        assert!(!carries(&stamped(&mut session, "1")) && carries(&stamped(&mut session, "2")));
    }

    #[test]
    fn a_router_that_began_anew_gets_everything_anew() {
        let mut session = introduced();
        let reply = Reply { session: "s".to_owned(), ..Reply::default() };
        let sent = stamped(&mut session, "1");
        session.answered(&sent, Instant::now(), true, &reply);
        let sent = stamped(&mut session, "1");
        let other = Reply { session: "t".to_owned(), ..Reply::default() };
        assert_eq!(session.answered(&sent, Instant::now(), false, &other), Answered::Introduced);
        let again = stamped(&mut session, "1");
        assert!(again.servers[0].models.is_some() && (again.session.as_str(), again.seq) == ("t", 1));
        assert_eq!(
            session.answered(&again, Instant::now(), false, &other),
            Answered::Refused,
            "the same session is no news"
        );
    }

    #[test]
    fn facts_travel_now_and_then_and_when_there_are_more_of_them() {
        let mut session = introduced();
        let reply = Reply { session: "s".to_owned(), ..Reply::default() };
        let some = MachineFacts { memory: Some(MemoryFacts::default()), ..MachineFacts::default() };
        let more = MachineFacts { power: Some(PowerFacts::default()), ..some.clone() };
        let at = Instant::now();
        let later = |seconds| at + Duration::from_secs(seconds);
        assert!(
            !Session::default().wants(&some, at),
            "whoever does not know us gets no more than an introduction"
        );
        assert!(session.wants(&some, at) && !session.wants(&MachineFacts::default(), at));
        let sent = Beat { facts: Some(some.clone()), ..stamped(&mut session, "1") };
        assert!(session.wants(&some, later(1)), "it may be lost");
        session.answered(&sent, at, true, &reply);
        let wants = |session: &Session, facts, seconds| session.wants(facts, later(seconds));
        assert_eq!([1, 9, 10].map(|at| wants(&session, &some, at)), [false, false, true]);
        assert!(wants(&session, &more, 1), "there is a section more");
        let without = stamped(&mut session, "1");
        session.answered(&without, later(5), true, &reply);
        assert!(wants(&session, &some, 10), "a beat without facts tells none");
        let other = Reply { session: "t".to_owned(), ..Reply::default() };
        session.answered(&without, later(5), false, &other);
        assert!(wants(&session, &some, 5), "the router began anew");
    }

    #[test]
    fn a_router_sets_the_pace_within_reason_and_may_drain() {
        let mut session = introduced();
        let sent = stamped(&mut session, "1");
        let mut reply = Reply { session: "s".to_owned(), interval_ms: 5_000, ..Reply::default() };
        reply.commands = vec![Command::Unknown, Command::Drain];
        session.answered(&sent, Instant::now(), true, &reply);
        assert_eq!(session.interval(), Duration::from_secs(5));
        let drained = stamped(&mut session, "1");
        assert!(drained.draining && drained.interval_ms == 5_000);
        reply.commands = vec![Command::Undrain];
        for (asked, got) in [(1, LEAST), (u64::MAX, MOST), (0, MOST)] {
            reply.interval_ms = asked;
            session.answered(&drained, Instant::now(), true, &reply);
            assert_eq!(session.interval(), got);
        }
        assert!(!stamped(&mut session, "1").draining);
    }
}
