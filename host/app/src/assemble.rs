//! The composition root: every part of the program is built here, in order, and nothing starts before all are
//! built. Two threads: this one carries requests, the other everything that may take its time.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use herdwick_control::{Admin, Benches, FactBook, Ingest, IngestParts, Keeper, Polling, Published};
use herdwick_fleet::{Counters, Reach, Ring, Snapshot};
use herdwick_plugin_host::{CompileLimits, Isolation, PluginHost, Wanted};
use herdwick_proxy::listen::Listeners;
use herdwick_proxy::{Aliases, Dispatcher, Parts, Router, gate, server};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::admin::{OnControl, PluginAdmin, Resident};
use crate::banner::Door;
use crate::cli::COMPILE_PLUGIN;
use crate::config::{Config, Env, Flags};
use crate::demo::Demo;
use crate::failed::Failed;
use crate::health::Health;
use crate::memory::Opening;
use crate::reloader::Reloader;
use crate::requests::RequestLog;
use crate::shutdown::{self, Ends};
use crate::{banner, client, handles, identity, lan, logs, week};

/// How long the banner waits to hear of every node. A node that is off must not delay the others.
const GREETING: Duration = Duration::from_secs(2);
/// How often instances of plugins that died are replaced, and the others told who is in the fleet.
const TEND: Duration = Duration::from_millis(250);

/// How long the network may take to be told that the router leaves, and a bench to put back what was in memory. What it
/// loaded its server lets go of by itself half a minute later.
const GOODBYE: Duration = Duration::from_secs(2);

/// What `herdwick serve` is told.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) sources: Sources,
    pub(crate) demo: bool,
}

/// Where the configuration is read from, also again while running.
pub(crate) struct Sources {
    pub(crate) flags: Flags,
    pub(crate) env: Env,
    /// Plugin files that were named on the command line.
    pub(crate) plugins: Vec<PathBuf>,
}

impl Sources {
    fn wanted(&self, config: &Config) -> Wanted {
        Wanted {
            config: config.plugins.clone(),
            files: self.plugins.clone(),
            folder: config.paths.plugins_dir(),
            cache: config.paths.cache_dir().map(|folder| folder.join("plugins")),
            isolation: std::env::current_exe().ok().map(|program| Isolation {
                program,
                args: vec![COMPILE_PLUGIN.into()],
                limits: CompileLimits::default(),
            }),
        }
    }

    /// Reads everything again.
    fn read(&self) -> Result<Wanted, String> {
        match Config::load(&self.flags, &self.env) {
            Ok(config) => Ok(self.wanted(&config)),
            Err(problems) => Err(format!("the configuration stays as it was: {problems}")),
        }
    }

    /// Folders in which a change is worth a look.
    fn folders(&self, config: &Config) -> Vec<PathBuf> {
        let files = config.files();
        let parents = files.iter().chain(&self.plugins).filter_map(|file| file.parent()).map(Path::to_owned);
        parents.chain(config.paths.plugins_dir()).collect()
    }
}

