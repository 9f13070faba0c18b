//! The host: one engine, one live plugin set behind an atomic pointer. Build all, check all, swap once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use herdwick_fleet::{Generation, LivePolicy, Moment, PluginId, SignalPolicy, Snapshot};

use crate::builtin;
use crate::config::PluginsConfig;
use crate::diagnose::{self, Diagnosis};
use crate::fault::LoadErrors;
use crate::load::Loader;
use crate::member::Member;
use crate::package::Package;
use crate::reconcile::{Memory, Plan, Planned, Wanted};
use crate::set::PluginSet;
use crate::status::{PluginStatus, Report, State};
use crate::topology::{Ground, Topology};

/// Why no plugin can run on this machine at all.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// wasmtime refuses this processor or operating system.
    #[error("the WebAssembly engine cannot start on this machine")]
    Engine(#[source] wasmtime::Error),
    /// No thread for the clock that bounds guests.
    #[error("the clock that bounds plugins cannot start")]
    Clock(#[source] std::io::Error),
    /// Plugins that cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadErrors),
}

/// Everything that runs plugins.
pub struct PluginHost {
    loader: Loader,
    ground: Ground,
    built_in: Vec<Package>,
    set: ArcSwap<PluginSet>,
    /// Taken by whoever changes or asks for the state of plugins, never on the path of a request.
    state: Mutex<HostState>,
}

#[derive(Default)]
struct HostState {
    memory: Memory,
    plugins: Vec<Planned>,
    last: Option<Report>,
}

impl PluginHost {
    /// A host whose live set is what `wanted` says.
    ///
    /// # Errors
    /// A file that is named on the command line cannot be used. Whatever is wrong with the folder or the
    /// configuration is in the report instead: it must not keep the router from starting.
    pub fn start(wanted: &Wanted) -> Result<Self, HostError> {
        Self::start_with(builtin::PACKAGES.to_vec(), wanted)
    }

    /// A host without built-ins: for tests of what runs when there are none.
    ///
    /// # Errors
    /// As [`PluginHost::start`].
    pub fn start_bare(wanted: &Wanted) -> Result<Self, HostError> {
        Self::start_with(Vec::new(), wanted)
    }

    fn start_with(built_in: Vec<Package>, wanted: &Wanted) -> Result<Self, HostError> {
        let mut loader = Loader::new(wanted.cache.clone())?;
        if let Some(isolation) = wanted.isolation.clone() {
            loader = loader.isolated(isolation);
        }
        let ground = Ground {
            engine: loader.engine.clone(),
            ticker: Arc::clone(&loader.ticker),
            topology: Arc::default(),
        };
        let empty = PluginSet::build(Generation(0), &ground, Vec::new());
        let empty = empty.map_err(|(_, error)| LoadErrors(vec![error]))?;
        let set = ArcSwap::from_pointee(empty);
        let host = Self { loader, ground, built_in, set, state: Mutex::default() };
        let problems = host.reconcile("start", wanted);
        let named = |error: &crate::LoadError| match &error.plugin {
            crate::Source::File(path) => wanted.files.contains(path),
            _ => false,
        };
        let fatal: Vec<_> = problems.into_iter().filter(named).collect();
        if fatal.is_empty() { Ok(host) } else { Err(LoadErrors(fatal).into()) }
    }

    /// The live set. A decision holds it from first to last question.
    pub fn current(&self) -> Arc<PluginSet> {
        self.set.load_full()
    }

    /// What must be done now and then, away from any request: instances that died are replaced, and plugins that
    /// want to know who is in the fleet are told when that changed.
    pub fn tend(&self, fleet: &Snapshot) {
        let set = self.current();
        set.mend();
        if self.ground.topology.load().generation != fleet.topology {
            self.ground.topology.store(Arc::new(Topology::of(fleet)));
        }
        set.tell_topology();
    }

    /// Asks the health plugins what is wrong.
    pub fn diagnose(&self, fleet: &Snapshot, now: Moment) -> Vec<Diagnosis> {
        diagnose::run(self.current().members(), fleet, now)
    }

    /// Makes the live set what `wanted` says; decisions under way keep theirs. What cannot be used is in the
    /// report, and what was good before stays.
    pub fn reload(&self, cause: &'static str, wanted: &Wanted) -> Report {
        self.reconcile(cause, wanted);
        self.report().unwrap_or(Report {
            cause,
            took: Duration::ZERO,
            generation: self.current().generation(),
            swapped: false,
            problems: Vec::new(),
        })
    }

    /// Leaves everything as it is, since what is wanted cannot be read; the problem is shown with the plugins.
    pub fn stay(&self, cause: &'static str, problem: String) -> Report {
        let generation = self.current().generation();
        let report =
            Report { cause, took: Duration::ZERO, generation, swapped: false, problems: vec![problem] };
        self.state.lock().unwrap_or_else(PoisonError::into_inner).last = Some(report.clone());
        report
    }

    /// Takes back the live version of a plugin; the next [`PluginHost::reload`] runs the one before it. Forgotten
    /// at a restart, as the versions before are.
    ///
    /// # Errors
    /// There is none to go back to.
    pub fn roll_back(&self, plugin: &PluginId) -> Result<(), String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).memory.take_back(plugin)
    }

    /// How the last change went.
    pub fn report(&self) -> Option<Report> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }

    /// Every plugin that is known, live or not.
    pub fn status(&self) -> Vec<PluginStatus> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.plugins.iter().map(status).collect()
    }

    fn reconcile(&self, cause: &'static str, wanted: &Wanted) -> Vec<crate::LoadError> {
        let began = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let load = |package: &Package, config: &PluginsConfig| self.loader.load(package, config);
        let mut plan = state.memory.plan(&self.built_in, wanted, began, &load);
        let live = self.current();
        let swapped = self.swap(&live, &mut plan);
        if swapped {
            state.memory.went_live(self.current().members());
        }
        state.plugins = plan.plugins;
        state.last = Some(Report {
            cause,
            took: began.elapsed(),
            generation: self.current().generation(),
            swapped,
            problems: Report::problems(&plan.problems),
        });
        plan.problems
    }

    /// Builds the planned set and swaps it in, unless it is the live one. A member that cannot be made with its
    /// new settings keeps its old ones, or is left out if it was not live.
    fn swap(&self, live: &PluginSet, plan: &mut Plan) -> bool {
        loop {
            let members: Vec<Member> = plan
                .plugins
                .iter()
                .filter(|planned| planned.runs)
                .map(|planned| planned.member.clone())
                .collect();
            let same = members.len() == live.members().len()
                && members.iter().zip(live.members()).all(|(new, old)| new.is_same(old));
            if same && live.generation() > Generation(0) {
                return false;
            }
            match PluginSet::build(live.generation().next(), &self.ground, members) {
                Ok(set) => {
                    self.set.store(Arc::new(set));
                    return true;
                }
                Err((index, error)) => {
                    let Some(planned) = plan.plugins.iter_mut().filter(|planned| planned.runs).nth(index)
                    else {
                        plan.problems.push(error);
                        return false;
                    };
                    planned.state = State::Broken { why: error.problem.clone() };
                    plan.problems.push(error);
                    let old = live.members().iter().find(|old| old.id() == planned.member.id());
                    match old.filter(|old| !old.is_same(&planned.member)) {
                        Some(old) => planned.member = old.clone(),
                        None => planned.runs = false,
                    }
                }
            }
        }
    }
}

fn status(planned: &Planned) -> PluginStatus {
    let Planned { member, state, .. } = planned;
    let described = member.described();
    PluginStatus {
        id: described.id.clone(),
        version: described.version.clone(),
        summary: described.summary.clone(),
        source: member.plugin.source().clone(),
        kind: member.plugin.kind(),
        digest: member.plugin.digest(),
        weight: member.config.weight,
        mode: member.config.mode,
        state: state.clone(),
        calls: member.stats.calls(),
        faults: member.stats.faults(),
        p50_us: member.stats.percentile_us(0.5),
        p99_us: member.stats.percentile_us(0.99),
        last_fault: member.stats.last_fault(),
    }
}

impl LivePolicy for PluginHost {
    fn pin(&self) -> Arc<dyn SignalPolicy> {
        self.current()
    }
}
