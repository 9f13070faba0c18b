//! Heartbeats from their headers to the keeper's desk, and what is answered.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use herdwick_fleet::{Agent, BackendKind, Claim, Model, ModelName};
use herdwick_wire::beat::ForwardBeat;

use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));
const PORT: u16 = 11_435;

/// A keeper that takes everything down.
#[derive(Default)]
struct Notes {
    reports: Mutex<Vec<Report>>,
    is_drained: Mutex<bool>,
    unlisted: Mutex<Vec<u16>>,
    trouble: Mutex<Option<Unheard>>,
    count: AtomicUsize,
}

impl Desk for Notes {
    fn report(&self, report: Report) -> Pin<Box<dyn Future<Output = Result<Heard, Unheard>> + Send + '_>> {
        self.count.fetch_add(1, SeqCst);
        let heard = Heard {
            name: format!("{}-2", report.name).into(),
            is_drained: *self.is_drained.lock().unwrap(),
            unlisted: self.unlisted.lock().unwrap().clone(),
        };
        self.reports.lock().unwrap().push(report);
        let trouble = *self.trouble.lock().unwrap();
        Box::pin(async move { trouble.map_or(Ok(heard), Err) })
    }
}

impl Notes {
    fn count(&self) -> usize {
        self.count.load(SeqCst)
    }

    fn last(&self) -> Report {
        self.reports.lock().unwrap().last().cloned().expect("a report came")
    }
}

fn router(seed: u8) -> (Ingest, Arc<Notes>) {
    let desk = Arc::new(Notes::default());
    let ingest = Ingest::new(IngestParts {
        identity: Identity::from_seed(&[seed; 32]),
        secret: [seed; 32],
        desk: Arc::clone(&desk) as _,
        fleet: Arc::default(),
        facts: Arc::default(),
        port: PORT,
        is_own: Box::new(|address| address.is_loopback()),
        start: Instant::now(),
    });
    (ingest, desk)
}

/// An agent as small as it can be.
struct Sender {
    identity: Identity,
    router: Option<PublicKey>,
    beat: Beat,
}

impl Sender {
    fn new(seed: u8) -> Self {
        let beat = Beat {
            name: "studio".to_owned(),
            version: "0.1.0".to_owned(),
            boot: "0123456789abcdef".to_owned(),
            session: String::new(),
            seq: 0,
            interval_ms: 1_000,
            draining: false,
            other_routers: 0,
            servers: vec![ServerBeat::new(BackendKind::Ollama, 11_434)],
            readings: Vec::new(),
            facts: None,
        };
        Self { identity: Identity::from_seed(&[seed; 32]), router: None, beat }
    }

    /// The next beat, sealed.
    fn next(&mut self) -> Request<Bytes> {
        self.beat.seq += 1;
        self.sealed(serde_json::to_vec(&self.beat).unwrap())
    }

    fn sealed(&self, body: Vec<u8>) -> Request<Bytes> {
        Request::post("/fleet/v1/beat")
            .header(seal::KEY, self.identity.public().to_string())
            .header(seal::ROUTER, seal::meant_for(self.router.as_ref()))
            .header(seal::SIGNATURE, self.identity.sign_beat(self.router.as_ref(), &body).to_string())
            .body(body.into())
            .unwrap()
    }

    /// Sends the next beat and does as its reply says.
    fn beats(&mut self, ingest: &Ingest) -> (u16, Reply) {
        let request = self.next();
        let sent = Signature::parse(request.headers()[seal::SIGNATURE].to_str().unwrap()).unwrap();
        let response = send(ingest, HERE, request);
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        let key = PublicKey::parse(header(seal::KEY)).unwrap();
        let signature = Signature::parse(header(seal::SIGNATURE)).unwrap();
        assert!(key.signed_reply(&signature, &sent, response.body()), "the reply is the router's own");
        self.router = Some(key);
        let (status, reply) = read(&response);
        if status == 401 {
            self.beat.session.clone_from(&reply.session);
        }
        (status, reply)
    }

    fn joined(seed: u8, ingest: &Ingest) -> Self {
        let mut sender = Self::new(seed);
        assert_eq!(sender.beats(ingest).0, 401);
        assert_eq!(sender.beats(ingest).0, 200);
        sender
    }
}

/// None of these futures waits for anything.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

fn send(ingest: &Ingest, from: IpAddr, request: Request<Bytes>) -> Response<Bytes> {
    now(ingest.take_beat(from, request))
}

