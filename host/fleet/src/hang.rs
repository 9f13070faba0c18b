//! When a request that a backend took and does not answer is given up on. Silence alone never says that: reading a long
//! prompt or loading a model takes minutes in which nothing is sent. What counts is what its machine says meanwhile, and
//! a sign must last, since a busy machine is slow to answer whoever asks how it is.

use std::fmt;
use std::time::Duration;

use crate::backend::{Backend, CUT_OFF, Loaded, Reach};
use crate::column::Column;
use crate::model::ModelName;
use crate::moment::Moment;
use crate::standing::Standing;

/// How often whoever waits looks for signs.
pub const LOOK: Duration = Duration::from_millis(250);
/// An agent that beats and gets no answer from a server for so long has asked it three times.
const STALLED: Duration = Duration::from_secs(5);
/// A machine whose processors do less than this do not compute an answer.
const IDLE: f64 = 0.05;

/// What speaks against waiting on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Neither the server nor its agent is heard.
    Gone,
    /// Its agent says that it does not answer.
    Stalled,
    /// It answers no probe; no agent speaks for it.
    Silent,
    /// The model runs on the processor alone, and that has nothing to do.
    Idle,
}

/// Signs as whoever waits sees them, look by look.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    since: Option<(Sign, Moment)>,
    pieces: Option<u64>,
}

impl Watch {
    /// Looks once more. The sign, once it has lasted for so long that nothing is to be waited for. `backend` is as it is
    /// now; one that is not in the fleet any more tells nothing.
    pub fn look(&mut self, backend: &Backend, model: &ModelName, now: Moment) -> Option<Sign> {
        let pieces = backend.live.pieces();
        // Bytes that flow, whoever gets them, outrank whatever is said.
        let flows = self.pieces.replace(pieces).is_some_and(|before| before != pieces);
        let sign = sign(backend, model, now).filter(|_| !flows);
        let before = self.since.filter(|(before, _)| Some(*before) == sign);
        self.since = before.or_else(|| Some((sign?, now)));
        let (sign, since) = self.since.filter(|_| sign.is_some())?;
        (now.since(since) >= sign.patience()).then_some(sign)
    }
}

impl Sign {
    /// How long it must last.
    fn patience(self) -> Duration {
        match self {
            // Three beats and a question were missed before.
            Self::Gone => Duration::ZERO,
            Self::Stalled => Duration::from_secs(1),
            // Its probes have a patience of two seconds, and nobody beside it says anything.
            Self::Silent => Duration::from_secs(10),
            Self::Idle => Duration::from_secs(30),
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Gone => "it took the request, and now neither it nor its agent is heard",
            Self::Stalled => "it took the request, and does not answer its agent any more",
            Self::Silent => "it took the request, and answers no probe any more",
            Self::Idle => "it took the request, and its processor has nothing to do",
        })
    }
}

/// For how long a server has not answered the agent beside it, if that is too long.
pub fn stalled(backend: &Backend) -> Option<Duration> {
    let (true, Some(beat), Some(seen)) =
        (backend.node.standing.is_heard(), backend.node.live.beat(), backend.seen)
    else {
        return None;
    };
    // Both as of the last beat: what its agent cannot know yet is not held against it.
    Some(beat.since(seen)).filter(|silence| *silence >= STALLED)
}

fn sign(backend: &Backend, model: &ModelName, now: Moment) -> Option<Sign> {
    match (backend.node.standing, &backend.reach) {
        (Standing::Stale | Standing::Lost, Reach::Down(_)) => Some(Sign::Gone),
        // A firewall that stands in the router's way may let through what was there before it.
        (Standing::Online | Standing::Held { .. }, Reach::Down(why)) if !why.starts_with(CUT_OFF) => {
            Some(Sign::Stalled)
        }
        (Standing::Plain, Reach::Down(_)) => Some(Sign::Silent),
        _ if stalled(backend).is_some() => Some(Sign::Stalled),
        _ => is_idle(backend, model, now).then_some(Sign::Idle),
    }
}

