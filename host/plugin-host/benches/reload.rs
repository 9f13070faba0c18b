//! What a plugin reload costs the decisions that are made meanwhile: percentiles of a decision's time while
//! nothing changes, and while the whole set is swapped again and again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use herdwick_fleet::{Matrix, SignalPolicy as _, Words};
use herdwick_plugin_host::config::{PluginConfig, PluginsConfig};
use herdwick_plugin_host::{PluginHost, Wanted};

/// How long each of the two is measured.
const SPAN: Duration = Duration::from_secs(5);
/// Between two swaps.
const PAUSE: Duration = Duration::from_millis(20);

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = PluginHost::start(&Wanted::default())?;
    let quiet = decisions(&host);
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let swapping = std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0_u32.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // Another weight is another set, with every instance made anew.
                let weight = 1.0 + f64::from(round % 2);
                let plugins =
                    [("queue-depth".to_owned(), PluginConfig { weight, ..PluginConfig::default() })];
                let config = PluginsConfig { plugins: plugins.into(), ..PluginsConfig::default() };
                if host.reload("bench", &Wanted { config, ..Wanted::default() }).swapped {
                    swaps.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::park_timeout(PAUSE);
            }
        });
        let times = decisions(&host);
        stop.store(true, Ordering::Relaxed);
        times
    });
    println!("{:>22}  {:>9}  {:>8}  {:>8}  {:>8}", "", "decisions", "p50", "p99", "p99.9");
    for (what, times) in [("nothing changes", quiet), ("sets are swapped", swapping)] {
        let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
        println!(
            "{what:>22}  {:>9}  {:>8.2?}  {:>8.2?}  {:>8.2?}",
            times.len(),
            at(0.5),
            at(0.99),
            at(0.999)
        );
    }
    println!("{} swaps", swaps.load(Ordering::Relaxed));
    Ok(())
}

/// Sorted times of asking all signals about eight candidates.
fn decisions(host: &PluginHost) -> Vec<Duration> {
    let mut times = Vec::with_capacity(4_000_000);
    let began = Instant::now();
    while began.elapsed() < SPAN {
        let asked = Instant::now();
        let set = host.current();
        let matrix = Matrix::new(&set.columns(), (0..8).map(f64::from).collect(), Vec::new());
        std::hint::black_box(set.score(&matrix, &Words::default()));
        times.push(asked.elapsed());
    }
    times.sort();
    times
}
