//! What routing may know about a request: numbers and names, never the prompt.

use crate::id::RequestId;
use crate::model::ModelName;

/// One request as the decision sees it.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Breaks ties between equals.
    pub id: RequestId,
    /// What the client asked for.
    pub model: ModelName,
    /// Path of the client's request.
    pub endpoint: &'static str,
    /// Estimated length of the prompt in tokens.
    pub prompt_tokens: f64,
    /// Expected length of the answer in tokens.
    pub expected_tokens: f64,
    /// Context that the request hardly needs less than, in tokens.
    pub context_min_tokens: f64,
    /// Context that it hardly needs more than, in tokens.
    pub context_tokens: f64,
    /// Whether the client wants a stream.
    pub streaming: bool,
    /// How often it was tried already; 0 the first time.
    pub attempts: u32,
}

impl Profile {
    /// Bytes of text per token, before anything was learned about a model.
    pub const BYTES_PER_TOKEN: f64 = 4.0;

    /// Length of an answer in tokens, before anything was learned about an application.
    pub const PRIOR_ANSWER_TOKENS: f64 = 256.0;
}
