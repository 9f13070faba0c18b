//! How a heartbeat gets in: counted, checked for who speaks, for whom, how new it is and whether it makes sense, and then
//! handed to the fleet's keeper. What fails a check changes nothing. Runs on the control thread; it keeps no fleet.
//!
//! In the order of a beat: `flood` counts addresses before anything is looked at, `address` says where a machine can be,
//! `sealed` who speaks, `sessions` whether that start of an agent may and whether the beat is new, `stranger` whether a
//! machine came back with another key. `refusal` has the words for all that fails, `hush` keeps a flood of them out of the
//! log. `herd` is the shorter way of an agent that signs nothing.

mod address;
mod flood;
mod herd;
mod hush;
mod refusal;
mod sealed;
mod sessions;
mod stranger;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use herdwick_fleet::{Door, Moment, Report, ServerReport, Snapshot};
use herdwick_wire::beat::{Beat, Command, Reply, Seen, ServerBeat};
use herdwick_wire::machine::MachineFacts;
use herdwick_wire::seal::{self, Identity, PublicKey, Signature};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};

use crate::facts::FactBook;

use flood::Flood;
use herd::Herd;
use hush::Hush;
use refusal::Refusal;
use sealed::Sealed;
use sessions::{Said, Sessions, Turned};

/// How long one is held up that comes too early. A connection has one at a time, so that a flood comes no faster than it
/// is answered.
const HELD_UP: Duration = Duration::from_secs(1);
/// Time between two beats, as agents are told. Three missed ones are noticed within what people wait for.
const INTERVAL: Duration = Duration::from_secs(1);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The keeper of the fleet, as heartbeats see it.
pub trait Desk: Send + Sync {
    /// Takes a report in.
    fn report(&self, report: Report) -> Pin<Box<dyn Future<Output = Result<Heard, Unheard>> + Send + '_>>;
}

/// Why the keeper did not take a report in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// It has too much to do, or the program ends.
    Busy,
    /// There are as many machines as there may be.
    NoRoom,
}

/// What the keeper knows of a machine that just reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What the fleet calls it.
    pub name: Arc<str>,
    /// Whether its operator wants it to take no new work.
    pub is_drained: bool,
    /// Servers, by their ports, whose models are not known.
    pub unlisted: Vec<u16>,
}

/// What heartbeats are checked against.
pub struct IngestParts {
    /// Who this router is.
    pub identity: Identity,
    /// Drawn from the system's randomness at this start, and used for nothing else.
    pub secret: [u8; 32],
    /// The keeper.
    pub desk: Arc<dyn Desk>,
    /// The newest picture of the fleet: who was known before a machine reported.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// Where what machines tell people of themselves is written down.
    pub facts: Arc<FactBook>,
    /// Where the router listens.
    pub port: u16,
    /// Whether an address is one of this machine.
    pub is_own: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// Zero of the router's clock.
    pub start: Instant,
}

/// The way in.
pub struct Ingest {
    parts: IngestParts,
    us: PublicKey,
    state: Mutex<State>,
}

/// What is remembered from beat to beat.
struct State {
    flood: Flood,
    hush: Hush,
    sessions: Sessions,
    herd: Herd,
}

/// Why a beat went no further.
enum Stop {
    Refused(Refusal),
    /// It comes again with this session.
    Introduced(String),
}

impl Ingest {
    /// With nobody known yet.
    pub fn new(parts: IngestParts) -> Self {
        let state = State {
            flood: Flood::default(),
            hush: Hush::default(),
            sessions: Sessions::new(parts.secret),
            herd: Herd::default(),
        };
        Self { us: parts.identity.public(), parts, state: Mutex::new(state) }
    }

    /// `POST /fleet/v1/beat`, from this address.
    pub async fn beat(&self, from: IpAddr, request: Request<Bytes>) -> Response<Bytes> {
        held_up(self.take_beat(from, request).await).await
    }

