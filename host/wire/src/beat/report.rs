//! A heartbeat as the fleet takes it in: everything that it says is checked here, and all that is wrong with it told at
//! once, each with the field, the cause and what to do. One bad beat says nothing; what was known before stays.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use herdwick_fleet::backend::Loaded;
use herdwick_fleet::node::is_name;
use herdwick_fleet::{
    Agent, BackendKind, Column, Door, Model, ModelName, Moment, NodeId, Report, ResidentClaim, ServerReport,
};

use super::check::{Check, Quoted, cut};
use super::{Beat, ForwardBeat, ModelBeat, ReadingBeat, ResidentBeat, ServerBeat, limits, models_hash};
use crate::hex;

/// What a router knows of a beat that the beat does not say.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Whose it is, by the key that signed it.
    pub node: NodeId,
    /// Where its connection came from.
    pub address: IpAddr,
    /// When it came.
    pub at: Moment,
}

/// The columns that a machine's agent may tell of, and what they can hold. What a router works out by itself nobody
/// tells it.
const COLUMNS: [(Column, RangeInclusive<f64>); 12] = [
    (Column::MemTotal, BYTES),
    (Column::MemFree, BYTES),
    (Column::MemSystem, BYTES),
    (Column::MemPressure, LEVEL),
    (Column::Thermal, LEVEL),
    (Column::Throttled, FLAG),
    (Column::Battery, FLAG),
    (Column::Meeting, FLAG),
    (Column::CpuBusy, FLAG),
    (Column::Bandwidth, limits::BYTES_PER_S),
    (Column::Availability, FLAG),
    (Column::Trend, -1.0..=1.0),
];
const BYTES: RangeInclusive<f64> = 0.0..=(limits::BYTES as f64);
const LEVEL: RangeInclusive<f64> = 0.0..=3.0;
/// Of shares as well.
const FLAG: RangeInclusive<f64> = 0.0..=1.0;

impl Beat {
    /// Reads a body.
    ///
    /// # Errors
    /// It is no heartbeat: why, and what to do.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| {
            let error = cut(&error.to_string());
            format!("the body is no heartbeat: {error}; use an agent of this router's version")
        })
    }

    /// What it says, once all of it is checked. Kinds of servers and columns that a later version may have are left out.
    ///
    /// # Errors
    /// Every problem, at most [`limits::PROBLEMS`] of them in words.
    pub fn report(self, seen: Seen) -> Result<Report, Vec<String>> {
        let mut check = Check::default();
        self.check_head(&mut check);
        self.check_ports(&mut check);
        let lists = self.servers.iter().filter_map(|server| server.models.as_ref()).map(Vec::len);
        check.most("servers[].models", lists.sum(), limits::MODELS);
        // More are not looked at: they are refused anyway.
        let most = if check.is_good() { limits::MODELS } else { limits::PROBLEMS };
        let servers = self.servers.into_iter().take(limits::SERVERS).enumerate();
        let servers = servers.filter_map(|(at, server)| server.report(at, most, &mut check)).collect();
        let readings = readings(&self.readings, &mut check);
        if let Some(facts) = &self.facts {
            facts.check(&mut check);
        }
        check.done()?;
        Ok(Report {
            node: seen.node,
            name: self.name,
            agent: Agent::Herdwick { version: self.version },
            address: seen.address,
            at: seen.at,
            interval: Duration::from_millis(self.interval_ms),
            draining: self.draining,
            servers,
            readings,
            other_routers: self.other_routers,
        })
    }

    fn check_head(&self, check: &mut Check) {
        if !is_name(&self.name) {
            check.wrong("name", Quoted(&self.name), "take 1 to 63 letters, digits, dots, dashes");
        }
        check.text("version", &self.version, limits::TEXT);
        if hex::decode::<8>(&self.boot).is_none() {
            check.wrong("boot", Quoted(&self.boot), "draw 16 lower-case hexadecimal digits at start");
        }
        let (least, most) = limits::INTERVAL;
        if !(least..=most).contains(&Duration::from_millis(self.interval_ms)) {
            let next = format!("beat every {} to {} ms", least.as_millis(), most.as_millis());
            check.wrong("interval_ms", self.interval_ms, &next);
        }
        check.count("other_routers", self.other_routers);
        check.most("servers", self.servers.len(), limits::SERVERS);
        check.most("readings", self.readings.len(), limits::READINGS);
    }

    /// Every port is somebody's alone, whether the server's own or the one by which it is reached.
    fn check_ports(&self, check: &mut Check) {
        let mut taken = BTreeSet::new();
        for (at, server) in self.servers.iter().enumerate().take(limits::SERVERS) {
            let own = (format!("servers[{at}].port"), server.port);
            let forward = server.forward.as_ref();
            let door = forward.map(|forward| (format!("servers[{at}].forward.port"), forward.port));
            for (field, port) in [Some(own), door].into_iter().flatten() {
                if port == 0 {
                    check.wrong(field, "0 is no port", "tell the one that is listened on");
                } else if !taken.insert(port) {
                    check.wrong(field, format_args!("{port} stands twice"), "tell each server once");
                }
            }
        }
    }
}

