//! What is wrong with the fleet: asks the health plugins now and then, remembers since when each finding holds,
//! shows it only once it has held long enough, and logs it once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use herdwick_fleet::{Moment, Snapshot};
use herdwick_plugin_host::PluginHost;
use herdwick_plugin_host::instance_health::{Finding, Severity};
use herdwick_wire::admin::FindingView;

/// How often the plugins are asked without anybody wanting to know.
const PERIOD: Duration = Duration::from_secs(10);

/// The fleet's health.
pub(crate) struct Health {
    pub(crate) plugins: Arc<PluginHost>,
    pub(crate) fleet: Arc<ArcSwap<Snapshot>>,
    pub(crate) start: Instant,
    held: Mutex<HashMap<Key, Held>>,
}

/// Plugin, check, subject: what makes two findings the same.
type Key = (String, String, String);

struct Held {
    since: Instant,
    logged: bool,
}

impl Health {
    pub(crate) fn new(plugins: Arc<PluginHost>, fleet: Arc<ArcSwap<Snapshot>>, start: Instant) -> Self {
        Self { plugins, fleet, start, held: Mutex::default() }
    }

    /// Asks for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut timer = tokio::time::interval(PERIOD);
        loop {
            timer.tick().await;
            self.findings();
        }
    }

    /// What is wrong now and has been for long enough, worst first.
    pub(crate) fn findings(&self) -> Vec<FindingView> {
        let now = Instant::now();
        let mut found: Vec<(Severity, Key, Finding)> = Vec::new();
        for diagnosis in self.plugins.diagnose(&self.fleet.load(), Moment::on(self.start, now)) {
            match diagnosis.found {
                Ok(findings) => found.extend(findings.into_iter().map(|finding| {
                    let plugin = diagnosis.plugin.to_string();
                    let key = (plugin, finding.check.clone(), finding.subject.clone());
                    (finding.severity, key, finding)
                })),
                Err(fault) => tracing::warn!(plugin = %diagnosis.plugin, "cannot judge the fleet: {fault}"),
            }
        }
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // What is not wrong any more begins anew when it comes back.
        held.retain(|key, _| found.iter().any(|(_, found, _)| found == key));
        let shown = found.into_iter().filter_map(|(severity, key, finding)| {
            let since = held.entry(key.clone()).or_insert(Held { since: now, logged: false });
            let lasted = now.duration_since(since.since).as_secs();
            if lasted < u64::from(finding.visible_after_s) {
                return None;
            }
            if !since.logged {
                since.logged = true;
                tracing::warn!(check = %finding.check, "{}: {}", finding.title, finding.advice);
            }
            Some(view(severity, key, finding, lasted))
        });
        shown.collect()
    }
}

fn view(severity: Severity, (plugin, check, subject): Key, finding: Finding, since_s: u64) -> FindingView {
    FindingView {
        plugin,
        check,
        severity: match severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
        .to_owned(),
        subject,
        title: finding.title,
        detail: finding.detail,
        advice: finding.advice,
        command: finding.command,
        since_s,
    }
}
