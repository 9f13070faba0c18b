//! The routes that one backend answers, and whose dialect each of them is.

/// Routes whose errors have one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `/api/…`.
    Ollama,
    /// `/v1/…` as OpenAI has it.
    OpenAi,
    /// `/v1/messages`.
    Anthropic,
}

impl Family {
    /// Whose dialect a path is, also one that is not served: whoever asks wrongly is answered in its own words.
    pub fn of_path(path: &str) -> Self {
        match path {
            path if path.starts_with("/v1/messages") => Self::Anthropic,
            path if path.starts_with("/v1/") => Self::OpenAi,
            _ => Self::Ollama,
        }
    }
}

/// A route that a backend serves, chosen by model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/api/chat`.
    Chat,
    /// `/api/generate`.
    Generate,
    /// `/api/embed`.
    Embed,
    /// `/api/embeddings`, the older form.
    Embeddings,
    /// `/api/show`: facts about a model. It runs nothing.
    Show,
    /// `/v1/chat/completions`.
    OpenAiChat,
    /// `/v1/completions`.
    Completions,
    /// `/v1/embeddings`.
    OpenAiEmbeddings,
    /// `/v1/responses`.
    Responses,
    /// `/v1/audio/transcriptions`, whose body is a form.
    Transcriptions,
    /// `/v1/messages`.
    Messages,
}

/// How the pieces of a streamed answer are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One JSON object per line.
    Lines,
    /// Server-sent events.
    Events,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Chat,
        Self::Generate,
        Self::Embed,
        Self::Embeddings,
        Self::Show,
        Self::OpenAiChat,
        Self::Completions,
        Self::OpenAiEmbeddings,
        Self::Responses,
        Self::Transcriptions,
        Self::Messages,
    ];

    /// The path, at the client and at the backend.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/api/chat",
            Self::Generate => "/api/generate",
            Self::Embed => "/api/embed",
            Self::Embeddings => "/api/embeddings",
            Self::Show => "/api/show",
            Self::OpenAiChat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::OpenAiEmbeddings => "/v1/embeddings",
            Self::Responses => "/v1/responses",
            Self::Transcriptions => "/v1/audio/transcriptions",
            Self::Messages => "/v1/messages",
        }
    }

    /// Whose dialect it is.
    pub fn family(self) -> Family {
        Family::of_path(self.path())
    }

    /// Whether it streams when the request does not say (Ollama's `api/types.go`: only its own two do).
    pub fn streams_unasked(self) -> bool {
        matches!(self, Self::Chat | Self::Generate)
    }

    /// How its streams are framed.
    pub fn framing(self) -> Framing {
        match self.family() {
            Family::Ollama => Framing::Lines,
            Family::OpenAi | Family::Anthropic => Framing::Events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_says_whose_it_is() {
        for (path, family) in [
            ("/api/chat", Family::Ollama),
            ("/api/nothing", Family::Ollama),
            ("/", Family::Ollama),
            ("/v1/models", Family::OpenAi),
            ("/v1/messages", Family::Anthropic),
            ("/v1/messages/count_tokens", Family::Anthropic),
        ] {
            assert_eq!(Family::of_path(path), family, "{path}");
        }
    }

    #[test]
    fn no_two_endpoints_share_a_path() {
        let paths: std::collections::BTreeSet<_> = Endpoint::ALL.iter().map(|route| route.path()).collect();
        assert_eq!(paths.len(), Endpoint::ALL.len());
    }
}
