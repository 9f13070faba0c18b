//! A scripted agent: it has a key, says what a test wants, seals it and sends it over a real socket. It finds nothing out
//! by itself and beats only when it is told to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{BackendKind, Claim, Model, ModelName, ResidentClaim};
use herdwick_wire::beat::{Beat, Command, Reply, ServerBeat};
use herdwick_wire::seal::{self, Identity, PublicKey, Signature};

use super::http::Client;

/// One machine's agent.
pub(crate) struct Agent {
    identity: Identity,
    /// The router that it met, by its key.
    pub(crate) router: Option<PublicKey>,
    /// What it says next. Its `seq` grows by itself.
    pub(crate) beat: Beat,
    /// The address that it speaks from, one of this machine's.
    pub(crate) from: IpAddr,
    /// What its servers have on disk, whether or not it is told.
    lists: Vec<(u16, Vec<Model>)>,
}

/// A beat as it travels, so that it can be sent twice, or by somebody else.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// What a router answered.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) reply: Reply,
}

impl Told {
    pub(crate) fn problem(&self) -> &str {
        self.reply.problem.as_deref().unwrap_or_default()
    }
}

impl Agent {
    /// The agent of a machine with this name, which has its own key: two with one name have one key.
    pub(crate) fn new(name: &str) -> Self {
        let mut seed = [0; 32];
        seed.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        Self::with_seed(name, seed)
    }

    /// With a key of its own choice.
    pub(crate) fn with_seed(name: &str, seed: [u8; 32]) -> Self {
        let beat = Beat {
            name: name.to_owned(),
            version: "0.0.0-test".to_owned(),
            boot: boot(),
            session: String::new(),
            seq: 0,
            interval_ms: 1_000,
            draining: false,
            other_routers: 0,
            servers: Vec::new(),
            readings: Vec::new(),
            facts: None,
        };
        let from = Ipv4Addr::LOCALHOST.into();
        Self { identity: Identity::from_seed(&seed), router: None, beat, from, lists: Vec::new() }
    }

    /// The same machine, speaking from this address.
    pub(crate) fn at(self, from: [u8; 4]) -> Self {
        Self { from: from.into(), ..self }
    }

    /// An Ollama on its machine, with these models in memory; each is of 1 GB.
    pub(crate) fn serves(mut self, port: u16, models: &[&str]) -> Self {
        let mut server = ServerBeat::new(BackendKind::Ollama, port);
        server.tell(&Claim::Version("0.12.11".to_owned()));
        let list: Vec<_> = models.iter().map(|name| model(name)).collect();
        server.tell(&Claim::Models(list.clone()));
        let resident = list.iter().map(|model| ResidentClaim {
            name: model.name.clone(),
            loaded: Loaded {
                bytes: model.bytes,
                vram_bytes: model.bytes,
                context_tokens: Some(8_192),
                expires_at: "2318-01-01T00:00:00Z".into(),
            },
        });
        server.tell(&Claim::Resident(resident.collect()));
        self.beat.servers.push(server.without_list());
        self.lists.push((port, list));
        self
    }

    /// It starts again: what it was told is gone, what it is stays.
    pub(crate) fn restart(&mut self) {
        (self.beat.boot, self.beat.seq, self.router) = (boot(), 0, None);
        self.beat.session.clear();
    }

    /// Its key.
    pub(crate) fn key(&self) -> PublicKey {
        self.identity.public()
    }

    /// The next beat, sealed for the router that it knows.
    pub(crate) fn seal(&mut self) -> Sealed {
        self.beat.seq += 1;
        let body = serde_json::to_vec(&self.beat).expect("a beat is JSON");
        self.seal_body(body)
    }

    /// Any body, sealed as its own.
    pub(crate) fn seal_body(&self, body: Vec<u8>) -> Sealed {
        let signature = self.identity.sign_beat(self.router.as_ref(), &body).to_string();
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            (seal::KEY, self.key().to_string()),
            (seal::ROUTER, seal::meant_for(self.router.as_ref())),
            (seal::SIGNATURE, signature),
        ];
        Sealed { headers, body }
    }

    /// Beats once and does as the router says: takes its session, tells the lists that it wants, drains.
    pub(crate) fn beat(&mut self, router: SocketAddr) -> Told {
        let sealed = self.seal();
        let (told, key) = sealed.send_from(self.from, router);
        self.router = self.router.or(key);
        if told.status == 401 {
            self.beat.session.clone_from(&told.reply.session);
        }
        if told.status == 200 {
            for server in &mut self.beat.servers {
                let list = self.lists.iter().find(|(port, _)| *port == server.port);
                *server = server.without_list();
                if let Some((_, list)) = list.filter(|_| told.reply.want_models.contains(&server.port)) {
                    server.tell(&Claim::Models(list.clone()));
                }
            }
        }
        for command in &told.reply.commands {
            match command {
                Command::Drain => self.beat.draining = true,
                Command::Undrain => self.beat.draining = false,
                Command::Unknown => {}
            }
        }
        told
    }

    /// Beats until the router has taken it in with all of its lists.
    pub(crate) fn join(&mut self, router: SocketAddr) {
        for _ in 0..4 {
            let told = self.beat(router);
            assert!(matches!(told.status, 200 | 401), "{told:?}");
            let tells = self.beat.servers.iter().any(|server| server.models.is_some());
            if told.status == 200 && !tells {
                return;
            }
        }
        panic!("it did not join in four beats");
    }
}

impl Sealed {
    /// Sends it, whoever made it, from an address of this machine. Returns the router's key as well, whose own the
    /// answer is, if it is signed.
    pub(crate) fn send_from(&self, from: IpAddr, router: SocketAddr) -> (Told, Option<PublicKey>) {
        let mut client = Client::connect_from(from, router);
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.send("POST", "/fleet/v1/beat", &headers, &self.body);
        let answer = client.reply();
        let key = PublicKey::parse(answer.header(seal::KEY));
        if let Some(key) = key {
            let header =
                |name| self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
            let sent =
                Signature::parse(header(seal::SIGNATURE).expect("it was sealed")).expect("a signature");
            let signature = Signature::parse(answer.header(seal::SIGNATURE)).expect("a signature");
            assert!(key.signed_reply(&signature, &sent, &answer.body), "the answer is the router's own");
        }
        // What the gate refuses is no reply of the fleet's, and has an error instead.
        let reply = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()));
        (Told { status: answer.status, reply }, key)
    }

    /// Sends it from this machine.
    pub(crate) fn send(&self, router: SocketAddr) -> Told {
        self.send_from(Ipv4Addr::LOCALHOST.into(), router).0
    }
}

/// What an Ollama tells of a model.
fn model(name: &str) -> Model {
    Model {
        name: ModelName::parse(name).expect("a model's name"),
        listed_as: name.to_owned(),
        digest: "5".repeat(64),
        bytes: 1_000_000_000,
        modified_at: "2026-01-01T00:00:00Z".to_owned(),
        format: "gguf".to_owned(),
        family: "llama".to_owned(),
        parameter_size: "1B".to_owned(),
        quantization: "Q4_K_M".to_owned(),
    }
}

/// Another one for each start.
fn boot() -> String {
    static STARTS: AtomicU64 = AtomicU64::new(1);
    format!("{:016x}", STARTS.fetch_add(1, Ordering::Relaxed))
}