fn read(response: &Response<Bytes>) -> (u16, Reply) {
    (response.status().as_u16(), serde_json::from_slice(response.body()).expect("a reply"))
}

fn model(name: &str) -> Model {
    Model {
        name: ModelName::parse(name).unwrap(),
        listed_as: name.to_owned(),
        digest: String::new(),
        bytes: 1,
        modified_at: String::new(),
        format: String::new(),
        family: String::new(),
        parameter_size: String::new(),
        quantization: String::new(),
    }
}

#[test]
fn an_agent_is_introduced_and_then_heard() {
    let (ingest, desk) = router(1);
    let mut sender = Sender::new(2);
    let (status, reply) = sender.beats(&ingest);
    assert_eq!((status, reply.session.len(), reply.interval_ms, reply.problem), (401, 48, 1_000, None));
    assert_eq!(desk.count(), 0, "whoever only knocks changes nothing");
    let (status, reply) = sender.beats(&ingest);
    assert_eq!((status, reply.name.as_str(), reply.want_models), (200, "studio-2", vec![11_434]));
    let report = desk.last();
    assert_eq!((report.node, report.address), (sender.identity.public().node(), HERE));
    assert!(matches!(report.agent, Agent::Herdwick { .. }));
}

#[test]
fn lists_are_asked_for_when_they_are_missing_or_others() {
    let (ingest, desk) = router(1);
    let mut sender = Sender::joined(2, &ingest);
    sender.beat.servers[0].tell(&Claim::Models(vec![model("a")]));
    assert_eq!(sender.beats(&ingest).1.want_models, Vec::<u16>::new());
    assert_eq!(desk.last().servers[0].models, Some(vec![model("a")]));
    sender.beat.servers[0] = sender.beat.servers[0].without_list();
    assert_eq!(sender.beats(&ingest).1.want_models, Vec::<u16>::new());
    *desk.unlisted.lock().unwrap() = vec![11_434];
    assert_eq!(sender.beats(&ingest).1.want_models, [11_434], "the keeper lost it");
    desk.unlisted.lock().unwrap().clear();
    sender.beat.servers[0].tell(&Claim::Models(vec![model("b")]));
    sender.beat.servers[0] = sender.beat.servers[0].without_list();
    assert_eq!(sender.beats(&ingest).1.want_models, [11_434], "it changed");
}

#[test]
fn an_operators_drain_reaches_the_agent_and_is_taken_back() {
    let (ingest, desk) = router(1);
    let mut sender = Sender::joined(2, &ingest);
    sender.beat.draining = true;
    assert_eq!(sender.beats(&ingest).1.commands, [], "an agent that leaves is not called back");
    sender.beat.draining = false;
    *desk.is_drained.lock().unwrap() = true;
    assert_eq!(sender.beats(&ingest).1.commands, [Command::Drain]);
    sender.beat.draining = true;
    assert_eq!(sender.beats(&ingest).1.commands, []);
    *desk.is_drained.lock().unwrap() = false;
    assert_eq!(sender.beats(&ingest).1.commands, [Command::Undrain]);
    sender.beat.draining = false;
    assert_eq!(sender.beats(&ingest).1.commands, []);
}

#[test]
fn what_was_caught_on_the_wire_is_worth_nothing() {
    let (ingest, desk) = router(1);
    let mut sender = Sender::new(2);
    let open = sender.next();
    assert_eq!(send(&ingest, HERE, open.clone()).status(), 401);
    sender.beats(&ingest);
    let caught = sender.next();
    assert_eq!(send(&ingest, HERE, caught.clone()).status(), 200);
    let taken = desk.count();
    let (status, reply) = read(&send(&ingest, HERE, caught.clone()));
    assert_eq!(status, 409);
    assert!(reply.problem.is_some_and(|problem| problem.starts_with("it is no newer than one")));
    assert_eq!(send(&ingest, [10, 0, 0, 9].into(), caught.clone()).status(), 409, "from elsewhere");
    assert_eq!(send(&ingest, HERE, open).status(), 401, "the knock of a living agent");
    let (other, other_desk) = router(9);
    assert_eq!(send(&other, HERE, caught.clone()).status(), 421, "at another router");
    // The same router after a restart.
    let restarted = Ingest::new(IngestParts {
        identity: Identity::from_seed(&[1; 32]),
        secret: [3; 32],
        desk: Arc::clone(&desk) as _,
        fleet: Arc::default(),
        facts: Arc::default(),
        port: PORT,
        is_own: Box::new(|_| false),
        start: Instant::now(),
    });
    assert_eq!(send(&restarted, HERE, caught).status(), 401);
    assert_eq!((desk.count(), other_desk.count()), (taken, 0));
    assert_eq!(sender.beats(&ingest).0, 200, "and the agent beats on");
}

