//! The heartbeat of `herd-node`, which nobody signs: who it is follows from its name and address together, so that it can
//! be written by whoever is at that address and by nobody else.

use std::collections::HashMap;
use std::net::IpAddr;

use bytes::Bytes;
use herdwick_fleet::{NodeId, Report};
use herdwick_wire::herd::{HerdBeat, ONLINE};
use http::{Response, StatusCode};

use super::flood::client;
use super::refusal::Refusal;
use super::{Ingest, address, held_up, json};

/// Machines with such an agent that are known at once.
const NODES: usize = 512;
/// Of these, at one address: whoever is there can write as many names as it likes.
const PER_ADDRESS: usize = 16;

/// The machines, as they last reported.
#[derive(Default)]
pub(crate) struct Herd {
    nodes: HashMap<NodeId, Known>,
}

struct Known {
    /// Without its lists.
    last: Report,
    /// Whether its models are known.
    is_listed: bool,
}

impl Herd {
    fn is_listed(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|known| known.is_listed)
    }

    /// Whether there is room for it.
    fn admits(&mut self, report: &Report) -> bool {
        let of_address = |nodes: &HashMap<NodeId, Known>| {
            let ours = |known: &&Known| client(known.last.address) == client(report.address);
            nodes.values().filter(ours).count()
        };
        if self.nodes.contains_key(&report.node) {
            return true;
        }
        if self.nodes.len() >= NODES || of_address(&self.nodes) >= PER_ADDRESS {
            // One that was silent for so long is told all of its models when it comes back, and nothing else is lost.
            self.nodes.retain(|_, known| report.at.since(known.last.at) < known.last.interval * 10);
        }
        self.nodes.len() < NODES && of_address(&self.nodes) < PER_ADDRESS
    }

    /// The last report of a machine that is about to leave and says nothing else.
    fn leaving(&self, node: NodeId) -> Option<Report> {
        let known = self.nodes.get(&node)?;
        Some(Report { draining: true, ..known.last.clone() })
    }
}

impl Ingest {
    /// `POST /heartbeat`, from this address.
    pub async fn herd(&self, from: IpAddr, body: Bytes) -> Response<Bytes> {
        let answer = self.answer_herd(from, &body).await;
        // Who is held up keeps nothing.
        drop(body);
        held_up(answer).await
    }

    pub(super) async fn answer_herd(&self, from: IpAddr, body: &Bytes) -> Response<Bytes> {
        match self.take_herd(from, body).await {
            Ok(answer) => json(StatusCode::OK, answer),
            Err(refusal) => {
                self.tell(&refusal, from);
                let told = serde_json::json!({ "status": "error", "error": refusal.to_string() });
                json(refusal.status(), told.to_string().into())
            }
        }
    }

    async fn take_herd(&self, from: IpAddr, body: &Bytes) -> Result<Bytes, Refusal> {
        let now = self.now();
        self.state().flood.pass(from, now).map_err(Refusal::Flood)?;
        if let Some(why) = address::unfit(from) {
            return Err(Refusal::Address(why));
        }
        let beat = HerdBeat::read(body).map_err(Refusal::Broken)?;
        let node = NodeId::from_claim(beat.node_id(), from);
        let alive = match beat {
            HerdBeat::Alive(alive) => alive,
            HerdBeat::Leaves { node_id } => {
                let last = self.state().herd.leaving(node);
                if let Some(report) = last {
                    self.parts.desk.report(Report { at: now, ..report }).await?;
                }
                let answer = serde_json::json!({ "status": "draining", "node_id": node_id });
                return Ok(answer.to_string().into());
            }
        };
        let is_listed = self.state().herd.is_listed(node);
        let report = alive.report(from, now, is_listed);
        self.asks_itself(&report)?;
        if !self.state().herd.admits(&report) {
            return Err(Refusal::Full);
        }
        let mut last = report.clone();
        last.servers.iter_mut().for_each(|server| server.models = None);
        let heard = self.parts.desk.report(report).await?;
        self.state().herd.nodes.insert(node, Known { last, is_listed: heard.unlisted.is_empty() });
        Ok(Bytes::from_static(ONLINE.as_bytes()))
    }
}
