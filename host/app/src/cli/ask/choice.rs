//! Which model to ask when none is named: one that is in memory, since it answers at once.

use http::Method;
use serde::Deserialize;

use crate::client::RouterArg;
use crate::failed::Failed;

/// What of Ollama's lists matters here.
#[derive(Deserialize)]
struct Models {
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    family: String,
}

/// A model that can chat. The lists are those that any client may read, so that a router elsewhere can be tried too.
pub(crate) async fn model(router: &RouterArg) -> anyhow::Result<String> {
    for list in ["/api/ps", "/api/tags"] {
        let Models { models } = router.document(Method::GET, list).await?;
        if let Some(model) = models.into_iter().find(chats) {
            return Ok(model.name);
        }
    }
    // Why there is none is the router's to say.
    router.document::<serde_json::Value>(Method::GET, "/api/version").await?;
    Err(Failed::because(
        anyhow::anyhow!("the nodes that answer have none that can chat"),
        "there is no model to try",
        "pull one on one of your machines: ollama pull llama3.2",
    ))
}

/// Models of BERT's kind make embeddings and cannot chat.
fn chats(model: &Model) -> bool {
    !model.details.family.contains("bert") && !model.name.contains("embed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_makes_embeddings_is_not_asked_to_chat() {
        let model = |name: &str, family: &str| Model {
            name: name.to_owned(),
            details: Details { family: family.to_owned() },
        };
        assert!(!chats(&model("all-minilm", "bert")) && !chats(&model("nomic", "nomic-bert")));
        assert!(!chats(&model("mxbai-embed-large", "")) && chats(&model("qwen3:8b", "qwen3")));
    }
}