#[test]
fn a_session_that_is_not_for_this_router_by_name_is_no_session() {
    let (ingest, desk) = router(1);
    let mut sender = Sender::joined(2, &ingest);
    let taken = desk.count();
    sender.router = None;
    let request = sender.next();
    assert_eq!(send(&ingest, HERE, request).status(), 401);
    assert_eq!(desk.count(), taken);
}

#[test]
fn a_beat_that_fails_a_check_changes_nothing_and_says_why() {
    let (ingest, desk) = router(1);
    let mut sender = Sender::joined(2, &ingest);
    let taken = desk.count();
    let body = || serde_json::to_string(&sender.beat).unwrap();
    let replaced = |from: &str, to: &str| sender.sealed(body().replacen(from, to, 1).into_bytes());
    let mut forged = sender.sealed(body().into_bytes());
    *forged.body_mut() = Bytes::from(body().replacen("studio", "office", 1));
    let mut bare = forged.clone();
    bare.headers_mut().remove(seal::KEY);
    let listed =
        "\"models\":[".to_owned() + &vec!["{\"name\":\"m\"}"; 10_000].join(",") + "],\"models_hash\"";
    let list = replaced("\"models_hash\"", &listed);
    assert!(list.body().len() < herdwick_wire::beat::limits::BODY);
    for (request, from, status, told) in [
        (bare, HERE, 400, "the header x-herdwick-key is missing"),
        (forged, HERE, 403, "it is not signed by the key"),
        (replaced("\"seq\"", "\"news\":NaN,\"seq\""), HERE, 400, "the body is no heartbeat: expected value"),
        (replaced("\"foreign\":0", "\"foreign\":-1"), HERE, 400, "invalid value: integer `-1`, expected u32"),
        (replaced("studio", "no name"), HERE, 400, "name: \"no name\"; take"),
        (list, HERE, 400, "servers[].models: there are 10000; 800 are taken"),
        (sender.sealed(b"{".to_vec()), HERE, 400, "EOF while parsing"),
        (sender.sealed(Vec::new()), HERE, 400, "EOF while parsing"),
        (
            sender.sealed(body().into()),
            [169, 254, 169, 254].into(),
            403,
            "cannot be a node's: it is where clouds",
        ),
        (
            sender.sealed(body().into()),
            "fe80::1".parse().unwrap(),
            403,
            "reach the router by another address",
        ),
        (
            replaced("11434", "11435"),
            [127, 0, 0, 1].into(),
            400,
            "port 11435 of this machine is the router's own",
        ),
    ] {
        let (found, reply) = read(&send(&ingest, from, request));
        let problem = reply.problem.unwrap_or_default();
        assert!(found == status && problem.contains(told), "{told}: {found} {problem}");
    }
    assert_eq!(desk.count(), taken);
    assert_eq!(sender.beats(&ingest).0, 200, "one bad beat throws nobody out");
}

#[test]
fn a_keeper_without_time_or_room_is_told_of() {
    let (ingest, desk) = router(1);
    let mut sender = Sender::joined(2, &ingest);
    for (trouble, told) in
        [(Unheard::Busy, "has no time for it now"), (Unheard::NoRoom, "as many nodes are known")]
    {
        *desk.trouble.lock().unwrap() = Some(trouble);
        let (status, reply) = sender.beats(&ingest);
        assert!(status == 503 && reply.problem.is_some_and(|problem| problem.contains(told)), "{trouble:?}");
    }
    *desk.trouble.lock().unwrap() = None;
    assert_eq!(sender.beats(&ingest).0, 200);
}

#[test]
fn a_flood_costs_no_look_and_hurts_only_whoever_sends_it() {
    let (ingest, desk) = router(1);
    let mut sender = Sender::joined(2, &ingest);
    let rubbish = || Request::post("/fleet/v1/beat").body(Bytes::from_static(b"{}")).unwrap();
    let mut statuses = [0; 2];
    for _ in 0..1_000 {
        statuses[usize::from(send(&ingest, [10, 0, 0, 66].into(), rubbish()).status() == 429)] += 1;
    }
    assert!(statuses[0] <= 200 && statuses[1] >= 800, "{statuses:?}");
    let (_, reply) = read(&send(&ingest, [10, 0, 0, 66].into(), rubbish()));
    assert!(reply.problem.is_some_and(|problem| problem.contains("beat once a second")));
    assert!(reply.interval_ms >= 100);
    assert_eq!((sender.beats(&ingest).0, desk.count()), (200, 2));
}

