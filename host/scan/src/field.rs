//! The keys of an object whose meaning depends on them: each once, each spelled as readers expect it. It must not
//! know values.
//!
//! Go takes a key for a field if the two are equal under Unicode simple folding (`encoding/json/fold.go`). All
//! fields are ASCII, and only two other letters fold to ASCII: the long s (U+017F) and the Kelvin sign (U+212A).

use std::borrow::Cow;

use crate::flaw::Flaw;
use crate::text::Text;

/// Keys of one object, the body or its options. All backends together know about a hundred, and each further key
/// is compared with those before it.
pub const MAX_KEYS: usize = 128;

/// Bytes of such a key, escapes included; the longest known one has 21. Bounds what comparing keys costs.
pub const MAX_KEY_BYTES: usize = 128;

/// What a body may hold at its top, in any dialect: Ollama's requests, OpenAI's chat, completions, embeddings and
/// responses, Anthropic's messages. Sorted.
const TOP: [&str; 95] = [
    "_debug_render_only",
    "adapters",
    "background",
    "best_of",
    "cache_prompt",
    "context",
    "conversation",
    "destination",
    "dimensions",
    "draft_files",
    "draft_quantize",
    "echo",
    "encoding_format",
    "files",
    "format",
    "frequency_penalty",
    "from",
    "function_call",
    "functions",
    "height",
    "images",
    "include",
    "info",
    "input",
    "insecure",
    "instructions",
    "keep_alive",
    "license",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "min_p",
    "modalities",
    "model",
    "modelfile",
    "n",
    "name",
    "num_ctx",
    "options",
    "output_config",
    "parallel_tool_calls",
    "parameters",
    "parser",
    "password",
    "prediction",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "quantization",
    "quantize",
    "query",
    "raw",
    "reasoning",
    "reasoning_effort",
    "remote_host",
    "renderer",
    "repeat_penalty",
    "requires",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "shift",
    "source",
    "steps",
    "stop",
    "stop_sequences",
    "store",
    "stream",
    "stream_options",
    "suffix",
    "system",
    "temperature",
    "template",
    "text",
    "think",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "truncate",
    "truncation",
    "user",
    "username",
    "verbose",
    "verbosity",
    "web_search_options",
    "width",
];

/// What `options` may hold: those of Ollama's `Options`, and earlier ones that older versions still read.
const OPTIONS: [&str; 34] = [
    "draft_num_predict",
    "f16_kv",
    "frequency_penalty",
    "logits_all",
    "low_vram",
    "main_gpu",
    "min_p",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "num_batch",
    "num_ctx",
    "num_gpu",
    "num_gqa",
    "num_keep",
    "num_predict",
    "num_thread",
    "numa",
    "penalize_newline",
    "presence_penalty",
    "repeat_last_n",
    "repeat_penalty",
    "rope_frequency_base",
    "rope_frequency_scale",
    "seed",
    "stop",
    "temperature",
    "tfs_z",
    "top_k",
    "top_p",
    "typical_p",
    "use_mlock",
    "use_mmap",
    "vocab_only",
];

/// The keys of one object so far.
pub(crate) struct Seen<'a> {
    known: &'static [&'static str],
    /// As written and as folded.
    keys: Vec<(Text<'a>, Cow<'a, [u8]>)>,
}

impl<'a> Seen<'a> {
    /// For the body.
    pub(crate) fn top() -> Self {
        Self { known: &TOP, keys: Vec::with_capacity(16) }
    }

    /// For `options`.
    pub(crate) fn options() -> Self {
        Self { known: &OPTIONS, keys: Vec::with_capacity(8) }
    }

    /// Takes note of a key, or refuses it.
    pub(crate) fn note(&mut self, key: Text<'a>) -> Result<(), Flaw> {
        let at = key.span().start;
        if key.raw().len() > MAX_KEY_BYTES {
            return Err(Flaw::LongKey { at });
        }
        if self.keys.len() == MAX_KEYS {
            return Err(Flaw::TooManyKeys { at });
        }
        let folded = fold(key);
        if let Cow::Owned(folded) = &folded
            && let Some(known) = self.known.iter().find(|known| known.as_bytes() == folded)
        {
            return Err(Flaw::Twin { key: key.read().into_owned(), known: (*known).to_owned(), at });
        }
        if let Some((earlier, _)) = self.keys.iter().find(|(_, earlier)| *earlier == folded) {
            let (key, known) = (key.read().into_owned(), earlier.read().into_owned());
            return Err(match key == known {
                true => Flaw::Duplicate { key, at },
                false => Flaw::Twin { key, known, at },
            });
        }
        self.keys.push((key, folded));
        Ok(())
    }
}

/// The key as Go compares it; owned exactly if that differs from how it is written.
fn fold(key: Text<'_>) -> Cow<'_, [u8]> {
    let raw = key.raw();
    let folded = key.has_escapes() || raw.iter().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii());
    if !folded {
        return Cow::Borrowed(raw);
    }
    let fold = |character| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    Cow::Owned(key.read().chars().map(fold).collect::<String>().into_bytes())
}
