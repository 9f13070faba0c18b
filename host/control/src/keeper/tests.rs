//! The keeper with its real tasks and clock: what comes in, what can be seen, and when.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use herdwick_fleet::{
    Agent, Backend, BackendKind, Door, Remembered, RememberedServer, Report, ServerReport, Standing,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::ingest::{Desk as _, Unheard};

/// Between two beats of a machine in a hurry.
const BEAT: Duration = Duration::from_millis(100);
/// Everything here happens sooner.
const SOON: Duration = Duration::from_secs(10);

/// A keeper that runs.
struct Kept {
    desk: FleetDesk,
    published: Published,
    start: std::time::Instant,
}

/// What a keeper remembered.
#[derive(Default)]
struct Notes {
    before: Vec<Remembered>,
    kept: Mutex<Vec<Remembered>>,
    forgotten: Mutex<Vec<NodeId>>,
}

impl Memory for Notes {
    fn load(&self) -> Vec<Remembered> {
        self.before.clone()
    }

    fn keep(&self, node: &Remembered) {
        self.kept.lock().unwrap().push(node.clone());
    }

    fn forget(&self, node: NodeId) {
        self.forgotten.lock().unwrap().push(node);
    }

    fn last_seen(&self, _: NodeId) -> Option<Duration> {
        None
    }

    fn safe(&self, then: Box<dyn FnOnce() + Send>) {
        then();
    }
}

impl Kept {
    fn run(keeper: Keeper) -> Self {
        let start = std::time::Instant::now();
        let (desk, published) = (keeper.desk(), keeper.published());
        let polling = Polling { resident: Duration::from_millis(200), ..Polling::default() };
        tokio::spawn(keeper.run(polling, start));
        Self { desk, published, start }
    }

    /// A machine on this one, with an Ollama on this port.
    fn report(&self, number: u8, port: u16) -> Report {
        let server = ServerReport {
            kind: BackendKind::Ollama,
            port,
            door: Door::Direct,
            down: None,
            version: String::new(),
            slots: None,
            max_loaded: None,
            keep_alive: None,
            age: Duration::ZERO,
            models: Some(Vec::new()),
            resident: Vec::new(),
            foreign: 0,
        };
        Report {
            node: NodeId::from_key(&[number; 32]),
            name: format!("node-{number}"),
            agent: Agent::Herdwick { version: "0.1.0".into() },
            address: [127, 0, 0, 1].into(),
            at: Moment::on(self.start, std::time::Instant::now()),
            interval: BEAT,
            draining: false,
            servers: vec![server],
            readings: Vec::new(),
            other_routers: 0,
        }
    }

    /// Waits until the picture shows it.
    async fn until(&mut self, what: &str, shows: impl Fn(&Snapshot) -> bool) {
        let fleet = Arc::clone(&self.published.fleet);
        let seen = self.published.generation.wait_for(|_| shows(&fleet.load()));
        let seen = tokio::time::timeout(SOON, seen).await;
        assert!(seen.is_ok_and(|seen| seen.is_ok()), "{what}: {:?}", fleet.load());
    }

    fn only(&self) -> Backend {
        let snapshot = self.published.fleet.load();
        let [backend] = snapshot.backends() else { panic!("one server: {snapshot:?}") };
        (**backend).clone()
    }
}

/// Runs a test on one thread, as the control plane runs.
fn on_a_thread(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// A port on which nobody listens.
async fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// An Ollama without models, and how often it was asked.
async fn ollama() -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let body = r#"{"version":"0.12.6","models":[]}"#;
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            // Whoever asked may have left.
            let _ = stream.write_all((head + body).as_bytes()).await;
        }
    });
    (port, asked)
}

