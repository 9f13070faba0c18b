//! Connects the admin API with the parts that it shows: the data plane hands requests and heartbeats to the control
//! thread, the plugin host is put into the API's words.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use herdwick_control::{Admin, Ingest, Plugins, Residence};
use herdwick_fleet::dispatch::Wish;
use herdwick_fleet::{
    Decision, Field, ModelName, Moment, PluginId, Profile, Ring, RowId, SignalPolicy as _, Snapshot, Words,
    decide,
};
use herdwick_plugin_host::config::Mode;
use herdwick_plugin_host::{PluginHost, PluginStatus, Source, State};
use herdwick_proxy::{Aside, Dispatcher, Matter};
use herdwick_wire::admin::{FindingView, PluginView, PluginsView, ShadowCountView};
use http::{Request, Response, StatusCode};
use tokio::runtime::Handle;

use crate::health::Health;

/// Decisions over which a shadow's disagreements are counted.
const SHADOW_DECISIONS: usize = 1_000;

/// What an agent may write the data plane lets in.
const _: () = assert!(herdwick_proxy::BEAT_BYTES == herdwick_wire::beat::limits::BODY);

/// Has requests answered on the control thread.
pub(crate) struct OnControl {
    pub(crate) admin: Admin,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) control: Handle,
}

impl Aside for OnControl {
    fn serve(
        &self,
        matter: Matter,
        from: IpAddr,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>> {
        let ingest = Arc::clone(&self.ingest);
        let answer = match matter {
            Matter::Admin => self.control.spawn(self.admin.clone().serve(request)),
            Matter::Beat => self.control.spawn(async move { ingest.beat(from, request).await }),
            Matter::HerdBeat => {
                self.control.spawn(async move { ingest.herd(from, request.into_body()).await })
            }
        };
        Box::pin(async move {
            answer.await.unwrap_or_else(|_| {
                // The task panicked or the program ends; either way there is no answer.
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            })
        })
    }
}

/// Dispatch as the admin API wants it.
pub(crate) struct Resident(pub(crate) Arc<Dispatcher>);

impl Residence for Resident {
    fn wish(&self, is_wanted: bool, backend: RowId, model: &ModelName) -> Result<(), String> {
        let wish = if is_wanted { Wish::Load { context: None } } else { Wish::Unload };
        self.0.wish(wish, backend, model).map_err(|why| why.to_string())
    }
}

/// The plugins as the admin API wants them.
pub(crate) struct PluginAdmin {
    pub(crate) host: Arc<PluginHost>,
    pub(crate) ring: Arc<Ring>,
    pub(crate) health: Arc<Health>,
    /// Looks at folder and configuration again.
    pub(crate) reload: Box<dyn Fn() + Send + Sync>,
}

impl Plugins for PluginAdmin {
    fn list(&self) -> PluginsView {
        let report = self.host.report();
        PluginsView {
            generation: self.host.current().generation().0,
            cause: report.as_ref().map_or("", |report| report.cause).to_owned(),
            took_ms: report
                .as_ref()
                .map_or(0, |report| u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX)),
            problems: report.map(|report| report.problems).unwrap_or_default(),
            plugins: self.host.status().into_iter().map(|status| self.view(status)).collect(),
        }
    }

    fn reload(&self) -> PluginsView {
        (self.reload)();
        self.list()
    }

    fn roll_back(&self, plugin: &str) -> Result<PluginsView, String> {
        self.host.roll_back(&PluginId::new(plugin))?;
        Ok(self.reload())
    }

    fn findings(&self) -> Vec<FindingView> {
        self.health.findings()
    }

    fn judge(&self, profile: &Profile, fleet: &Snapshot, now: Moment) -> Arc<Decision> {
        let field = Field::survey(profile, fleet, &[], now);
        decide(profile, fleet, field, &*self.host.current(), now).decision
    }

    fn explain(&self, decision: &Arc<Decision>) -> Vec<(String, Vec<String>)> {
        let words = Words { model: decision.model.as_str(), endpoint: decision.endpoint };
        let explained = self.host.current().explain(&decision.matrix, &words);
        explained.into_iter().map(|(plugin, phrases)| (plugin.to_string(), phrases)).collect()
    }
}

impl PluginAdmin {
    fn view(&self, status: PluginStatus) -> PluginView {
        let (state, why) = match status.state {
            State::Live => ("live", status.last_fault.map(|fault| format!("last fault: {fault}"))),
            State::Disabled => ("disabled", None),
            State::Quarantined { why, left } => {
                ("quarantined", Some(format!("{why}; tried again in {} s", left.as_secs())))
            }
            State::RolledBack => {
                ("rolled back", Some("an earlier version runs, until the file changes".to_owned()))
            }
            State::Broken { why } => ("broken", Some(why)),
        };
        PluginView {
            shadow: (status.mode == Mode::Shadow).then(|| self.shadow(&status.id)),
            name: status.id.to_string(),
            kind: status.kind.to_string(),
            version: status.version,
            summary: status.summary,
            source: match status.source {
                Source::BuiltIn(_) => "built in".to_owned(),
                Source::File(path) => path.display().to_string(),
                Source::Named(name) => name,
            },
            digest: status.digest.to_string(),
            state: state.to_owned(),
            why: why.unwrap_or_default(),
            mode: if status.mode == Mode::Shadow { "shadow" } else { "live" }.to_owned(),
            weight: status.weight,
            calls: status.calls,
            faults: status.faults,
            p50_us: status.p50_us,
            p99_us: status.p99_us,
        }
    }

    fn shadow(&self, plugin: &PluginId) -> ShadowCountView {
        let count = self.ring.shadow(plugin, SHADOW_DECISIONS);
        ShadowCountView { asked: count.asked, changed: count.changed }
    }
}
