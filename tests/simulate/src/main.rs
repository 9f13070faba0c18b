//! temporary
#![allow(clippy::print_stdout)]
use herdwick_simulate::fleets::FleetKind;
use herdwick_simulate::quality::*;
use herdwick_simulate::trace::Pattern;
fn main() {
    for fleet in FleetKind::ALL {
        let t = std::time::Instant::now();
        let cap = capacity(fleet, 1);
        println!("{} capacity {cap:.2}/s ({:?})", fleet.name(), t.elapsed());
        for load in [0.45, 0.8] {
            let cell =
                Cell { fleet, pattern: Pattern::Poisson, load, rate: cap * load, requests: 1500, seed: 1 };
            for policy in [
                Policy::RoundRobin,
                Policy::LeastConnections,
                Policy::PeakEwma,
                Policy::WarmFirst,
                Policy::Points,
                Policy::AllKnowing(0),
                Policy::AllKnowing(1),
                Policy::AllKnowing(2),
                Policy::Herdwick(0),
            ] {
                let t = std::time::Instant::now();
                let o = measure(&cell, policy);
                let q = o.quality;
                println!(
                    "  {load} {:28} first {:8.2} p99 {:8.2} whole {:8.2} loads {:6.1} jain {:.2} cached {:.2} failed {:.3} n {} lasted {:.0} ({:?})",
                    policy.name(),
                    q.first.mean,
                    q.first.p99,
                    q.whole.mean,
                    q.loads,
                    q.jain,
                    q.cached,
                    q.failed,
                    q.counted,
                    q.lasted,
                    t.elapsed()
                );
            }
        }
    }
}