/// Builds everything and serves until a signal ends it.
pub(crate) fn serve(mut settings: Settings) -> anyhow::Result<()> {
    let _logs = logs::start()?;
    let start = Instant::now();
    for warning in &settings.config.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(few) = handles::prepare(&mut settings.config.limits) {
        tracing::warn!("{few}");
    }
    let simulated = if settings.demo { Some(Demo::start()?) } else { None };
    settings.config.nodes.extend(simulated.iter().flat_map(Demo::nodes));

    let Settings { config, sources, demo } = settings;
    // Clients that come early wait; a port that is taken is told at once.
    let data = runtime()?;
    let listeners = data.block_on(Listeners::bind(config.listen)).map_err(client::taken)?;
    let address = listeners.address();
    // A simulated fleet is nothing to remember.
    let opening = if demo { None } else { Opening::begin(&config.paths)? };
    let plugins = Arc::new(load_plugins(&sources.wanted(&config))?);
    let remembering = opening.map(Opening::end).transpose()?.unwrap_or_default();
    let identity = if demo { identity::once()? } else { identity::load(&config.paths)? };
    let mut keeper = Keeper::new(remembering.memory(), Box::new(gate::own_addresses()));
    keeper.keep_hours(Box::new(week::now));
    let discovery = lan::discovery(config.discovery, &identity.public(), address);
    for node in &config.nodes {
        if node.is_assumed {
            keeper.assume(&node.name, node.origin.clone(), node.slots);
        } else {
            keeper.add(&node.name, node.origin.clone(), node.slots, node.labels.clone());
        }
    }
    remembering.learn(&keeper.learned(), start);
    let published = keeper.published();
    // The configuration checked every name already.
    let aliases = Aliases::new(config.aliases.clone()).unwrap_or_default();
    let ring = Arc::new(Ring::default());
    let control = runtime()?;
    let folders = sources.folders(&config);
    let reloader = Reloader::start(Arc::clone(&plugins), folders, Box::new(move || sources.read()))?;
    let health = Arc::new(Health::new(Arc::clone(&plugins), Arc::clone(&published.fleet), start));
    let shown = PluginAdmin {
        host: Arc::clone(&plugins),
        health: Arc::clone(&health),
        ring: Arc::clone(&ring),
        reload: Box::new(move || reloader.look()),
    };
    let (stop, stopped) = watch::channel(false);
    let (counters, facts) = (Arc::new(Counters::default()), Arc::new(FactBook::default()));
    let (fleet, judge) = (Arc::clone(&published.fleet), Arc::clone(&plugins) as _);
    let dispatcher = Arc::new(Dispatcher::new(&config.limits, fleet, judge, start));
    let bench = Arc::new(Benches::default());
    let admin = Admin {
        residence: Arc::new(Resident(Arc::clone(&dispatcher))),
        ring: Arc::clone(&ring),
        plugins: Arc::new(shown),
        fleet: Arc::clone(&published.fleet),
        facts: Arc::clone(&facts),
        desk: keeper.desk(),
        learned: keeper.learned(),
        bench: Arc::clone(&bench),
        memory: remembering.memory(),
        counters: Arc::clone(&counters),
        listening: address,
        stopping: stopped.clone(),
        version: env!("CARGO_PKG_VERSION"),
        start,
    };
    let ingest = Arc::new(Ingest::new(IngestParts {
        identity,
        secret: identity::random().context("no session can be made")?,
        desk: Arc::new(keeper.desk()),
        fleet: Arc::clone(&published.fleet),
        port: address.port(),
        is_own: Box::new(gate::own_addresses()),
        facts,
        start,
    }));
    let aside = Arc::new(OnControl { admin, ingest, control: control.handle().clone() });
    let requests = Arc::new(RequestLog::new(config.log_requests));
    let router = Router::new(Parts {
        limits: config.limits,
        aliases,
        trust: config.trust.clone(),
        fleet: Arc::clone(&published.fleet),
        published: published.generation.clone(),
        policy: Arc::clone(&plugins) as _,
        dispatcher,
        ring,
        aside,
        outcomes: Arc::clone(&requests) as _,
        counters,
        start,
    });
    let (cut, mut cut_now) = watch::channel(false);
    let ends = Ends { stop, cut };

    let (tended, fleet) = (Arc::clone(&plugins), Arc::clone(&published.fleet));
    let (desk, seen, leaving) = (keeper.desk(), Arc::clone(&fleet), stopped.clone());
    // Closed when the network was told that the router leaves, and nothing is left of a bench.
    let (told, goodbye) = mpsc::channel::<()>();
    let watch = remembering.watch(Arc::clone(&fleet), start);
    let last = Arc::clone(&fleet);
    let logged = Arc::clone(&requests);
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            control.block_on(async move {
                tokio::spawn(keeper.run(Polling::default(), start));
                tokio::spawn(watch);
                let (put_back, mut stop) = (told.clone(), leaving.clone());
                tokio::spawn(async move {
                    discovery.run(desk, seen, leaving).await;
                    drop(told);
                });
                tokio::spawn(async move {
                    // An error means that nobody is left who could say so.
                    let _ = stop.wait_for(|stop| *stop).await;
                    bench.end().await;
                    drop(put_back);
                });
                tokio::spawn(tend(tended, fleet));
                tokio::spawn(health.run());
                tokio::spawn(logged.run());
                if let Err(error) = shutdown::on_signals(&ends).await {
                    tracing::error!("signals cannot be received: {error}");
                }
                // The fleet is kept until the process ends.
                std::future::pending::<()>().await;
            });
        })
        .context("the control thread cannot start")?;

    let door = Door { listening: address, trust: config.trust };
    data.block_on(async move {
        tokio::spawn(greet(door, published, plugins));
        let cut = tokio::select! {
            cut = server::serve(Arc::new(router), listeners, stopped) => cut > 0,
            _ = cut_now.wait_for(|cut| *cut) => true,
        };
        if cut {
            tracing::warn!("answers that still ran were cut");
        }
    });
    // With the runtime the last requests end; their lines are the last ones.
    drop(data);
    requests.empty();
    let _ = goodbye.recv_timeout(GOODBYE);
    remembering.close(&last.load(), start);
    Ok(())
}

fn load_plugins(wanted: &Wanted) -> anyhow::Result<PluginHost> {
    PluginHost::start(wanted).map_err(|error| {
        let next = "mend or leave out what is named above; the built-in signals need no file";
        Failed::because(error, "the plugins cannot be loaded", next)
    })
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("the runtime cannot start")
}

/// Keeps the live plugins in order, away from any request.
async fn tend(plugins: Arc<PluginHost>, fleet: Arc<ArcSwap<Snapshot>>) {
    let mut timer = tokio::time::interval(TEND);
    loop {
        timer.tick().await;
        plugins.tend(&fleet.load());
    }
}

/// Prints the banner as soon as every node was heard of, at the latest after [`GREETING`].
async fn greet(door: Door, mut published: Published, plugins: Arc<PluginHost>) {
    let fleet = published.fleet;
    let heard = published.generation.wait_for(|_| {
        let snapshot = fleet.load();
        !snapshot.backends().is_empty()
            && snapshot.backends().iter().all(|backend| match backend.reach {
                Reach::Unknown => false,
                Reach::Down(_) => true,
                Reach::Up => backend.holdings.values().all(|holding| holding.polled.is_some()),
            })
    });
    // Late or not, what is known by then is shown.
    let _ = tokio::time::timeout(GREETING, heard).await;
    let banner = banner::text(&door, &fleet.load(), &plugins.status());
    // Without a standard output there is nobody to greet.
    let _ = std::io::stdout().write_all(banner.as_bytes());
}
