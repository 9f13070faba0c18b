//! The loop that reports to one router: finds it where it may be, beats as often as it wants, and begins anew whatever
//! happens to either side. It never gives up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herdwick_wire::beat::{Beat, limits};
use herdwick_wire::seal::{Identity, PublicKey};
use http::StatusCode;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::beat::compose::{Composer, Listener};
use crate::beat::post::{Answer, Line, PostError};
use crate::beat::session::{Answered, Session};
use crate::door::RouterId;
use crate::pins::Pins;
use crate::random::spread;
use crate::routers::{Routers, Source};
use crate::servers::board::Board;

/// After the first attempt that failed; doubled with each further one.
const AGAIN: Duration = Duration::from_millis(250);
/// The longest pause while the router's machine says that nobody listens: it is being started or restarted, and should
/// have its machines back within a second.
const REFUSED: Duration = Duration::from_millis(500);
/// The longest pause while nobody says anything: whatever ended, the machine is reported again within three seconds of
/// the router's return.
const SILENT: Duration = Duration::from_secs(2);
/// News travels with a beat of its own, but no faster than this.
const NEWS: Duration = Duration::from_millis(100);
/// Introductions in a row before a router is taken for one that cannot make up its mind.
const INTRODUCTIONS: u32 = 3;
/// How long whoever is only said to be there is looked for before others have their turn: long enough for two addresses
/// that swallow everything.
pub(crate) const TRIED: Duration = Duration::from_secs(5);
/// Refusals in a row at one address before another one is tried: a router may take nothing from where it cannot reach.
const REFUSALS: u32 = 3;
/// How long a beat is waited for at least, however often one is due: a router may be far away.
const PATIENCE: Duration = Duration::from_secs(1);
/// Addresses at which one router is looked for. Those that the operator named are never given up.
const ADDRESSES: usize = 12;

/// What the agent is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It serves.
    Serving,
    /// It takes no new work.
    Draining,
    /// What it passed on ended; it leaves once its routers heard from it.
    Leaving,
}

/// How it stands with one router, for people and for the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is looked for; why it was not found last.
    Looking(String),
    /// It takes beats, here.
    Reporting(String),
    /// It answers, and takes none; why.
    Refused(String),
}

/// What all links share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) composer: Composer,
    pub(crate) board: Arc<Board>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) routers: Routers,
    pub(crate) phase: watch::Sender<Phase>,
}

/// One router, as far as it is known.
#[derive(Debug)]
pub(crate) struct Link {
    id: RouterId,
    known: Mutex<Known>,
    /// There is an address more.
    moved: Notify,
    standing: watch::Sender<Standing>,
    /// The phase that the router has heard of.
    heard: watch::Sender<Option<Phase>>,
    /// Nobody looks for it any more.
    over: watch::Sender<bool>,
    /// When somebody first said that it is there.
    since: Instant,
}

#[derive(Debug)]
struct Known {
    key: Option<PublicKey>,
    /// The one that worked last first.
    addresses: Vec<(String, Source)>,
}

impl Link {
    /// A router that may be at these addresses.
    pub(crate) fn new(id: RouterId, mut addresses: Vec<(String, Source)>, key: Option<PublicKey>) -> Self {
        addresses.truncate(ADDRESSES);
        Self {
            id,
            known: Mutex::new(Known { key, addresses }),
            moved: Notify::new(),
            standing: watch::Sender::new(Standing::Looking(String::new())),
            heard: watch::Sender::new(None),
            over: watch::Sender::new(false),
            since: Instant::now(),
        }
    }

    /// Whether it is only said to be there, and was looked for: nobody named it, and nobody ever answered.
    pub(crate) fn is_old_rumour(&self) -> bool {
        let known = self.lock();
        let is_rumour =
            known.key.is_none() && known.addresses.iter().all(|(_, source)| *source == Source::Seen);
        is_rumour && self.since.elapsed() >= TRIED
    }

    /// It is looked for no more.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    /// Its key, once it showed it.
    pub(crate) fn key(&self) -> Option<PublicKey> {
        self.lock().key
    }

    /// This is its key.
    pub(crate) fn pin(&self, key: PublicKey) {
        self.lock().key = Some(key);
    }

    /// Where it may be.
    pub(crate) fn addresses(&self) -> Vec<(String, Source)> {
        self.lock().addresses.clone()
    }

    /// Whether it is looked for at one of these already.
    pub(crate) fn knows(&self, addresses: &[String]) -> bool {
        self.lock().addresses.iter().any(|(known, _)| addresses.contains(known))
    }

    /// It may be there as well, somebody says. The newest sightings are tried and the oldest given up.
    pub(crate) fn offer(&self, addresses: &[String]) {
        self.learn(addresses.iter().map(|address| (address.clone(), Source::Seen)).collect());
    }

