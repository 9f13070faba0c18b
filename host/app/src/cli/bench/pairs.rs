//! Which models are measured on which machines. Asks nobody.

use herdwick_fleet::{ModelName, Origin};
use herdwick_wire::learned::{FleetModelView, HolderView};

use crate::failed::Failed;

/// A model on a machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) node: String,
    pub(crate) model: String,
}

/// What is meant by what was said.
pub(crate) fn choose(
    models: &[FleetModelView],
    node: Option<&str>,
    model: Option<&str>,
) -> anyhow::Result<Vec<Pair>> {
    let node = node.map(|said| name(models, said)).transpose()?;
    let of_node = |holder: &&HolderView| match &node {
        Some(node) => holder.node == *node,
        None => holder.reach == "up",
    };
    let pair = |model: &str, holder: &HolderView| Pair { node: holder.node.clone(), model: model.to_owned() };
    if let Some(said) = model {
        let wanted = ModelName::parse(said).map_err(|why| {
            let what = format!("{said:?} is no model's name");
            Failed::because(anyhow::anyhow!(why.to_string()), what, "`herdwick models list` shows all")
        })?;
        let holders =
            models.iter().filter(|model| model.name == wanted.as_str()).flat_map(|model| &model.holders);
        let pairs: Vec<_> = holders.filter(of_node).map(|holder| pair(wanted.as_str(), holder)).collect();
        if pairs.is_empty() {
            let what = match &node {
                Some(node) => format!("{node} does not have {wanted}"),
                None => format!("no machine that can be reached has {wanted}"),
            };
            return Err(Failed::plainly(what, "`herdwick models list` shows which machine has which model"));
        }
        return Ok(unique(pairs));
    }
    let all = || {
        models.iter().flat_map(|model| model.holders.iter().map(move |holder| (model.name.as_str(), holder)))
    };
    let mut nodes: Vec<_> =
        all().map(|(_, holder)| holder).filter(of_node).map(|holder| &holder.node).collect();
    nodes.sort();
    nodes.dedup();
    let mut pairs = Vec::new();
    for node in nodes {
        let own = || all().filter(|(_, holder)| holder.node == *node);
        let in_memory: Vec<_> = own().filter(|(_, holder)| holder.model.state == "resident").collect();
        if in_memory.is_empty() {
            // Of a machine that has nothing in memory the smallest tells how fast it is, and takes the least.
            let smallest = own().min_by_key(|(_, holder)| holder.model.bytes);
            pairs.extend(smallest.map(|(model, holder)| pair(model, holder)));
        }
        pairs.extend(in_memory.into_iter().map(|(model, holder)| pair(model, holder)));
    }
    if pairs.is_empty() {
        let next =
            "`herdwick nodes list` shows which machines there are, and `herdwick doctor` what is wrong";
        return Err(Failed::plainly("no machine that can be reached has a model", next));
    }
    Ok(unique(pairs))
}

/// The machine that somebody means: its name, or where a server of it listens.
fn name(models: &[FleetModelView], said: &str) -> anyhow::Result<String> {
    let holders = || models.iter().flat_map(|model| &model.holders);
    let origin = Origin::parse(said).ok().map(|origin| origin.to_string());
    let by_name = holders().find(|holder| holder.node == said);
    let by_spelling = || holders().find(|holder| holder.node.eq_ignore_ascii_case(said));
    let by_origin = || holders().find(|holder| origin.as_deref() == Some(holder.origin.as_str()));
    let found = by_name.or_else(by_spelling).or_else(by_origin);
    found.map(|holder| holder.node.clone()).ok_or_else(|| {
        Failed::plainly(
            format!("no machine {said:?} has a model"),
            "`herdwick nodes list` shows which machines there are",
        )
    })
}

/// A machine may have a model on two servers; one of them is measured.
fn unique(mut pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.dedup();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::rates::tests::holder;

    fn models() -> Vec<FleetModelView> {
        let of = |node: &str, state: &str, bytes: u64| {
            let mut holder = holder(node, "x");
            holder.model.state = state.to_owned();
            holder.model.bytes = bytes;
            holder
        };
        let mut away = of("away", "resident", 1);
        away.reach = "down".to_owned();
        let model = |name: &str, holders| FleetModelView {
            name: name.to_owned(),
            holders,
            ..FleetModelView::default()
        };
        vec![
            model("large:1", vec![of("studio", "resident", 9), of("mini", "on disk", 9), away]),
            model("small:1", vec![of("studio", "on disk", 2), of("mini", "on disk", 2)]),
        ]
    }

    fn chosen(node: Option<&str>, model: Option<&str>) -> Result<Vec<String>, String> {
        let pairs = choose(&models(), node, model).map_err(|error| error.to_string())?;
        Ok(pairs.into_iter().map(|pair| format!("{} {}", pair.node, pair.model)).collect())
    }

    #[test]
    fn what_is_not_said_is_what_is_in_memory_or_the_smallest_everywhere() {
        for (node, model, expected) in [
            (None, None, &["mini small:1", "studio large:1"][..]),
            (None, Some("Large:1"), &["studio large:1", "mini large:1"]),
            (Some("studio"), None, &["studio large:1"]),
            (Some("STUDIO"), Some("small:1"), &["studio small:1"]),
            // Whoever names a machine is told by the router what is wrong with it.
            (Some("away"), None, &["away large:1"]),
        ] {
            let expected = expected.iter().map(|&it| it.to_owned()).collect();
            assert_eq!(chosen(node, model), Ok(expected), "{node:?} {model:?}");
        }
        for (node, model, told) in [
            (Some("attic"), None, "no machine \"attic\" has a model"),
            (None, Some("x"), "no machine that can be reached has x:latest"),
            (Some("mini"), Some("x"), "mini does not have x:latest"),
        ] {
            assert_eq!(chosen(node, model), Err(told.to_owned()));
        }
    }
}
