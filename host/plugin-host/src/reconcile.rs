//! Makes the live set what folder and configuration say it should be: read all, load what is new, keep the last
//! good version of what is broken, build one set, swap once. Idempotent; whoever asks for it passes no hint.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use herdwick_fleet::PluginId;

use crate::child::Isolation;
use crate::config::{PluginConfig, PluginsConfig};
use crate::fault::LoadError;
use crate::load::Plugin;
use crate::member::Member;
use crate::package::{Digest, Package, Source};
use crate::stats::Stats;
use crate::status::State;

/// The first quarantine; each further one of the same version lasts twice as long …
const QUARANTINE: Duration = Duration::from_secs(60);
/// … up to this.
const LONGEST_QUARANTINE: Duration = Duration::from_secs(3_600);
/// Earlier versions of a plugin that are kept to go back to.
const HISTORY: usize = 3;

/// What should be live.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What the operator says.
    pub config: PluginsConfig,
    /// Files named on the command line; they are on unless the configuration says otherwise.
    pub files: Vec<PathBuf>,
    /// The plugin folder.
    pub folder: Option<PathBuf>,
    /// Where compiled plugins are kept; read once, at the start.
    pub cache: Option<PathBuf>,
    /// Where large plugins are compiled; `None` = in this process. Read once, at the start.
    pub isolation: Option<Isolation>,
}

/// What is remembered from one look to the next.
#[derive(Default)]
pub(crate) struct Memory {
    /// Every version that is or may be needed, by digest and where it came from.
    loaded: HashMap<(Digest, Source), (PluginConfig, Arc<Plugin>)>,
    /// Versions that were refused, so that a slow look does not compile them again and again.
    refused: HashMap<(Digest, Source), (PluginsConfig, Vec<String>)>,
    /// The version that last came from a file.
    from: HashMap<Source, Arc<Plugin>>,
    /// Versions that were live, newest last.
    history: HashMap<PluginId, Vec<Arc<Plugin>>>,
    stats: HashMap<(PluginId, Digest), Arc<Stats>>,
    quarantine: HashMap<Digest, Quarantine>,
    /// Versions that the operator took back.
    taken_back: HashSet<Digest>,
}

struct Quarantine {
    times: u32,
    until: Instant,
}

/// One plugin as it should be, and whether it takes part.
pub(crate) struct Planned {
    pub(crate) member: Member,
    pub(crate) state: State,
    /// Whether it is in the set.
    pub(crate) runs: bool,
}

/// A plan for the next set, with everything that could not be used.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) plugins: Vec<Planned>,
    pub(crate) problems: Vec<LoadError>,
}

/// Loads one package: the expensive step, given by the host.
pub(crate) type Load<'a> = &'a dyn Fn(&Package, &PluginsConfig) -> Result<Plugin, Vec<LoadError>>;

impl Memory {
    /// Plans the next set.
    pub(crate) fn plan(
        &mut self,
        built_in: &[Package],
        wanted: &Wanted,
        now: Instant,
        load: Load<'_>,
    ) -> Plan {
        let mut plan = Plan::default();
        let mut found: BTreeMap<usize, (Arc<Plugin>, Option<String>)> = BTreeMap::new();
        let mut packages: Vec<Package> = built_in.to_vec();
        for path in wanted.files.iter().cloned().chain(folder(wanted.folder.as_deref(), &mut plan.problems)) {
            match Package::read(&path) {
                Ok(package) => packages.push(package),
                Err(problem) => plan.problems.push(problem),
            }
        }
        for (place, package) in packages.iter().enumerate() {
            match self.load(package, &wanted.config, load) {
                Ok(loaded) => {
                    found.insert(place, (loaded, None));
                }
                Err(problems) => {
                    let why = problems.join("; ");
                    let error = LoadError { plugin: package.source.clone(), problem: why.clone() };
                    plan.problems.push(error);
                    // A bad new version of a file leaves its last good one in place, visibly.
                    if let Some(last) = self.from.get(&package.source) {
                        found.insert(place, (Arc::clone(last), Some(why)));
                    }
                }
            }
        }
        self.settle(found.into_values().collect(), wanted, now, &mut plan);
        plan
    }