    /// It may be there as well.
    pub(crate) fn learn(&self, addresses: Vec<(String, Source)>) {
        let mut known = self.lock();
        let before = known.addresses.len();
        for (address, source) in addresses {
            if !known.addresses.iter().any(|(have, _)| *have == address) {
                known.addresses.push((address, source));
            }
        }
        if known.addresses.len() == before {
            return;
        }
        while known.addresses.len() > ADDRESSES {
            // The first is the one that worked last.
            let seen = known.addresses.iter().skip(1).position(|(_, source)| *source != Source::Named);
            let Some(seen) = seen else { break };
            known.addresses.remove(seen + 1);
        }
        drop(known);
        self.moved.notify_one();
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Whether it takes beats.
    pub(crate) fn is_up(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Reporting(_))
    }

    /// Returns once the router has heard of this phase, or is not there to hear of it.
    pub(crate) async fn hears(&self, phase: Phase) {
        let mut heard = self.heard.subscribe();
        let mut standing = self.standing.subscribe();
        tokio::select! {
            // Both senders live as long as this.
            _ = heard.wait_for(|heard| heard.is_some_and(|heard| heard >= phase)) => {}
            _ = standing.wait_for(|standing| !matches!(standing, Standing::Reporting(_))) => {}
        }
    }

    /// This address worked: it is tried first from now on, and is no rumour any more. If another router answers there
    /// some day, this one may still come back.
    fn prefer(&self, address: &str) {
        let mut known = self.lock();
        if let Some(index) = known.addresses.iter().position(|(have, _)| have == address) {
            let (found, source) = known.addresses.remove(index);
            known.addresses.insert(0, (found, source.min(Source::Met)));
        }
    }

    /// Another router is there; a rumour is given up.
    fn give_up(&self, address: &str) {
        self.lock().addresses.retain(|(have, source)| have != address || *source != Source::Seen);
    }