/// Whether the model is in memory, none of it on a card, and the processor idles. Of a card nobody tells how busy it is.
fn is_idle(backend: &Backend, model: &ModelName, now: Moment) -> bool {
    let loaded = backend.holdings.get(model).and_then(|holding| holding.resident(now));
    loaded.is_some_and(|Loaded { bytes, vram_bytes, .. }| *bytes > 0 && *vram_bytes == 0)
        && backend.reading(Column::CpuBusy, now).is_some_and(|busy| busy < IDLE)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::report::{Agent, Door, Report, ServerReport};
    use crate::{BackendKind, Claim, Fleet, Model, NodeId, Observation, Origin, ResidentClaim};

    const PORT: u16 = 11_434;

    fn name() -> ModelName {
        ModelName::parse("m:1b").expect("a name")
    }

    fn model() -> Model {
        Model {
            name: name(),
            listed_as: "m:1b".into(),
            digest: String::new(),
            bytes: 1,
            modified_at: String::new(),
            format: String::new(),
            family: String::new(),
            parameter_size: String::new(),
            quantization: String::new(),
        }
    }

    fn report(at: u64, age_ms: u64, down: Option<&str>, busy: f64) -> Report {
        let loaded = Loaded { bytes: 1, ..Loaded::default() };
        Report {
            node: NodeId::from_origin("key"),
            name: "studio".into(),
            agent: Agent::Herdwick { version: "1".into() },
            address: Ipv4Addr::new(10, 0, 0, 5).into(),
            at: Moment(at),
            interval: Duration::from_secs(1),
            draining: false,
            servers: vec![ServerReport {
                kind: BackendKind::Ollama,
                port: PORT,
                door: Door::Direct,
                down: down.map(str::to_owned),
                version: "0.12".into(),
                slots: Some(1),
                max_loaded: None,
                keep_alive: None,
                age: Duration::from_millis(age_ms),
                models: Some(vec![model()]),
                resident: vec![ResidentClaim { name: name(), loaded }],
                foreign: 0,
            }],
            readings: vec![(Column::CpuBusy, busy, Duration::ZERO)],
            other_routers: 0,
        }
    }

    /// What is seen at each of these seconds, of a machine that its reports make.
    fn seen(fleet: &mut Fleet, watch: &mut Watch, seconds: f64) -> Option<Sign> {
        let snapshot = fleet.snapshot();
        watch.look(&snapshot.backends()[0], &name(), Moment((seconds * 1e3) as u64))
    }

    #[test]
    fn minutes_of_silence_are_waited_out_while_the_machine_works() {
        let (mut fleet, mut watch) = (Fleet::default(), Watch::default());
        for second in 0..600_u64 {
            fleet.report(report(second * 1_000, 0, None, 0.4));
            assert_eq!(seen(&mut fleet, &mut watch, second as f64), None);
        }
    }

    #[test]
    fn a_machine_on_whose_processor_the_model_runs_and_that_idles_does_not_answer_any_more() {
        let (mut fleet, mut watch) = (Fleet::default(), Watch::default());
        for second in 0..30_u64 {
            fleet.report(report(second * 1_000, 0, None, 0.01));
            assert_eq!(seen(&mut fleet, &mut watch, second as f64), None, "{second} s");
        }
        fleet.report(report(30_000, 0, None, 0.01));
        assert_eq!(seen(&mut fleet, &mut watch, 30.0), Some(Sign::Idle));
        fleet.report(report(31_000, 0, None, 0.5));
        assert_eq!(seen(&mut fleet, &mut watch, 31.0), None, "it works again");
    }

    #[test]
    fn a_server_that_does_not_answer_its_own_agent_is_stopped_unless_its_answers_flow() {
        let (mut fleet, mut watch) = (Fleet::default(), Watch::default());
        fleet.report(report(0, 0, None, 0.5));
        for second in 1..7_u64 {
            fleet.report(report(second * 1_000, second * 1_000, None, 0.5));
            let sign = seen(&mut fleet, &mut watch, second as f64);
            assert_eq!(sign, (second == 6).then_some(Sign::Stalled), "{second} s");
        }
        assert!(stalled(&fleet.snapshot().backends()[0]).is_some());
        fleet.snapshot().backends()[0].live.mark_flowing();
        assert_eq!(seen(&mut fleet, &mut watch, 6.5), None);
        fleet.report(report(8_000, 0, Some("connection refused"), 0.5));
        assert_eq!(seen(&mut fleet, &mut watch, 8.0), None);
        assert_eq!(seen(&mut fleet, &mut watch, 9.0), Some(Sign::Stalled));
    }

    #[test]
    fn once_neither_agent_nor_server_is_heard_nothing_is_waited_for() {
        let (mut fleet, mut watch) = (Fleet::default(), Watch::default());
        fleet.report(report(0, 0, None, 0.5));
        fleet.expire(Moment(3_300));
        assert_eq!(seen(&mut fleet, &mut watch, 3.3), None, "only its agent is silent");
        let backend = fleet.snapshot().backends()[0].id;
        let claim = Claim::Silent("no answer within 1 s".into());
        fleet.observe(Observation { backend, at: Moment(4_300), claim });
        assert_eq!(seen(&mut fleet, &mut watch, 4.5), Some(Sign::Gone));
    }

    #[test]
    fn one_lost_probe_is_no_death() {
        let (mut fleet, mut watch) = (Fleet::default(), Watch::default());
        let backend = fleet.add("studio", Origin { host: "10.0.0.5".into(), port: PORT }, 1);
        fleet.observe(Observation { backend, at: Moment(0), claim: Claim::Models(vec![model()]) });
        let silent = || Claim::Silent("no answer within 2 s".into());
        fleet.observe(Observation { backend, at: Moment(2_000), claim: silent() });
        assert_eq!(seen(&mut fleet, &mut watch, 2.0), None);
        fleet.observe(Observation { backend, at: Moment(4_000), claim: Claim::Resident(Vec::new()) });
        assert_eq!(seen(&mut fleet, &mut watch, 4.0), None);
        fleet.observe(Observation { backend, at: Moment(6_000), claim: silent() });
        assert_eq!(seen(&mut fleet, &mut watch, 6.0), None);
        assert_eq!(seen(&mut fleet, &mut watch, 16.0), Some(Sign::Silent));
    }
}
