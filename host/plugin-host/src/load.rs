//! From bytes to something that can run: header, compilation, imports, exports, one trial. Off the request
//! path; every refusal says what is wrong and what to do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use crate::bindings::SignalPlugin;
use crate::bindings::fallback::FallbackPlugin;
use crate::bindings::health::HealthPlugin;
use crate::child::Isolation;
use crate::compile::Compiler;
use crate::config::{Grant, OnFault, PluginConfig, PluginsConfig};
use crate::engine::{self, Ticker};
use crate::fault::{Fault, LoadError};
use crate::host::HostError;
use crate::instance::Instance;
use crate::instance_fallback::FallbackInstance;
use crate::instance_health::HealthInstance;
use crate::limits;
use crate::manifest::{self, Described};
use crate::package::{self, Digest, Package, Source};
use crate::sandbox::{Moment, Room, Sandbox, printable};
use crate::settings;
use crate::survey;
use crate::trial;
use crate::wanted::{self, Wanted};
use crate::world::{Kind, Setting, World};

/// Turns packages into plugins. All plugins of one loader share an engine and its clock.
pub struct Loader {
    pub(crate) engine: Engine,
    pub(crate) ticker: Arc<Ticker>,
    linker: Linker<Sandbox>,
    compiler: Compiler,
}

/// A plugin that passed every check.
pub enum Plugin {
    /// Asked on every request.
    Signal(Signal),
    /// Asked after a failure.
    Fallback(Fallback),
    /// Asked now and then.
    Health(Health),
}

/// A signal that passed every check; a set of them answers requests.
pub struct Signal(pub(crate) Loaded);

/// A fallback rule that passed every check.
pub struct Fallback(Ready<FallbackPlugin>);

/// A health plugin that passed every check.
pub struct Health(Ready<HealthPlugin>);

/// A plugin of one kind that can be instantiated any number of times.
pub(crate) struct Loaded<W: World = SignalPlugin> {
    pub(crate) source: Source,
    pub(crate) digest: Digest,
    pub(crate) described: Described,
    pub(crate) on_fault: OnFault,
    settings: Vec<Setting>,
    room: Room,
    pre: W::Pre,
}

/// With what an instance needs, for kinds that are not put into a set.
struct Ready<W: World> {
    loaded: Loaded<W>,
    engine: Engine,
    ticker: Arc<Ticker>,
}

impl Loader {
    /// A loader with an engine of its own, which keeps what it compiles in `cache_dir` if one is given.
    ///
    /// # Errors
    /// This machine cannot run WebAssembly, or has no thread for the clock.
    pub fn new(cache_dir: Option<PathBuf>) -> Result<Self, HostError> {
        let engine = engine::engine().map_err(HostError::Engine)?;
        let linker = linker(&engine).map_err(HostError::Engine)?;
        let ticker = Arc::new(Ticker::start(&engine).map_err(HostError::Clock)?);
        let compiler = Compiler::new(&engine, cache_dir);
        Ok(Self { engine, ticker, linker, compiler })
    }

    /// The same, which has large plugins compiled by a child.
    #[must_use]
    pub fn isolated(self, isolation: Isolation) -> Self {
        Self { compiler: self.compiler.isolated(isolation), ..self }
    }

