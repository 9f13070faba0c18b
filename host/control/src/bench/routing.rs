//! Who would be asked for a model by a typical request: asked before and after a bench, it tells what the bench changed.

use herdwick_fleet::{App, ModelName, Profile, RequestId, Snapshot};
use herdwick_wire::bench::{RouteView, WinnerView};

use crate::admin::Admin;
use crate::bench::target::Target;

/// Models in one answer. What is measured of one model says little of a hundred others.
const MODELS: usize = 16;
/// Tokens of a typical prompt: a question with some lines of context.
const PROMPT: f64 = 500.0;
/// What every server serves.
const ENDPOINT: &str = "/v1/chat/completions";

/// Who would be asked, by model.
pub(crate) type Winners = Vec<(ModelName, Option<WinnerView>)>;

/// Who would be asked for the model itself, and for the machine's others.
pub(crate) fn winners(admin: &Admin, target: &Target, snapshot: &Snapshot) -> Winners {
    let others = target.backend.holdings.keys().filter(|name| *name != target.model());
    let models = std::iter::once(target.model()).chain(others).take(MODELS);
    models.map(|model| (model.clone(), winner(admin, model, snapshot))).collect()
}

/// What changed: the model itself, and those of the others for which somebody else would be asked.
pub(crate) fn changes(before: Winners, after: Winners) -> Vec<RouteView> {
    let routes = before.into_iter().zip(after).enumerate().map(|(place, ((model, before), (_, after)))| {
        let node = |winner: &Option<WinnerView>| winner.as_ref().map(|winner| winner.node.clone());
        let is_told = place == 0 || node(&before) != node(&after);
        is_told.then(|| RouteView { model: model.to_string(), before, after })
    });
    routes.flatten().collect()
}

fn winner(admin: &Admin, model: &ModelName, snapshot: &Snapshot) -> Option<WinnerView> {
    // As long as the model's answers get, whoever asks.
    let answer = admin.learned.model(model).answer_tokens(&App::default());
    let profile = Profile {
        id: RequestId::new(0, 0),
        model: model.clone(),
        endpoint: ENDPOINT,
        prompt_tokens: PROMPT,
        expected_tokens: answer,
        context_min_tokens: PROMPT,
        context_tokens: PROMPT + answer,
        streaming: true,
        attempts: 0,
    };
    let decision = admin.plugins.judge(&profile, snapshot, admin.now());
    let best = decision.ranked.first()?;
    let others = decision.ranked.iter().skip(1).map(|other| (other.node.to_string(), other.ms));
    Some(WinnerView {
        node: best.node.to_string(),
        ms: best.ms,
        why: decision.why(),
        others: others.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_itself_is_always_told_and_others_when_somebody_else_would_be_asked() {
        let name = |text: &str| ModelName::parse(text).expect("a name");
        let by = |node: &str, ms| Some(WinnerView { node: node.to_owned(), ms, ..WinnerView::default() });
        let before =
            vec![(name("own"), by("a", 1.0)), (name("same"), by("a", 5.0)), (name("other"), by("a", 5.0))];
        let after =
            vec![(name("own"), by("a", 2.0)), (name("same"), by("a", 9.0)), (name("other"), by("b", 5.0))];
        let told: Vec<_> = changes(before, after).into_iter().map(|route| route.model).collect();
        assert_eq!(told, ["own:latest", "other:latest"]);
    }
}