    async fn take_beat(&self, from: IpAddr, request: Request<Bytes>) -> Response<Bytes> {
        let sealed = Sealed::read(request.headers());
        let signature = sealed.as_ref().ok().map(|sealed| sealed.signature);
        let (status, reply) = match self.take(from, sealed, request.body()).await {
            Ok(reply) => (StatusCode::OK, reply),
            Err(Stop::Introduced(session)) => {
                tracing::debug!(%from, "an agent is given a session");
                (StatusCode::UNAUTHORIZED, Reply { session, ..self.reply() })
            }
            Err(Stop::Refused(refusal)) => {
                self.tell(&refusal, from);
                let interval_ms = millis(refusal.again().unwrap_or(INTERVAL));
                (refusal.status(), Reply { problem: Some(refusal.to_string()), interval_ms, ..self.reply() })
            }
        };
        let counts = status != StatusCode::TOO_MANY_REQUESTS;
        self.answer(status, &reply, signature.filter(|_| counts))
    }

    /// The story of a beat.
    async fn take(&self, from: IpAddr, sealed: Result<Sealed, Refusal>, body: &Bytes) -> Result<Reply, Stop> {
        let now = self.now();
        self.state().flood.pass(from, now).map_err(Refusal::Flood)?;
        if let Some(why) = address::unfit(from) {
            return Err(Refusal::Address(why).into());
        }
        let sealed = sealed?;
        sealed.check(&self.us, body)?;
        let beat = Beat::read(body).map_err(|problem| Refusal::Broken(vec![problem]))?;
        let mut sent = Sent::of(&beat);
        let seen = Seen { node: sealed.key.node(), address: from, at: now };
        let report = beat.report(seen).map_err(Refusal::Broken)?;
        self.asks_itself(&report)?;
        self.enter(&sealed, &sent, &report)?;
        let heard = self.parts.desk.report(report).await.map_err(Refusal::from)?;
        if let Some(facts) = sent.facts.take() {
            self.parts.facts.write(seen.node, seen.at, facts, &self.parts.fleet.load());
        }
        Ok(self.hear(&sealed.key, sent, &heard))
    }

    /// Lets the agent speak for its machine, or turns it away.
    fn enter(&self, sealed: &Sealed, sent: &Sent, report: &Report) -> Result<(), Stop> {
        let state = &mut *self.state();
        let said = Said {
            boot: &sent.boot,
            session: &sent.session,
            seq: sent.seq,
            interval: report.interval,
            address: report.address,
        };
        // It does not say that it is meant for us, so that anybody may have caught it elsewhere.
        if sealed.router.is_none() {
            return Err(self.turn(state.sessions.introduce(&sealed.key, said.boot, report.at), report));
        }
        let entered = state.sessions.enter(&sealed.key, said, report.at);
        let agent = entered.map_err(|turned| self.turn(turned, report))?;
        if agent.is_new() {
            let Report { name, address: from, node, .. } = report;
            tracing::info!(name, %from, %node, "an agent speaks for a machine, and its key is pinned");
            if let Some(before) = stranger::took_place_of(report, &self.parts.fleet.load())
                && let Some(held) = state.hush.pass("changed_key", *from, report.at)
            {
                let code = "changed_key";
                tracing::warn!(
                    code, %from, %node, before = %before.id, held,
                    "an agent calls itself {name} and is where that was, with another key, and is another node; if it was \
                     installed anew: herdwick nodes forget {}; if not, somebody speaks in its place", before.name
                );
            }
        }
        Ok(())
    }

    fn turn(&self, turned: Turned, report: &Report) -> Stop {
        match turned {
            Turned::Introduced(session) => Stop::Introduced(session),
            Turned::Old => Refusal::Old.into(),
            Turned::Twin { elsewhere, left } => {
                Refusal::Twin { name: report.name.clone(), elsewhere, left }.into()
            }
            Turned::Full => Refusal::Full.into(),
        }
    }