#[test]
fn a_router_is_never_reached_through_a_door_that_leads_to_itself() {
    let (ingest, desk) = router(1);
    let forward = |port| ForwardBeat { port, bearer: "0123456789abcdef".to_owned() };
    for (at, server, door, is_taken) in [
        ([127, 0, 0, 1], 11_434, None, true),
        ([127, 0, 0, 1], PORT, None, false),
        ([127, 0, 0, 1], 11_434, Some(PORT), false),
        ([127, 0, 0, 1], 11_434, Some(11_436), true),
        // Another machine's port of the same number is another port.
        ([10, 0, 0, 5], PORT, None, true),
    ] {
        let mut sender = Sender::new(7);
        sender.beat.servers = vec![ServerBeat::new(BackendKind::Ollama, server)];
        sender.beat.servers[0].forward = door.map(forward);
        let (status, reply) = read(&send(&ingest, at.into(), sender.next()));
        let is_itself = reply.problem.is_some_and(|problem| problem.contains("the router's own"));
        assert_eq!((status == 401, is_itself), (is_taken, !is_taken), "{at:?} {server} {door:?}");
    }
    assert_eq!(desk.count(), 0, "nobody has a session yet");
}

#[test]
fn an_agent_with_other_ports_in_each_beat_is_remembered_with_the_last_ones() {
    let (ingest, _) = router(1);
    let mut sender = Sender::joined(7, &ingest);
    for port in 1_000..1_050 {
        let mut server = ServerBeat::new(BackendKind::Ollama, port);
        server.tell(&Claim::Models(vec![model("a:1b")]));
        sender.beat.servers = vec![server];
        assert_eq!(sender.beats(&ingest).0, 200);
    }
    let mut state = ingest.state();
    let agent = state.sessions.get(&sender.identity.public()).expect("it beats");
    assert_eq!(agent.lists.keys().collect::<Vec<_>>(), [&1_049]);
}

#[test]
fn a_herd_node_joins_reports_and_leaves() {
    let (ingest, desk) = router(1);
    let body = |host: &str, rest: &str| {
        let text = format!(
            r#"{{"node_id":"mini","cpu":{{"utilization_pct":1.0}},"memory":{{"total_gb":16.0}},"agent_version":"0.8.1",
            "ollama":{{"models_available":["a:1b"],"models_available_meta":null}},"ollama_host":"{host}"{rest}}}"#
        );
        Bytes::from(text)
    };
    let herd = |from: IpAddr, body: Bytes| now(ingest.answer_herd(from, &body));
    let answer = herd(HERE, body("http://192.168.1.66:11434", ""));
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (200, br#"{"status":"ok","node_status":"online"}"#.as_slice())
    );
    let first = desk.last();
    assert_eq!((first.address, first.servers[0].port), (HERE, 11_434));
    assert_eq!(
        first.servers[0].models,
        Some(vec![Model { bytes: 0, ..model("a:1b") }]),
        "the first list, in any case"
    );
    herd(HERE, body("http://192.168.1.66:11434", ""));
    assert_eq!(desk.last().servers[0].models, None);
    // Whoever writes its name elsewhere is another node, and cannot send it away either.
    herd([10, 0, 0, 6].into(), body("", ""));
    assert_ne!(desk.last().node, first.node);
    let count = desk.count();
    let leaves = || Bytes::from_static(br#"{"node_id":"mini","draining":true}"#);
    assert_eq!(herd([10, 0, 0, 7].into(), leaves()).status(), 200);
    assert_eq!(desk.count(), count);
    let answer = herd(HERE, leaves());
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (200, br#"{"node_id":"mini","status":"draining"}"#.as_slice())
    );
    let last = desk.last();
    assert_eq!((last.node, last.draining, last.servers.len()), (first.node, true, 1));
    for (from, body, status) in [
        (HERE, Bytes::from_static(b"{}"), 400),
        ([127, 0, 0, 1].into(), body("http://localhost:11435", ""), 400),
        ([169, 254, 169, 254].into(), body("", ""), 403),
    ] {
        assert_eq!(herd(from, body).status(), status);
    }
    for number in 0..20 {
        let other = body("", "").as_ref().to_vec();
        let other = String::from_utf8(other).unwrap().replace("mini", &format!("mini{number}"));
        assert_eq!(herd([10, 0, 0, 8].into(), other.into()).status() == 200, number < 16, "{number}");
    }
}
