//! What is measured: one model on one server of a machine, as the fleet knows it.

use std::sync::Arc;

use herdwick_fleet::{Backend, Holding, ModelName, Snapshot};
use herdwick_measure::{Keep, Subject};

/// One model on one server.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) backend: Arc<Backend>,
    pub(crate) holding: Arc<Holding>,
}

impl Target {
    /// The server of this machine that has the model; of several the first that answers.
    pub(crate) fn find(snapshot: &Snapshot, node: &str, model: &str) -> Result<Self, String> {
        if !snapshot.nodes().iter().any(|known| *known.name == *node) {
            return Err(format!("no machine is called {node:?}; `herdwick nodes list` shows who is there"));
        }
        let name = ModelName::parse(model)
            .map_err(|why| format!("{model:?} is no model's name: {why}; look it up"))?;
        let mut holders: Vec<_> =
            snapshot.holders(&name).filter(|(backend, _)| *backend.node.name == *node).collect();
        holders.sort_by_key(|(backend, _)| backend.unreachable().is_some());
        match holders.first() {
            Some((backend, holding)) => {
                Ok(Self { backend: Arc::clone(backend), holding: Arc::clone(holding) })
            }
            None => Err(format!(
                "{node} does not have {name}; `herdwick nodes show {node}` shows which models it has"
            )),
        }
    }

    /// The machine's name.
    pub(crate) fn node(&self) -> &str {
        &self.backend.node.name
    }

    /// The model's name.
    pub(crate) fn model(&self) -> &ModelName {
        &self.holding.model.name
    }

    /// To be measured, with this context, staying so long.
    pub(crate) fn subject(&self, context: Option<u32>, keep: Keep) -> Subject {
        Subject {
            origin: (*self.backend.origin).clone(),
            bearer: self.backend.bearer.clone(),
            kind: self.backend.kind,
            model: self.holding.model.listed_as.clone(),
            context,
            keep,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use herdwick_fleet::{BackendId, Claim, Fleet, Listing, Model, Moment, Observation, Origin, Source};

    use super::*;

    fn model(name: &str) -> Model {
        Model {
            name: ModelName::parse(name).expect("a name"),
            listed_as: name.to_owned(),
            digest: "d".to_owned(),
            bytes: 2_000_000_000,
            modified_at: String::new(),
            format: String::new(),
            family: String::new(),
            parameter_size: String::new(),
            quantization: String::new(),
        }
    }

    /// A machine with two models of two slots each, that answers.
    pub(crate) fn fleet() -> (Fleet, BackendId) {
        let mut fleet = Fleet::default();
        let listing = Listing {
            name: "studio".to_owned(),
            origin: Origin { host: "studio".to_owned(), port: 11434 },
            slots: Some(2),
            labels: std::collections::BTreeMap::new(),
            source: Source::Configured,
        };
        let (backend, _) = fleet.list(listing).expect("there is room");
        for claim in [Claim::Version("1".into()), Claim::Models(vec![model("m:1"), model("other")])] {
            fleet.observe(Observation { backend, at: Moment(1), claim });
        }
        (fleet, backend)
    }

    #[test]
    fn what_is_not_there_is_told_with_where_to_look() {
        let (mut fleet, _) = fleet();
        let snapshot = fleet.snapshot();
        assert!(Target::find(&snapshot, "studio", "M:1").is_ok(), "as clients may spell it");
        for (node, model, told) in [
            ("attic", "m:1", "no machine is called \"attic\"; `herdwick nodes list` shows who is there"),
            (
                "studio",
                "x",
                "studio does not have x:latest; `herdwick nodes show studio` shows which models it has",
            ),
            ("studio", "a b", "\"a b\" is no model's name: ' ' is not allowed"),
        ] {
            let why = Target::find(&snapshot, node, model).expect_err("it is not there");
            assert!(why.starts_with(told), "{why}");
        }
    }
}
