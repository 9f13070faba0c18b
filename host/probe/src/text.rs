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

/// A text that is kept, without what a terminal would act on.
pub(crate) fn cut(text: String) -> String {
    let is_short = text.len() <= TEXT;
    if is_short && !text.contains(char::is_control) {
        return text;
    }
    let most = if is_short { TEXT } else { TEXT / 4 };
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_short_and_does_nothing_to_a_terminal() {
        assert_eq!(cut("0.30.0".to_owned()), "0.30.0");
        assert_eq!(cut("\u{1b}[2J0.30.0\r\n".to_owned()), "[2J0.30.0");
        assert_eq!(cut("羊".repeat(1_000)).len(), 150);
        assert_eq!(cut(format!("\u{7f}{}", "x".repeat(TEXT))).len(), TEXT / 4);
    }
}