    /// Says how it stands, and logs it once per change.
    fn stand(&self, standing: Standing) {
        let is_news = self.standing.send_if_modified(|now| {
            let is_news = *now != standing;
            now.clone_from(&standing);
            is_news
        });
        if !is_news {
            return;
        }
        let at = self.addresses().into_iter().map(|(address, _)| address).collect::<Vec<_>>().join(", ");
        match standing {
            Standing::Reporting(address) => tracing::info!("reporting to the router at {address}"),
            Standing::Looking(why) => tracing::warn!("no router at {at}: {why}; looking on"),
            Standing::Refused(why) => {
                tracing::warn!("the router at {at} does not take this machine in: {why}")
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports for as long as the process lives, until the router heard that this machine leaves, or until somebody ends it.
pub(crate) async fn run(link: Arc<Link>, shared: Arc<Shared>) {
    let mut over = link.over.subscribe();
    tokio::select! {
        () = report(link, shared) => {}
        // The sender lives as long as the link.
        _ = over.wait_for(|over| *over) => {}
    }
}

async fn report(link: Arc<Link>, shared: Arc<Shared>) {
    let mut reporting = Reporting { link, shared, session: Session::default(), told_of: None };
    let mut pause = AGAIN;
    loop {
        let ended = reporting.try_everywhere().await;
        let most = match ended {
            Ended::Done => return,
            // It beat until now: once more at once.
            Ended::Lost => {
                pause = AGAIN;
                continue;
            }
            Ended::Refused => REFUSED,
            Ended::Silent => SILENT,
        };
        pause = pause.min(most);
        tokio::select! {
            () = sleep(spread(pause)) => {}
            () = reporting.link.moved.notified() => {}
        }
        pause = (pause * 2).min(most);
    }
}

/// How an attempt to report ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// There is nothing more to report here.
    Done,
    /// Beats were answered, and then one was not.
    Lost,
    /// Nobody listens at all.
    Refused,
    /// Nobody answers, or not as the router does.
    Silent,
}

/// An agent's side of one link.
struct Reporting {
    link: Arc<Link>,
    shared: Arc<Shared>,
    session: Session,
    /// A router with another key that was logged already.
    told_of: Option<PublicKey>,
}

impl Reporting {
    /// Tries each address in turn; beats at the first that answers.
    async fn try_everywhere(&mut self) -> Ended {
        let mut worst = Ended::Refused;
        let mut why = "it has no address".to_owned();
        for (address, _) in self.link.addresses() {
            let error = match Line::connect(&address).await {
                Ok(line) => match self.beat_on(line, &address).await {
                    Ok(done) => return done,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if !matches!(error, PostError::Refused) {
                worst = Ended::Silent;
            }
            if let PostError::Other(key) = error {
                self.other(&address, key);
            }
            why = error.to_string();
        }
        self.link.stand(Standing::Looking(why));
        worst
    }

    /// Beats until the connection or the router fails. `Err` when it never worked here.
    async fn beat_on(&mut self, mut line: Line, address: &str) -> Result<Ended, PostError> {
        let mut news = self.shared.board.news();
        let mut phases = self.shared.phase.subscribe();
        let mut worked = false;
        let (mut introductions, mut refusals) = (0, 0);
        // Beats that carried a list each and were followed by the next one at once.
        let mut hurried = 0;
        loop {
            // What is told by the beat below is no news after it.
            news.mark_unchanged();
            let phase = *phases.borrow_and_update();
            let sent = Instant::now();
            let beat = self.beat(&line, phase);
            let answer = match self.post(&mut line, &beat).await {
                Ok(answer) => answer,
                Err(error) if worked => {
                    tracing::debug!("a beat to {address} was lost: {error}");
                    // Somebody else at its place is no loss of a beat.
                    return if matches!(error, PostError::Other(_)) { Err(error) } else { Ok(Ended::Lost) };
                }
                Err(error) => return Err(error),
            };
            if self.link.key().is_none() && !self.shared.routers.met(&self.link, answer.key, address) {
                return Ok(Ended::Done);
            }
            let taken = answer.status == StatusCode::OK;
            match self.session.answered(&beat, sent, taken, &answer.reply) {
                Answered::Taken => {
                    (worked, introductions, refusals) = (true, 0, 0);
                    self.taken(&answer, address, phase);
                    if phase == Phase::Leaving {
                        return Ok(Ended::Done);
                    }
                    if self.session.lacks(&beat) && hurried < limits::SERVERS {
                        hurried += 1;
                        sleep_until(sent + NEWS).await;
                        continue;
                    }
                }
                Answered::Introduced if introductions < INTRODUCTIONS => {
                    introductions += 1;
                    continue;
                }
                Answered::Introduced | Answered::Refused => {
                    let problem =
                        answer.reply.problem.unwrap_or_else(|| format!("it answers {}", answer.status));
                    refusals += 1;
                    if refusals >= REFUSALS && self.link.addresses().len() > 1 {
                        return Err(PostError::Unwilling(problem));
                    }
                    self.link.stand(Standing::Refused(problem));
                }
            }
            hurried = 0;
            tokio::select! {
                () = sleep_until(sent + self.session.interval()) => {}
                _ = news.changed() => sleep_until(sent + NEWS).await,
                _ = phases.changed() => {}
            }
        }
    }

    fn beat(&mut self, line: &Line, phase: Phase) -> Beat {
        let listener = Listener {
            router: self.link.id,
            here: line.here.ip().to_canonical(),
            there: line.there.ip().to_canonical(),
            others: self.shared.routers.others(&self.link),
        };
        let mut beat = self.shared.composer.beat(listener, &self.session);
        // Its servers are told to the last: whoever asks for what they have is told that the machine drains, and not that
        // nobody has it.
        beat.draining = phase >= Phase::Draining;
        self.session.stamp(&mut beat);
        beat
    }

    async fn post(&self, line: &mut Line, beat: &Beat) -> Result<Answer, PostError> {
        // A beat is made of texts and numbers, which are always JSON.
        let body = serde_json::to_vec(beat).map_err(|error| PostError::Stranger(error.to_string()))?;
        line.post(
            &self.shared.identity,
            self.link.key().as_ref(),
            body,
            self.session.interval().max(PATIENCE),
        )
        .await
    }

    fn taken(&self, answer: &Answer, address: &str, phase: Phase) {
        if !self.link.is_up() {
            self.link.prefer(address);
            self.shared.pins.met(answer.key, address);
        }
        self.link.stand(Standing::Reporting(address.to_owned()));
        self.link.heard.send_replace(Some(phase));
    }

    /// Another router answers where ours was. Nothing that it says is done.
    fn other(&mut self, address: &str, key: PublicKey) {
        self.link.give_up(address);
        let is_rumour = !self.link.knows(&[address.to_owned()]);
        if is_rumour || self.told_of == Some(key) {
            return;
        }
        self.told_of = Some(key);
        tracing::warn!(
            "another router answers at {address}, with the key {key}: it is not obeyed. If the router was set up anew, \
             remove it from {} and start the agent again",
            self.shared.pins.path().display()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_once_answered_it_is_looked_for_again_after_another_answered_there() {
        let rumours = ["a:1", "b:1"].map(|address| (address.to_owned(), Source::Seen));
        let link = Link::new(RouterId(1), rumours.to_vec(), None);
        link.prefer("b:1");
        link.give_up("a:1");
        link.give_up("b:1");
        assert_eq!(link.addresses(), [("b:1".to_owned(), Source::Met)]);
    }
}