    /// The version was live: it is one to go back to.
    pub(crate) fn went_live(&mut self, members: &[Member]) {
        for member in members {
            self.from.insert(member.plugin.source().clone(), Arc::clone(&member.plugin));
            let history = self.history.entry(member.id().clone()).or_default();
            history.retain(|version| version.digest() != member.plugin.digest());
            history.push(Arc::clone(&member.plugin));
            let surplus = history.len().saturating_sub(HISTORY);
            history.drain(..surplus);
        }
        let known: Vec<Digest> = self.history.values().flatten().map(|version| version.digest()).collect();
        self.loaded.retain(|(digest, _), _| known.contains(digest));
    }

    /// The version in this package with what the operator says about it: the one at hand if nothing changed.
    fn load(
        &mut self,
        package: &Package,
        config: &PluginsConfig,
        load: Load<'_>,
    ) -> Result<Arc<Plugin>, Vec<String>> {
        let key = (package.digest(), package.source.clone());
        let said = |plugin: &Plugin| config.plugins.get(plugin.id().as_str()).cloned().unwrap_or_default();
        if let Some((was, plugin)) = self.loaded.get(&key)
            && was.is_loaded_like(&said(plugin))
        {
            return Ok(Arc::clone(plugin));
        }
        if let Some((was, problems)) = self.refused.get(&key)
            && was == config
        {
            return Err(problems.clone());
        }
        match load(package, config) {
            Ok(plugin) => {
                let plugin = Arc::new(plugin);
                self.loaded.insert(key, (said(&plugin), Arc::clone(&plugin)));
                Ok(plugin)
            }
            Err(errors) => {
                let problems: Vec<String> = errors.into_iter().map(|error| error.problem).collect();
                // Only the newest refusal of a file can be asked for again.
                self.refused.retain(|(_, source), _| *source != key.1);
                self.refused.insert(key, (config.clone(), problems.clone()));
                Err(problems)
            }
        }
    }

    /// One version per name: a file before the built-in, never two files; then what the operator says.
    fn settle(
        &mut self,
        found: Vec<(Arc<Plugin>, Option<String>)>,
        wanted: &Wanted,
        now: Instant,
        plan: &mut Plan,
    ) {
        let mut by_id: Vec<(Arc<Plugin>, Option<String>)> = Vec::new();
        let mut built_in: HashMap<PluginId, Arc<Plugin>> = HashMap::new();
        let mut twice: Vec<PluginId> = Vec::new();
        for (loaded, broken) in found {
            let id = loaded.id().clone();
            match by_id.iter_mut().find(|(have, _)| *have.id() == id) {
                None => by_id.push((loaded, broken)),
                Some(have) if matches!(have.0.source(), Source::BuiltIn(_)) => {
                    built_in.insert(id, Arc::clone(&have.0));
                    *have = (loaded, broken);
                }
                Some(have) => {
                    plan.problems.push(LoadError {
                        plugin: loaded.source().clone(),
                        problem: format!(
                            "calls itself {:?}, and so does {}; neither is used, remove one of them",
                            id.as_str(),
                            have.0.source()
                        ),
                    });
                    twice.push(id);
                }
            }
        }
        for (loaded, broken) in by_id {
            let id = loaded.id().clone();
            let chosen = if twice.contains(&id) {
                match built_in.get(&id) {
                    Some(original) => Arc::clone(original),
                    None => continue,
                }
            } else {
                loaded
            };
            let planned = self.judge(chosen, broken, wanted, now);
            plan.plugins.push(planned);
        }
        let names: Vec<&str> = plan.plugins.iter().map(|planned| planned.member.id().as_str()).collect();
        for name in wanted.config.plugins.keys().filter(|name| !names.contains(&name.as_str())) {
            let near = names.iter().min_by_key(|have| herdwick_fleet::nearest::distance(name, have));
            let near = near.map_or(String::new(), |near| format!("; the nearest is {near:?}"));
            let problem = format!("is configured, but there is no such plugin{near}");
            plan.problems.push(LoadError { plugin: Source::Named(name.clone()), problem });
        }
    }

