//! What a server had in memory before a bench, and how it is put back: what the bench loaded is let go of, what had to
//! make room for it is loaded again. What clients did meanwhile cannot be: they were kept away.

use std::collections::BTreeMap;
use std::time::Duration;

use herdwick_fleet::backend::Loaded;
use herdwick_fleet::{BackendKind, Claim, ModelName, Observation};
use herdwick_measure::{Keep, Subject};
use herdwick_probe::{Depth, Probe, ProbeError};

use crate::admin::Admin;
use crate::bench::target::Target;

/// How long a server may take to say what is in its memory.
const PATIENCE: Duration = Duration::from_secs(5);
/// Ollama says that what stays for ever goes in some 290 years.
const FOREVER: u32 = 2_200;

/// What a server had in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Residency {
    models: BTreeMap<ModelName, Loaded>,
}

impl Residency {
    /// Asks the server now, and tells the fleet.
    pub(crate) async fn look(admin: &Admin, target: &Target) -> Result<Self, ProbeError> {
        let backend = &target.backend;
        let probe = Probe::new((*backend.origin).clone(), PATIENCE).with_bearer(backend.bearer.clone());
        let at = admin.now();
        let facts = probe.look(backend.kind, Depth::Memory).await?;
        let mut models = BTreeMap::new();
        for claim in facts.claims {
            if let Claim::Resident(resident) = &claim {
                models = resident.iter().map(|one| (one.name.clone(), one.loaded.clone())).collect();
            }
            // What is told is what everybody else should know; a keeper who has too much to do hears of it soon anyway.
            let _ = admin.desk.observe(Observation { backend: backend.id, at, claim });
        }
        Ok(Self { models })
    }

    /// Whether the model is there.
    pub(crate) fn has(&self, model: &ModelName) -> bool {
        self.models.contains_key(model)
    }

    /// The context that the model is there with.
    pub(crate) fn context(&self, model: &ModelName) -> Option<u32> {
        self.models.get(model)?.context_tokens
    }

    /// How long the model is meant to stay.
    pub(crate) fn keep(&self, model: &ModelName) -> Keep {
        match self.models.get(model) {
            None => Keep::Briefly,
            Some(loaded) if year(&loaded.expires_at).is_some_and(|year| year >= FOREVER) => Keep::Forever,
            Some(_) => Keep::AsItIs,
        }
    }

    /// Has the server hold what it held. Says what could not be put back.
    pub(crate) async fn restore(&self, admin: &Admin, target: &Target) -> Vec<String> {
        if target.backend.kind != BackendKind::Ollama {
            return Vec::new();
        }
        let now = match Self::look(admin, target).await {
            Ok(now) => now,
            Err(why) => return vec![format!("what is in memory cannot be told, nor put back: {why}")],
        };
        let mut failed = Vec::new();
        let own = target.model();
        if now.has(own)
            && !self.has(own)
            && let Err(why) = target.subject(None, Keep::Briefly).unload().await
        {
            failed.push(format!("{own} cannot be let go of ({why}); its server does so in half a minute"));
        }
        for name in self.models.keys().filter(|name| !now.has(name)) {
            let Some(subject) = self.subject(target, name) else { continue };
            if let Err(why) = subject.load().await {
                failed.push(format!("{name} was in memory and cannot be loaded again: {why}"));
            }
        }
        // Everybody is to know at once how it is now; where that fails, the next look tells.
        let _ = Self::look(admin, target).await;
        failed
    }

    /// A model that was in memory, to be loaded as it was.
    fn subject(&self, target: &Target, name: &ModelName) -> Option<Subject> {
        let holding = target.backend.holdings.get(name)?;
        let other = Target { backend: target.backend.clone(), holding: holding.clone() };
        Some(other.subject(self.context(name), self.keep(name)))
    }
}

fn year(expires_at: &str) -> Option<u32> {
    expires_at.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_for_ever_is_told_by_its_year() {
        let name = ModelName::parse("m").expect("a name");
        for (expires_at, keep) in [
            ("2318-03-04T00:00:00Z", Keep::Forever),
            ("2026-01-31T08:09:10.000000001Z", Keep::AsItIs),
            ("0001-01-01T00:00:00Z", Keep::AsItIs),
            ("", Keep::AsItIs),
        ] {
            let loaded = Loaded { expires_at: expires_at.into(), ..Loaded::default() };
            let residency = Residency { models: BTreeMap::from([(name.clone(), loaded)]) };
            assert_eq!(residency.keep(&name), keep, "{expires_at}");
        }
        assert_eq!(Residency::default().keep(&name), Keep::Briefly);
    }
}
