//! What servers say is read leniently in what is missing and strictly in what is believed: texts are cut, lists are
//! bounded.

use serde::de::DeserializeOwned;

use crate::ProbeError;

/// Bytes of any text that a server tells about a model.
const TEXT: usize = 200;
/// Models of one server; the rest are not looked at.
pub(crate) const MODELS: usize = 10_000;

/// Reads a document that `whose` programs answer.
pub(crate) fn parse<T: DeserializeOwned>(
    whose: &'static str,
    what: &'static str,
    body: &[u8],
) -> Result<T, ProbeError> {
    serde_json::from_slice(body).map_err(|error| ProbeError::Format { what, whose, cause: error.to_string() })
}

/// A text that is kept.
pub(crate) fn cut(text: String) -> String {
    if text.len() <= TEXT { text } else { text.chars().take(TEXT / 4).collect() }
}