    /// A router that is in its own fleet would ask itself for ever.
    fn asks_itself(&self, report: &Report) -> Result<(), Refusal> {
        let port = self.parts.port;
        let is_asked = |server: &ServerReport| match &server.door {
            Door::Direct => server.port == port,
            Door::Forwarded { port: at, .. } => *at == port || server.port == port,
        };
        let is_ours = report.servers.iter().any(is_asked) && (self.parts.is_own)(report.address);
        if is_ours { Err(Refusal::Itself(port)) } else { Ok(()) }
    }

    /// What to answer to a beat that was taken in.
    fn hear(&self, key: &PublicKey, sent: Sent, heard: &Heard) -> Reply {
        let mut reply = Reply { session: sent.session, name: heard.name.to_string(), ..self.reply() };
        let state = &mut *self.state();
        // Somebody else may have taken its place while the keeper was asked.
        let Some(agent) = state.sessions.get(key) else { return reply };
        // An agent that names other ports in each beat must not have us remember all of them.
        agent.lists.retain(|port, _| sent.lists.iter().any(|list| list.port == *port));
        for list in sent.lists {
            if list.is_here {
                agent.lists.insert(list.port, list.hash);
            } else if heard.unlisted.contains(&list.port) || agent.lists.get(&list.port) != Some(&list.hash) {
                reply.want_models.push(list.port);
            }
        }
        // An agent that drains by itself is about to leave, and nobody calls it back.
        match (heard.is_drained, sent.is_draining) {
            (true, false) => reply.commands.push(Command::Drain),
            (false, true) if agent.told_to_drain => reply.commands.push(Command::Undrain),
            _ => {}
        }
        agent.told_to_drain = heard.is_drained || sent.is_draining && agent.told_to_drain;
        reply
    }

    /// One line of log, unless there were many.
    fn tell(&self, refusal: &Refusal, from: IpAddr) {
        let Some(held) = self.state().hush.pass(refusal.code(), from, self.now()) else { return };
        let code = refusal.code();
        tracing::warn!(%from, code, held, "a heartbeat was not taken in: {refusal}");
    }

    fn reply(&self) -> Reply {
        Reply { interval_ms: millis(INTERVAL), ..Reply::default() }
    }

    /// Signed, if there is a beat that it can be the reply to.
    fn answer(&self, status: StatusCode, reply: &Reply, beat: Option<Signature>) -> Response<Bytes> {
        // Texts and numbers always make JSON.
        let body = Bytes::from(serde_json::to_vec(reply).unwrap_or_default());
        let signature = beat.map(|beat| self.parts.identity.sign_reply(&beat, &body).to_string());
        let mut response = json(status, body);
        let signed =
            signature.map(|signature| [(seal::KEY, self.us.to_string()), (seal::SIGNATURE, signature)]);
        for (name, value) in signed.into_iter().flatten() {
            // Digits always make a value.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }

    fn now(&self) -> Moment {
        Moment::on(self.parts.start, Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked left whole entries behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a beat says to this module and not to the fleet.
struct Sent {
    boot: String,
    session: String,
    seq: u64,
    is_draining: bool,
    lists: Vec<Listed>,
    facts: Option<MachineFacts>,
}

/// The list of one server, as a beat has it.
struct Listed {
    port: u16,
    hash: String,
    /// Whether the list itself came along.
    is_here: bool,
}

impl Sent {
    fn of(beat: &Beat) -> Self {
        let list = |server: &ServerBeat| Listed {
            port: server.port,
            hash: server.models_hash.clone(),
            is_here: server.models.is_some(),
        };
        Self {
            boot: beat.boot.clone(),
            session: beat.session.clone(),
            seq: beat.seq,
            is_draining: beat.draining,
            lists: beat.servers.iter().map(list).collect(),
            facts: beat.facts.clone(),
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The answer, later if it is one to a flood.
async fn held_up(answer: Response<Bytes>) -> Response<Bytes> {
    if answer.status() == StatusCode::TOO_MANY_REQUESTS {
        tokio::time::sleep(HELD_UP).await;
    }
    answer
}

fn json(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
