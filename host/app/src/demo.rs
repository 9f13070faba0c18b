//! Three simulated machines that are unlike each other, for `--demo`: real sockets, real answers token by token,
//! no model.

use std::collections::BTreeMap;
use std::time::Duration;

use fakenode::{FakeNode, ModelSpec, NodeSpec};
use herdwick_fleet::Origin;

use crate::config::Node;
use crate::failed::Failed;

/// The model that the banner's example asks for.
pub(crate) const MODEL: &str = "demo:8b";
const SMALL: &str = "demo-small:1b";

/// The machines, as long as this lives.
pub(crate) struct Demo {
    nodes: Vec<(FakeNode, u32)>,
    names: Vec<String>,
}

impl Demo {
    /// Starts them on free ports of this machine.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let ms = Duration::from_millis;
        let model = |name, resident, load, token| {
            let gigabytes = if name == MODEL { 5 } else { 1 };
            ModelSpec::new(name)
                .bytes(gigabytes * 1_000_000_000)
                .resident(resident)
                .load(load)
                .first_token(ms(5).saturating_add(token * 4))
                .token(token)
                .tokens(60)
        };
        let specs = [
            // A fast desktop with the large model loaded.
            NodeSpec::new("studio").slots(4).model(model(MODEL, true, ms(2_500), ms(25))),
            // A small machine with the small model loaded and the large one on disk.
            NodeSpec::new("mini").slots(2).model(model(MODEL, false, ms(4_000), ms(50))).model(model(
                SMALL,
                true,
                ms(800),
                ms(20),
            )),
            // A laptop with everything on disk.
            NodeSpec::new("laptop").slots(1).model(model(MODEL, false, ms(6_000), ms(90))).model(model(
                SMALL,
                false,
                ms(1_500),
                ms(35),
            )),
        ];
        let mut demo = Self { nodes: Vec::new(), names: Vec::new() };
        for spec in specs {
            let (name, slots) = (spec.name.clone(), spec.slots);
            let node = FakeNode::start(spec).map_err(|error| {
                Failed::because(
                    error,
                    format!("the simulated machine {name} cannot start"),
                    "free some ports and try again",
                )
            })?;
            demo.nodes.push((node, slots));
            demo.names.push(name);
        }
        Ok(demo)
    }

    /// The machines as nodes of the fleet.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        let origin =
            |node: &FakeNode| Origin { host: node.addr().ip().to_string(), port: node.addr().port() };
        let each = self.nodes.iter().zip(&self.names).map(|((node, slots), name)| Node {
            name: name.clone(),
            origin: origin(node),
            slots: Some(*slots),
            is_assumed: false,
            // One of them, so that a plugin that looks at labels has something to see.
            labels: match name.as_str() {
                "mini" => [("prefer".to_owned(), "yes".to_owned())].into(),
                _ => BTreeMap::new(),
            },
        });
        each.collect()
    }
}
