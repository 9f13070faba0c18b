//! The host: one engine, one live plugin set behind an atomic pointer. Build all, check all, swap once.

use std::sync::Arc;

use arc_swap::ArcSwap;
use herdwick_fleet::{Generation, LivePolicy, PluginId, SignalPolicy};

use crate::builtin;
use crate::config::PluginsConfig;
use crate::fault::{LoadError, LoadErrors};
use crate::load::{Loaded, Loader, Plugin, Signal};
use crate::package::{Package, Source};
use crate::set::PluginSet;

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
    set: ArcSwap<PluginSet>,
}

impl PluginHost {
    /// A host whose live set is the built-in signals and `extra`. One of `extra` with the name of a built-in
    /// takes its place.
    ///
    /// # Errors
    /// Everything that is wrong with any plugin.
    pub fn start(extra: Vec<Package>) -> Result<Self, HostError> {
        Self::start_with(builtin::PACKAGES.to_vec(), extra)
    }

    /// A host without built-ins: for tests of what runs when there are none.
    ///
    /// # Errors
    /// As [`PluginHost::start`].
    pub fn start_bare(extra: Vec<Package>) -> Result<Self, HostError> {
        Self::start_with(Vec::new(), extra)
    }

    fn start_with(built_in: Vec<Package>, extra: Vec<Package>) -> Result<Self, HostError> {
        let loader = Loader::new(None)?;
        let packages = built_in.into_iter().chain(extra).collect::<Vec<_>>();
        let plugins = load_all(&loader, &packages)?;
        let set = PluginSet::build(Generation(1), &loader.engine, &loader.ticker, plugins)?;
        Ok(Self { loader, set: ArcSwap::from_pointee(set) })
    }

    /// The live set. A decision holds it from first to last question.
    pub fn current(&self) -> Arc<PluginSet> {
        self.set.load_full()
    }

    /// Replaces the live set by the built-ins and `extra`; decisions under way keep theirs.
    ///
    /// # Errors
    /// Everything that is wrong with any plugin; the live set then stays.
    pub fn swap(&self, extra: Vec<Package>) -> Result<Generation, LoadErrors> {
        let packages: Vec<_> = builtin::PACKAGES.iter().cloned().chain(extra).collect();
        let plugins = load_all(&self.loader, &packages)?;
        let generation = self.set.load().generation().next();
        let set = PluginSet::build(generation, &self.loader.engine, &self.loader.ticker, plugins)?;
        self.set.store(Arc::new(set));
        Ok(generation)
    }
}

impl LivePolicy for PluginHost {
    fn pin(&self) -> Arc<dyn SignalPolicy> {
        self.current()
    }
}

/// Loads every package; a later one with the name of a built-in replaces it, two of the operator's with one
/// name are both refused.
fn load_all(loader: &Loader, packages: &[Package]) -> Result<Vec<Loaded>, LoadErrors> {
    let mut plugins: Vec<Loaded> = Vec::new();
    let mut problems = Vec::new();
    for package in packages {
        match loader.load(package, &PluginsConfig::default()) {
            Err(found) => problems.extend(found),
            Ok(other @ (Plugin::Fallback(_) | Plugin::Health(_))) => {
                tracing::warn!(plugin = %other.id(), kind = %other.kind(), "loads, but nothing asks its kind yet");
            }
            Ok(Plugin::Signal(Signal(loaded))) => {
                match plugins.iter_mut().find(|have| have.described.id == loaded.described.id) {
                    None => plugins.push(loaded),
                    Some(have) if matches!(have.source, Source::BuiltIn(_)) => {
                        tracing::info!(
                            plugin = %loaded.described.id, source = %loaded.source, "replaces the built-in plugin"
                        );
                        *have = loaded;
                    }
                    Some(have) => problems.push(twice(&loaded.described.id, &loaded.source, &have.source)),
                }
            }
        }
    }
    if problems.is_empty() { Ok(plugins) } else { Err(LoadErrors(problems)) }
}

fn twice(id: &PluginId, this: &Source, other: &Source) -> LoadError {
    LoadError {
        plugin: this.clone(),
        problem: format!("calls itself {id:?}, and so does {other}; remove one of them", id = id.as_str()),
    }
}