impl ServerBeat {
    /// `None` if it is of a kind that this version does not know, or wrong.
    fn report(self, at: usize, most: usize, check: &mut Check) -> Option<ServerReport> {
        let field = |name: &str| format!("servers[{at}].{name}");
        let is_word = |kind: &str| (1..=32).contains(&kind.len()) && kind.chars().all(|c| !c.is_control());
        if !is_word(&self.kind) {
            check.wrong(field("kind"), Quoted(&self.kind), "tell one like \"ollama\"");
        }
        check.text(field("version"), &self.version, limits::TEXT);
        if let Some(down) = &self.down {
            check.text(field("down"), down, limits::TROUBLE);
        }
        for (name, count) in [("slots", self.slots), ("max_loaded", self.max_loaded)] {
            match count {
                Some(0) => check.wrong(field(name), "0", "leave it out when it is not known"),
                count => check.count(field(name), count.unwrap_or_default()),
            }
        }
        check.count(field("foreign"), self.foreign);
        check.age(field("age_ms"), self.age_ms, limits::SERVER_AGE);
        if hex::decode::<8>(&self.models_hash).is_none() {
            check.wrong(field("models_hash"), Quoted(&self.models_hash), "it has 16 hexadecimal digits");
        }
        let list = self.models.as_ref();
        if list.is_some_and(|models| models.len() <= most && models_hash(models) != self.models_hash) {
            check.wrong(
                field("models_hash"),
                Quoted(&self.models_hash),
                "it is not that of the list beside it",
            );
        }
        let door = self.forward.map_or(Some(Door::Direct), |forward| forward.door(&field("forward"), check));
        let models = self.models.map(|models| {
            let listed = models.into_iter().take(most).enumerate();
            listed.filter_map(|(n, model)| model.model(&field(&format!("models[{n}]")), check)).collect()
        });
        check.most(field("resident"), self.resident.len(), limits::RESIDENT);
        let resident = self.resident.into_iter().take(limits::RESIDENT).enumerate();
        let resident =
            resident.filter_map(|(n, model)| model.claim(&field(&format!("resident[{n}]")), check)).collect();
        Some(ServerReport {
            kind: BackendKind::from_name(&self.kind)?,
            port: self.port,
            door: door?,
            down: self.down,
            version: self.version,
            slots: self.slots,
            max_loaded: self.max_loaded,
            keep_alive: self.keep_alive_s.map(keep_alive),
            age: Duration::from_millis(self.age_ms),
            models,
            resident,
            foreign: self.foreign,
        })
    }
}

/// A negative number of seconds is for ever, as with Ollama.
fn keep_alive(seconds: i64) -> Duration {
    u64::try_from(seconds).map_or(Duration::MAX, Duration::from_secs)
}

impl ForwardBeat {
    fn door(self, field: &str, check: &mut Check) -> Option<Door> {
        let (least, most) = limits::BEARER;
        let is_token =
            self.bearer.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
        if !(least..=most).contains(&self.bearer.len()) || !is_token {
            // What may be a secret is not told on.
            let next = format!("draw {least} to {most} letters and digits");
            check.wrong(format_args!("{field}.bearer"), "it is no token", &next);
            return None;
        }
        Some(Door::Forwarded { port: self.port, bearer: Arc::from(self.bearer) })
    }
}

impl ModelBeat {
    fn model(self, field: &str, check: &mut Check) -> Option<Model> {
        let [_, texts @ ..] = self.texts();
        texts.iter().for_each(|text| check.text(field, text, limits::TEXT));
        check.bytes(format_args!("{field}.bytes"), self.bytes);
        Some(Model {
            name: model_name(&self.name, field, check)?,
            listed_as: self.name,
            digest: self.digest,
            bytes: self.bytes,
            modified_at: self.modified_at,
            format: self.format,
            family: self.family,
            parameter_size: self.parameter_size,
            quantization: self.quantization,
        })
    }
}

impl ResidentBeat {
    fn claim(self, field: &str, check: &mut Check) -> Option<ResidentClaim> {
        check.text(field, &self.expires_at, limits::TEXT);
        check.bytes(format_args!("{field}.bytes"), self.bytes);
        check.bytes(format_args!("{field}.vram_bytes"), self.vram_bytes);
        if let Some(tokens) = self.context_tokens.filter(|tokens| *tokens > limits::TOKENS) {
            check.wrong(format_args!("{field}.context_tokens"), tokens, "no model has such a context");
        }
        Some(ResidentClaim {
            name: model_name(&self.name, field, check)?,
            loaded: Loaded {
                bytes: self.bytes,
                vram_bytes: self.vram_bytes,
                context_tokens: self.context_tokens,
                expires_at: self.expires_at.into(),
            },
        })
    }
}

fn model_name(name: &str, field: &str, check: &mut Check) -> Option<ModelName> {
    match ModelName::parse(name) {
        Ok(name) => Some(name),
        Err(rule) => {
            check.wrong(
                format_args!("{field}.name"),
                format_args!("{}: {rule}", Quoted(name)),
                "leave it out",
            );
            None
        }
    }
}

fn readings(told: &[ReadingBeat], check: &mut Check) -> Vec<(Column, f64, Duration)> {
    let mut seen = BTreeSet::new();
    let mut readings = Vec::new();
    for ReadingBeat { name, value, age_ms } in told.iter().take(limits::READINGS) {
        let Some((column, range)) = COLUMNS.iter().find(|(column, _)| column.name() == name) else {
            continue;
        };
        let field = format!("readings[{name}]");
        if !seen.insert(*column) {
            check.wrong(&field, "it stands twice", "tell it once");
        }
        check.number(&field, *value, range);
        // Grades have no halves: whoever tells one took a mean where the worst counts.
        if (name.ends_with("-level") || name.ends_with("-flag")) && value.fract().abs() > 0.0 {
            check.wrong(&field, value, "tell a whole number");
        }
        check.age(&field, *age_ms, limits::READING_AGE);
        readings.push((*column, *value, Duration::from_millis(*age_ms)));
    }
    readings
}

#[cfg(test)]
mod tests;