#[test]
fn a_report_is_answered_with_what_the_fleet_knows_and_seen_at_once() {
    on_a_thread(async {
        let mut kept = Kept::run(Keeper::default());
        let mut report = kept.report(1, nobody().await);
        report.servers[0].models = None;
        let port = report.servers[0].port;
        let heard = kept.desk.report(report).await.expect("an answer");
        assert_eq!((&*heard.name, heard.is_drained, heard.unlisted), ("node-1", false, vec![port]));
        kept.until("it joins", |snapshot| snapshot.nodes().len() == 1).await;
        kept.desk.drain("node-1").await.expect("it is there");
        let heard = kept.desk.report(kept.report(1, port)).await.expect("an answer");
        assert_eq!((heard.is_drained, heard.unlisted), (true, vec![]));
    });
}

#[test]
fn silence_is_noticed_when_it_means_something_and_nobody_else_speaks() {
    on_a_thread(async {
        let mut kept = Kept::run(Keeper::default());
        let began = Instant::now();
        kept.desk.report(kept.report(1, nobody().await)).await.expect("an answer");
        kept.until("it is stale", |snapshot| {
            snapshot
                .backends()
                .iter()
                .any(|backend| backend.node.standing == Standing::Stale && backend.unreachable().is_some())
        })
        .await;
        let after = began.elapsed();
        assert!(after >= BEAT * 3, "three beats are waited for: {after:?}");
        kept.until("it is offline", |snapshot| {
            snapshot.nodes().iter().any(|node| node.standing == Standing::Lost)
        })
        .await;
        assert!(began.elapsed() >= BEAT * 10);
        kept.desk.report(kept.report(1, nobody().await)).await.expect("an answer");
        kept.until("it is back", |snapshot| {
            snapshot.nodes().iter().any(|node| node.standing == Standing::Online)
        })
        .await;
    });
}

#[test]
fn a_server_is_asked_by_the_router_while_no_agent_tells_of_it() {
    on_a_thread(async {
        let (port, asked) = ollama().await;
        let mut kept = Kept::run(Keeper::default());
        kept.desk.report(kept.report(1, port)).await.expect("an answer");
        // Once the router tries it, since agents ask from where no firewall is.
        let fleet = Arc::clone(&kept.published.fleet);
        kept.until("it is tried", |_| {
            fleet.load().backends().iter().any(|backend| &*backend.version == "0.12.6")
        })
        .await;
        let mut before = asked.load(Ordering::Relaxed);
        for _ in 0..8 {
            kept.desk.report(kept.report(1, port)).await.expect("an answer");
            // sleeps because a beat comes every so often
            tokio::time::sleep(BEAT).await;
            if asked.load(Ordering::Relaxed) == before {
                break;
            }
            before = asked.load(Ordering::Relaxed);
        }
        let quiet = asked.load(Ordering::Relaxed);
        for _ in 0..5 {
            kept.desk.report(kept.report(1, port)).await.expect("an answer");
            // sleeps because a beat comes every so often
            tokio::time::sleep(BEAT).await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), quiet, "its agent tells of it");
        kept.until("its agent is silent", |snapshot| {
            snapshot.nodes().iter().any(|node| node.standing == Standing::Stale)
        })
        .await;
        kept.until("it is asked", |_| asked.load(Ordering::Relaxed) > quiet + 2).await;
        assert!(kept.only().takes_work(), "it answers");
    });
}

#[test]
fn of_a_flood_the_pictures_are_few() {
    on_a_thread(async {
        let kept = Kept::run(Keeper::default());
        let port = nobody().await;
        let before = *kept.published.generation.borrow();
        let began = Instant::now();
        for round in 0..2_000 {
            let mut report = kept.report(1, port);
            // Each changes something that somebody may care about.
            report.draining = round % 2 == 0;
            kept.desk.report(report).await.expect("an answer");
        }
        let most = 2 + began.elapsed().as_millis() / PACE.as_millis();
        let after = *kept.published.generation.borrow();
        assert!(u128::from(after.0 - before.0) <= most, "{} pictures, at most {most}", after.0 - before.0);
    });
}