    /// Loads one plugin, with what the operator says about the one of its name.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self, package: &Package, config: &PluginsConfig) -> Result<Plugin, Vec<LoadError>> {
        self.try_load(package, config).map_err(|problems| {
            let told = |problem| LoadError { plugin: package.source.clone(), problem };
            problems.into_iter().map(told).collect()
        })
    }

    fn try_load(&self, package: &Package, config: &PluginsConfig) -> Result<Plugin, Vec<String>> {
        if package.bytes.len() > limits::FILE_BYTES {
            return Err(one(package::too_large()));
        }
        let wanted = wanted::read(package)?;
        let component = self.compiler.component(&package.bytes).map_err(|error| one(error.to_string()))?;
        let surface = survey::look(&self.engine, &component)?;
        let kind = survey::kind(&surface.kinds, wanted.kind).map_err(one)?;
        let given =
            Given { package, config, wanted: &wanted, component: &component, kind, wasi: surface.wasi };
        match kind {
            Kind::Signal => {
                let loaded = self.load_as::<SignalPlugin>(&given)?;
                self.try_out(&loaded)?;
                Ok(Plugin::Signal(Signal(loaded)))
            }
            Kind::Fallback => self.ready(&given).map(|ready| Plugin::Fallback(Fallback(ready))),
            Kind::Health => self.ready(&given).map(|ready| Plugin::Health(Health(ready))),
        }
    }

    /// The trial, repeated if only time ran out: the machine may be busy.
    fn try_out(&self, loaded: &Loaded) -> Result<(), Vec<String>> {
        let mut last = Ok(());
        for _ in 0..limits::TRIALS {
            let mut instance = self.started(loaded)?;
            match trial::run(&mut instance, &loaded.described) {
                Ok(()) => return Ok(()),
                Err((true, problem)) => last = Err(one(problem)),
                Err((false, problem)) => return Err(one(problem)),
            }
        }
        last
    }

    fn ready<W: World>(&self, given: &Given<'_>) -> Result<Ready<W>, Vec<String>> {
        let loaded = self.load_as(given)?;
        // Nothing to try without a situation, but it must start and take its settings.
        self.started(&loaded)?;
        Ok(Ready { loaded, engine: self.engine.clone(), ticker: Arc::clone(&self.ticker) })
    }

    /// A configured instance, or everything that it dislikes about its settings.
    fn started<W: World>(&self, loaded: &Loaded<W>) -> Result<Instance<W>, Vec<String>> {
        let id = &loaded.described.id;
        loaded
            .try_instance(&self.engine, &self.ticker)
            .map_err(|fault| one(format!("{id}: {fault}")))?
            .map_err(|problems| {
                let told = |problem| format!("{id} refuses its settings: {problem}");
                problems.into_iter().map(told).collect()
            })
    }

    /// Resolves the imports. One linker serves all but those that import WASI.
    #[cfg_attr(not(feature = "wasi"), expect(unused_variables, reason = "one linker does for all"))]
    fn link(&self, component: &Component, wasi: bool) -> wasmtime::Result<InstancePre<Sandbox>> {
        #[cfg(feature = "wasi")]
        if wasi {
            let mut linker = self.linker.clone();
            crate::wasi::define(&self.engine, &mut linker, component)?;
            return linker.instantiate_pre(component);
        }
        self.linker.instantiate_pre(component)
    }

    fn load_as<W: World>(&self, given: &Given<'_>) -> Result<Loaded<W>, Vec<String>> {
        let Given { package, config, wanted, component, kind, wasi } = given;
        let pre = self.link(component, *wasi).map_err(|error| {
            one(format!("uses its imports as the contract does not allow: {error:#}; build it again"))
        })?;
        let pre = W::find(pre).map_err(|error| {
            one(format!(
                "does not export the contract: {error:#}; build it for the world \
                 herdwick:plugin/{kind}-plugin@0.1.0"
            ))
        })?;
        let room =
            Room { memory_bytes: wanted.memory_bytes, large: package.bytes.len() > limits::LARGE_BYTES };
        let mut instance = Instance::<W>::new(&self.engine, &self.ticker, &pre, room)
            .map_err(|fault| one(cannot_start(&fault)))?;
        let manifest =
            instance.describe().map_err(|fault| one(format!("cannot describe itself: {fault}")))?;
        let mut described = manifest::check(&manifest)?;
        let id = described.id.as_str();
        if let Some(other) = wanted.id.as_deref().filter(|other| *other != id) {
            let other = printable(other, limits::NAME_BYTES);
            return Err(one(format!("calls itself {id:?}, its manifest {other:?}; make the two agree")));
        }
        let unsaid = PluginConfig::default();
        let said = config.plugins.get(id).unwrap_or(&unsaid);
        let settings = settings::merged(wanted.settings.as_ref(), &said.settings).map_err(|problems| {
            problems.into_iter().map(|problem| format!("{id}: {problem}")).collect::<Vec<_>>()
        })?;
        let granted = granted(&package.source, wanted, said);
        if described.may_veto && !granted.contains(&Grant::Veto) {
            tracing::info!(plugin = id, "asks for the right to veto and does not have it");
        }
        described.may_veto &= granted.contains(&Grant::Veto);
        Ok(Loaded {
            source: package.source.clone(),
            digest: package.digest(),
            on_fault: said.on_fault.unwrap_or(wanted.on_fault),
            settings,
            described,
            room,
            pre,
        })
    }
}

