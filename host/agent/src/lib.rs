//! `herdwick node`: the agent of one machine. It finds the model servers here, watches them, and reports them to
//! routers: those that were named, met before or are seen on the network. It serves nobody but where a server listens
//! for its own machine only; then it passes on, for its routers alone. It decides nothing and loads nothing.
//!
//! The story of a beat: `servers::watch` asks, `servers::board` keeps, `beat::compose` says it, `beat::session` leaves
//! out what the router has, `beat::post` signs and sends it, `beat::link` does that again and again.

mod beat;
mod collect;
mod door;
mod identity;
mod overview;
mod parallel;
mod pins;
mod random;
mod routers;
mod servers;
mod sockets;
mod state;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::NodeId;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use beat::compose::{Composer, Known, Speaker};
use beat::link::{self, Phase, Shared};
use collect::{About, Collector};
use door::{Doors, Guests};
pub use identity::IdentityError;
pub use overview::{Overview, RouterView, ServerView};
use pins::Pins;
use routers::Routers;
pub use routers::{Blind, Finder, Sighting};
use servers::board::Board;
pub use servers::place::Place;
use servers::watch as watching;

/// The port from which the agent passes on, unless it is taken.
pub const DOOR_PORT: u16 = 11_436;

/// How long requests that are passed on may take to end once the agent is told to.
const DRAIN: Duration = Duration::from_secs(120);
/// How long the servers may take to say what they have before the first beat. One that is slower is told in a later one.
const FIRST_LOOK: Duration = Duration::from_millis(300);
/// How long routers may take to hear that the machine drains or leaves.
const WORD: Duration = Duration::from_secs(2);