    /// Whether this version takes part, or an earlier one in its place.
    fn judge(
        &mut self,
        loaded: Arc<Plugin>,
        broken: Option<String>,
        wanted: &Wanted,
        now: Instant,
    ) -> Planned {
        let id = loaded.id().clone();
        let config = wanted.config.plugins.get(id.as_str()).cloned().unwrap_or_default();
        let default = match loaded.source() {
            Source::File(path) => wanted.config.auto_enable || wanted.files.contains(path),
            Source::BuiltIn(_) | Source::Named(_) => true,
        };
        let enabled = config.enabled.unwrap_or(default);
        let member = |plugin: Arc<Plugin>, memory: &mut Self| {
            let stats = memory.stats.entry((id.clone(), plugin.digest())).or_default();
            Member { stats: Arc::clone(stats), config: config.clone(), plugin }
        };
        let newest = member(Arc::clone(&loaded), self);
        if !enabled {
            return Planned { member: newest, state: State::Disabled, runs: false };
        }
        let state = if self.taken_back.contains(&loaded.digest()) {
            State::RolledBack
        } else if let Some(left) = self.serve_quarantine(&newest, now) {
            State::Quarantined { why: newest.stats.last_fault().unwrap_or_default(), left }
        } else {
            let state = broken.map_or(State::Live, |why| State::Broken { why });
            return Planned { member: newest, state, runs: true };
        };
        let earlier = self.history.get(&id).into_iter().flatten().rev();
        let mut earlier = earlier.filter(|version| version.digest() != loaded.digest());
        let good = earlier.find(|version| self.is_good(&version.digest())).cloned();
        match good {
            Some(version) => Planned { member: member(version, self), state, runs: true },
            None => Planned { member: newest, state, runs: false },
        }
    }

    /// Takes back the version that is live now, so that the next plan has the one before it. A file that changes
    /// is another version and counts again.
    pub(crate) fn take_back(&mut self, id: &PluginId) -> Result<(), String> {
        let Some((live, earlier)) = self.history.get(id).and_then(|history| history.split_last()) else {
            return Err(format!("no plugin {:?} was live since the router started", id.as_str()));
        };
        if !earlier.iter().any(|version| self.is_good(&version.digest())) {
            return Err(format!("there is no earlier version of {:?} to go back to", id.as_str()));
        }
        self.taken_back.insert(live.digest());
        Ok(())
    }

    fn is_good(&self, digest: &Digest) -> bool {
        !self.quarantine.contains_key(digest) && !self.taken_back.contains(digest)
    }

    /// How long the version stays out; `None` = it may be asked.
    fn serve_quarantine(&mut self, member: &Member, now: Instant) -> Option<Duration> {
        let digest = member.plugin.digest();
        if !member.stats.is_out() {
            return None;
        }
        let term = |times: u32| QUARANTINE.saturating_mul(1 << times.min(6)).min(LONGEST_QUARANTINE);
        match self.quarantine.get_mut(&digest) {
            None => {
                self.quarantine.insert(digest, Quarantine { times: 1, until: now + term(0) });
                Some(term(0))
            }
            Some(quarantine) if now < quarantine.until => Some(quarantine.until - now),
            Some(quarantine) => {
                // Served. Should it misbehave again, the next term begins now and is twice as long.
                quarantine.until = now + term(quarantine.times);
                quarantine.times += 1;
                member.stats.readmit();
                None
            }
        }
    }
}

/// The plugin files of the folder, sorted by name. Hidden and half-named files are somebody's work in progress.
fn folder(folder: Option<&Path>, problems: &mut Vec<LoadError>) -> Vec<PathBuf> {
    let Some(folder) = folder else { return Vec::new() };
    let fail = |problem: String| LoadError { plugin: Source::File(folder.to_owned()), problem };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.push(fail(format!("cannot be listed ({error}); make it readable")));
            return Vec::new();
        }
    };
    if is_open_to_others(folder) {
        problems.push(fail("can be written by others, so nothing in it is used; `chmod go-w` it".to_owned()));
        return Vec::new();
    }
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .filter(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')))
        .collect();
    files.sort();
    files
}

#[cfg(unix)]
fn is_open_to_others(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o022 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}