#[test]
fn whoever_is_told_that_it_is_done_sees_that_it_is_done() {
    on_a_thread(async {
        let kept = Kept::run(Keeper::default());
        let origin = Origin { host: "127.0.0.1".into(), port: nobody().await };
        let listing = |name: &str| Listing {
            name: name.into(),
            origin: origin.clone(),
            slots: Some(2),
            labels: BTreeMap::new(),
            source: Source::Added,
        };
        kept.desk.list(listing("studio")).await.expect("a place");
        assert_eq!(&*kept.only().node.name, "studio");
        let twice = kept.desk.list(listing("other")).await.expect_err("it is there").to_string();
        assert_eq!(twice, "that server is in the fleet already, as studio");
        kept.desk.rename("studio", "attic").await.expect("a free name");
        kept.desk.label("attic", BTreeMap::from([("a".into(), "b".into())])).await.expect("few labels");
        kept.desk.drain("attic").await.expect("it is there");
        let node = kept.only().node;
        assert!(&*node.name == "attic" && node.labels.len() == 1 && node.draining.by_operator);
        kept.desk.undrain("attic").await.expect("it is there");
        kept.desk.remove("attic").await.expect("it was added");
        assert!(kept.published.fleet.load().nodes().is_empty());
    });
}

#[test]
fn what_changes_is_remembered_and_what_was_remembered_comes_back() {
    on_a_thread(async {
        let known = NodeId::from_key(&[9; 32]);
        let remembered = Remembered {
            node: known,
            name: "old".into(),
            is_renamed: true,
            source: Source::Found,
            agent: Some("herdwick 0.1.0".into()),
            servers: vec![RememberedServer {
                port: 11_434,
                kind: BackendKind::Ollama,
                origin: Origin { host: "127.0.0.1".into(), port: nobody().await },
                slots: None,
            }],
            labels: BTreeMap::new(),
            drained: true,
            pins: Default::default(),
        };
        let notes = Arc::new(Notes { before: vec![remembered], ..Notes::default() });
        let mut kept = Kept::run(Keeper::new(Arc::clone(&notes) as _, Box::new(|_| false)));
        kept.until("it is offline", |snapshot| {
            snapshot.nodes().iter().any(|node| node.standing == Standing::Lost && node.draining.by_operator)
        })
        .await;
        assert!(notes.kept.lock().unwrap().is_empty(), "nothing of it is new");
        let port = nobody().await;
        for _ in 0..3 {
            kept.desk.report(kept.report(1, port)).await.expect("an answer");
        }
        assert_eq!(notes.kept.lock().unwrap().len(), 1, "a beat changes nothing that is remembered");
        kept.desk.drain("node-1").await.expect("it is there");
        assert!(notes.kept.lock().unwrap().last().is_some_and(|last| last.drained));
        kept.desk.forget("old").await.expect("it is not heard");
        assert_eq!(*notes.forgotten.lock().unwrap(), [known]);
    });
}

#[test]
fn a_line_that_is_full_says_so_at_once() {
    on_a_thread(async {
        let keeper = Keeper::default();
        let kept =
            Kept { desk: keeper.desk(), published: keeper.published(), start: std::time::Instant::now() };
        let report = kept.report(1, 1);
        let claim = Claim::Version(String::new());
        let id = herdwick_fleet::BackendId { node: report.node, port: 1 };
        let observation = herdwick_fleet::Observation { backend: id, at: Moment(0), claim };
        let taken = (0..10_000).take_while(|_| kept.desk.observe(observation.clone()).is_ok()).count();
        assert_eq!(taken, 1_024, "nobody takes anything in yet");
        assert_eq!(kept.desk.report(report.clone()).await, Err(Unheard::Busy), "its next beat is its retry");
        let refused = kept.desk.drain("x").await.expect_err("no room").to_string();
        assert_eq!(refused, "the keeper of the fleet has too much to do; try again");
        drop(keeper);
        assert_eq!(kept.desk.drain("x").await.expect_err("nobody").to_string(), "the router is stopping");
    });
}