/// What it may do: what it asks for and is given. What is part of the binary was reviewed with it.
fn granted(source: &Source, wanted: &Wanted, said: &PluginConfig) -> BTreeSet<Grant> {
    match source {
        Source::BuiltIn(_) => wanted.grants.clone(),
        Source::File(_) | Source::Named(_) => {
            wanted.grants.iter().copied().filter(|grant| said.grants.contains(grant)).collect()
        }
    }
}

/// What the steps of one load share.
struct Given<'a> {
    package: &'a Package,
    config: &'a PluginsConfig,
    wanted: &'a Wanted,
    component: &'a Component,
    kind: Kind,
    /// Whether it imports the empty world.
    wasi: bool,
}

impl Plugin {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Signal(_) => Kind::Signal,
            Self::Fallback(_) => Kind::Fallback,
            Self::Health(_) => Kind::Health,
        }
    }

    /// Its name.
    pub fn id(&self) -> &herdwick_fleet::PluginId {
        match self {
            Self::Signal(signal) => &signal.0.described.id,
            Self::Fallback(fallback) => &fallback.0.loaded.described.id,
            Self::Health(health) => &health.0.loaded.described.id,
        }
    }

    /// Where it came from.
    pub(crate) fn source(&self) -> &Source {
        match self {
            Self::Signal(signal) => &signal.0.source,
            Self::Fallback(fallback) => &fallback.0.loaded.source,
            Self::Health(health) => &health.0.loaded.source,
        }
    }

    /// The digest of its bytes.
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Signal(signal) => signal.0.digest,
            Self::Fallback(fallback) => fallback.0.loaded.digest,
            Self::Health(health) => health.0.loaded.digest,
        }
    }

    /// What it says of itself.
    pub(crate) fn described(&self) -> &Described {
        match self {
            Self::Signal(signal) => &signal.0.described,
            Self::Fallback(fallback) => &fallback.0.loaded.described,
            Self::Health(health) => &health.0.loaded.described,
        }
    }

    /// What a fault of it means for the request: what the operator says, else what its manifest says.
    pub fn on_fault(&self) -> OnFault {
        match self {
            Self::Signal(signal) => signal.0.on_fault,
            Self::Fallback(fallback) => fallback.0.loaded.on_fault,
            Self::Health(health) => health.0.loaded.on_fault,
        }
    }
}

impl Fallback {
    /// An instance to ask. To be made ahead of need: it takes up to a second.
    ///
    /// # Errors
    /// It cannot start, or refuses its settings.
    pub fn instance(&self) -> Result<FallbackInstance, Fault> {
        self.0.instance().map(FallbackInstance)
    }
}

impl Health {
    /// An instance to ask. To be made ahead of need: it takes up to a second.
    ///
    /// # Errors
    /// It cannot start, or refuses its settings.
    pub fn instance(&self) -> Result<HealthInstance, Fault> {
        self.0.instance().map(HealthInstance)
    }
}

impl<W: World> Ready<W> {
    fn instance(&self) -> Result<Instance<W>, Fault> {
        self.loaded.instance(&self.engine, &self.ticker)
    }
}

impl<W: World> Loaded<W> {
    /// A configured instance, ready to be asked.
    pub(crate) fn instance(&self, engine: &Engine, ticker: &Arc<Ticker>) -> Result<Instance<W>, Fault> {
        self.try_instance(engine, ticker)?.map_err(|problems| Fault::Refused(problems.join("; ")))
    }

    /// The same, with its problems with its settings apart.
    fn try_instance(
        &self,
        engine: &Engine,
        ticker: &Arc<Ticker>,
    ) -> Result<Result<Instance<W>, Vec<String>>, Fault> {
        let mut instance = Instance::new(engine, ticker, &self.pre, self.room)?;
        instance.name(self.described.id.clone());
        // Plugins take their settings at the beginning of time, on every start alike.
        instance.at(Moment::default());
        Ok(instance.configure(&self.settings)?.map(|()| instance))
    }
}

/// What guests may import: the log. Types-only imports need no definition but a name.
fn linker(engine: &Engine) -> Result<Linker<Sandbox>, wasmtime::Error> {
    let mut linker = Linker::new(engine);
    SignalPlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
    Ok(linker)
}

/// Types of functions are compared only now, and wasmtime has no type for the outcome.
fn cannot_start(fault: &Fault) -> String {
    match fault {
        Fault::Trap(text) if text.contains("type mismatch") => {
            format!("does not fit the contract: {text}; build it again with the contract of this router")
        }
        fault => format!("cannot start: {fault}"),
    }
}

fn one(problem: String) -> Vec<String> {
    vec![problem]
}