/// What an agent is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the machine is called.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Where its key and its routers are kept.
    pub state_dir: PathBuf,
    /// Routers as `HOST:PORT`. None = those met before and those seen on the network.
    pub routers: Vec<String>,
    /// Where model servers are looked for.
    pub places: Vec<Place>,
    /// The first port that is tried for passing on.
    pub door_port: u16,
    /// Whether it is watched that somebody is in a meeting here.
    pub meetings: bool,
}

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The machine has no key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It cannot be read whom it reported to.
    #[error("the state folder cannot be read")]
    State(#[source] io::Error),
    /// The system gives no randomness.
    #[error("the system gives no random numbers")]
    Random(#[source] io::Error),
}

/// What the driver of NVIDIA says when it is asked once: what its cards are called, or why they cannot be read and what
/// to do. Takes as long as the driver, which may be for ever. `None` where nothing shows a card.
pub fn nvidia() -> Option<Result<Vec<String>, (String, &'static str)>> {
    collect::nvidia()
}

/// How an agent is told to end.
#[derive(Clone, Debug)]
pub struct Ends {
    /// Turns true when it should drain and leave.
    pub stop: watch::Receiver<bool>,
    /// Turns true when it should leave at once.
    pub cut: watch::Receiver<bool>,
}

/// The agent of this machine.
#[derive(Debug)]
pub struct Agent {
    name: String,
    places: Vec<Place>,
    guests: Arc<Guests>,
    collector: Arc<Collector>,
    state_dir: PathBuf,
    meetings: bool,
    shared: Arc<Shared>,
}

impl Agent {
    /// Builds everything and starts nothing.
    ///
    /// # Errors
    /// When the state folder is out of reach, or the system gives no randomness.
    pub fn new(settings: Settings) -> Result<Self, AgentError> {
        let identity = identity::load(&settings.state_dir)?;
        let pins = Arc::new(Pins::load(&settings.state_dir).map_err(AgentError::State)?);
        let speaker = Speaker {
            name: settings.name.clone(),
            version: settings.version,
            boot: random::hex::<8>().map_err(AgentError::Random)?,
        };
        let (board, guests) = (Arc::new(Board::default()), Arc::new(Guests::default()));
        let doors = Arc::new(Doors::new(Arc::clone(&board), Arc::clone(&guests), settings.door_port));
        let collector = Arc::new(Collector::default());
        let known = Known {
            board: Arc::clone(&board),
            doors,
            guests: Arc::clone(&guests),
            collector: Arc::clone(&collector),
        };
        let shared = Shared {
            identity,
            composer: Composer::new(speaker, known),
            routers: Routers::new(&settings.routers, Arc::clone(&pins)),
            board,
            pins,
            phase: watch::Sender::new(Phase::Serving),
        };
        Ok(Self {
            name: settings.name,
            places: settings.places,
            guests,
            collector,
            state_dir: settings.state_dir,
            meetings: settings.meetings,
            shared: Arc::new(shared),
        })
    }

    /// Who this machine is to its routers.
    pub fn id(&self) -> NodeId {
        self.shared.identity.public().node()
    }

    /// Routers that it reported to, by the ids that their keys make.
    pub fn routers_met(&self) -> Vec<NodeId> {
        self.shared.pins.all().iter().map(|pin| pin.key.node()).collect()
    }

    /// Watches, reports and passes on until it is told to end; then in order: no new work, what is passed on ends, the
    /// routers hear that the machine leaves.
    pub async fn run(&self, finder: impl Finder, mut ends: Ends) {
        let board = Arc::clone(&self.shared.board);
        self.collector.begin(About {
            state_dir: self.state_dir.clone(),
            folders: Box::new(move || board.folders()),
            meetings: self.meetings,
        });
        let mut watchers = JoinSet::new();
        for place in &self.places {
            watchers.spawn(watching::run(place.clone(), Arc::clone(&self.shared.board)));
        }
        // A beat without servers would have routers take out what a restarted agent is about to report.
        let ports = self.places.iter().map(|place| place.origin.port).collect();
        let _ = timeout(FIRST_LOOK, async {
            self.collector.has_begun().await;
            self.shared.board.has_looked(&ports).await;
        })
        .await;
        let mut links = JoinSet::new();
        for link in self.shared.routers.links() {
            links.spawn(link::run(link, Arc::clone(&self.shared)));
        }
        tokio::select! {
            () = self.serve(finder, &mut links) => {}
            () = told(&mut ends.stop) => {}
            () = told(&mut ends.cut) => return,
        }
        tokio::select! {
            () = self.leave() => {}
            () = told(&mut ends.cut) => {}
        }
    }

    /// Never returns: follows every router that is seen.
    async fn serve(&self, mut finder: impl Finder, links: &mut JoinSet<()>) {
        while let Some(sighting) = finder.next().await {
            // Links that ended leave nothing behind.
            while links.try_join_next().is_some() {}
            if let Some(link) = self.shared.routers.seen(&sighting) {
                links.spawn(link::run(link, Arc::clone(&self.shared)));
            }
        }
        std::future::pending().await
    }

    async fn leave(&self) {
        tracing::info!("draining: routers send no new work");
        self.tell(Phase::Draining).await;
        let running = self.guests.running();
        if running > 0 {
            tracing::info!("{running} requests that are passed on may end, for up to {} s", DRAIN.as_secs());
        }
        if timeout(DRAIN, self.guests.idle()).await.is_err() {
            tracing::warn!("{} requests are cut off", self.guests.running());
        }
        self.tell(Phase::Leaving).await;
    }

    /// Returns once every router that can hear it has heard it.
    async fn tell(&self, phase: Phase) {
        self.shared.phase.send_replace(phase);
        let links = self.shared.routers.links();
        let heard = async {
            for link in &links {
                link.hears(phase).await;
            }
        };
        // Whoever does not hear it in time will see it.
        let _ = timeout(WORD, heard).await;
    }
}

/// Returns when it turns true. Nobody left who could say so means never.
async fn told(word: &mut watch::Receiver<bool>) {
    if word.wait_for(|word| *word).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    /// An empty folder of this test's own.
    pub(crate) fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("herdwick-agent-{}-{test}", std::process::id()));
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            _ => std::fs::create_dir_all(&folder).expect("a folder"),
        }
        folder
    }
}
