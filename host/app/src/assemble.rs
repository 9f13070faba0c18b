//! The composition root: every part of the program is built here, in order, and nothing starts before all are
//! built. Two threads: this one carries requests, the other everything that may take its time.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use herdwick_control::{Keeper, Polling, Published};
use herdwick_fleet::Reach;
use herdwick_plugin_host::config::PluginsConfig;
use herdwick_plugin_host::{Package, PluginHost};
use herdwick_proxy::{Router, server};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::config::Config;
use crate::demo::Demo;
use crate::failed::Failed;
use crate::shutdown::{self, Ends};
use crate::{banner, logs};

/// How long the banner waits to hear of every node. A node that is off must not delay the others.
const GREETING: Duration = Duration::from_millis(500);
/// How often instances of plugins that died are replaced.
const MEND: Duration = Duration::from_millis(250);

/// What `herdwick serve` is told.
pub(crate) struct Settings {
    pub(crate) config: Config,
    /// Plugin files that were named on the command line.
    pub(crate) plugins: Vec<PathBuf>,
    pub(crate) demo: bool,
}

/// Builds everything and serves until a signal ends it.
pub(crate) fn serve(mut settings: Settings) -> anyhow::Result<()> {
    logs::start();
    let start = Instant::now();
    for warning in &settings.config.warnings {
        tracing::warn!("{warning}");
    }
    if settings.config.plugins != PluginsConfig::default() {
        tracing::warn!("what [plugins] says is checked, but this version does not act on it yet");
    }
    let demo = if settings.demo { Some(Demo::start()?) } else { None };
    settings.config.nodes.extend(demo.iter().flat_map(Demo::nodes));

    let plugins = Arc::new(load_plugins(&settings.plugins)?);
    let mut keeper = Keeper::default();
    for node in settings.config.nodes {
        keeper.add(&node.name, node.origin, node.slots);
    }
    let published = keeper.published();
    let router = Router::new(
        settings.config.limits,
        Arc::clone(&published.fleet),
        published.generation.clone(),
        Arc::clone(&plugins) as _,
        start,
    );
    let (stop, stopped) = watch::channel(false);
    let (cut, mut cut_now) = watch::channel(false);
    let ends = Ends { stop, cut };

    let data = runtime()?;
    let listener = data.block_on(server::listen(settings.config.listen)).map_err(|error| {
        Failed::because(
            error.source,
            format!("cannot listen on {}", error.address),
            "end the program that listens there, or choose another address with --listen",
        )
    })?;
    let address = listener.local_addr().context("the listener has no address")?;

    let control = runtime()?;
    let mending = Arc::clone(&plugins);
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            control.block_on(async move {
                tokio::spawn(keeper.run(Polling::default(), start));
                tokio::spawn(mend(mending));
                if let Err(error) = shutdown::on_signals(&ends).await {
                    tracing::error!("signals cannot be received: {error}");
                }
                // The fleet is kept until the process ends.
                std::future::pending::<()>().await;
            });
        })
        .context("the control thread cannot start")?;

    data.block_on(async move {
        tokio::spawn(greet(address, published, plugins));
        let cut = tokio::select! {
            cut = server::serve(Arc::new(router), listener, stopped) => cut > 0,
            _ = cut_now.wait_for(|cut| *cut) => true,
        };
        if cut {
            tracing::warn!("answers that still ran were cut");
        }
    });
    Ok(())
}

fn load_plugins(files: &[PathBuf]) -> anyhow::Result<PluginHost> {
    let next = "mend or leave out what is named above; the built-in signals need no file";
    let mut packages = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        match Package::read(file) {
            Ok(package) => packages.push(package),
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    if !problems.is_empty() {
        return Err(Failed::plainly(problems.join("\n       "), next));
    }
    PluginHost::start(packages).map_err(|error| Failed::because(error, "the plugins cannot be loaded", next))
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("the runtime cannot start")
}

/// Replaces what died in the live plugin set, away from any request.
async fn mend(plugins: Arc<PluginHost>) {
    let mut timer = tokio::time::interval(MEND);
    loop {
        timer.tick().await;
        plugins.current().mend();
    }
}

/// Prints the banner as soon as every node was heard of, at the latest after [`GREETING`].
async fn greet(address: SocketAddr, mut published: Published, plugins: Arc<PluginHost>) {
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
    let banner = banner::text(address, &fleet.load(), &plugins.current());
    // Without a standard output there is nobody to greet.
    let _ = std::io::stdout().write_all(banner.as_bytes());
}
