//! Pictures and sounds in a request, decoded as Ollama decodes them and refused with its words.

use serde_json::Value;

use super::Refusal;
use crate::base64;

/// Ollama's own `images`: a list of bare base64.
pub(super) fn native(images: Option<&Value>) -> Result<Vec<Vec<u8>>, Refusal> {
    let list = images.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let decode = |image: &Value| {
        let text =
            image.as_str().ok_or("json: cannot unmarshal into Go struct field .images of type []uint8")?;
        base64::decode(text).map_err(|at| format!("illegal base64 data at input byte {at}").into())
    };
    list.iter().map(decode).collect()
}

/// A data URL of OpenAI's APIs.
pub(super) fn url(url: &str) -> Result<Vec<u8>, Refusal> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Err("image URLs are not currently supported, please use base64 encoded data instead".into());
    }
    let kinds = ["data:", "data:image/jpeg", "data:image/jpg", "data:image/png", "data:image/webp"];
    let bare = kinds.iter().find_map(|kind| url.strip_prefix(kind)?.strip_prefix(";base64,"));
    bare.and_then(|text| base64::decode(text).ok()).ok_or_else(|| "invalid image input".into())
}

/// One part of an OpenAI message's `content`; `None` for text.
pub(super) fn openai_part(part: &Value) -> Result<Option<Vec<u8>>, Refusal> {
    let invalid = || Refusal::from("invalid message format");
    match part.get("type").and_then(Value::as_str) {
        Some("text") => part.get("text").filter(|text| text.is_string()).map(|_| None).ok_or_else(invalid),
        Some("image_url") => {
            let image = part.get("image_url").ok_or_else(invalid)?;
            let text = image.get("url").unwrap_or(image).as_str().ok_or_else(invalid)?;
            url(text).map(Some)
        }
        Some("input_audio") => {
            let audio = part.get("input_audio").filter(|audio| audio.is_object());
            let audio = audio.ok_or("invalid input_audio format")?;
            let text = audio.get("data").and_then(Value::as_str);
            let text = text.ok_or("invalid input_audio format: missing data")?;
            base64::decode(text).map(Some).map_err(|at| {
                format!("invalid input_audio base64 data: illegal base64 data at input byte {at}").into()
            })
        }
        _ => Err(invalid()),
    }
}

/// One block of an Anthropic message's `content`; `None` when it is no image.
pub(super) fn anthropic_block(block: &Value) -> Result<Option<Vec<u8>>, Refusal> {
    if block.get("type").is_none_or(|kind| kind != "image") {
        return Ok(None);
    }
    let source = block.get("source").filter(|source| source.is_object()).ok_or("invalid image source")?;
    let text = |key: &str| source.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("type") != "base64" {
        let kind = text("type");
        return Err(format!("invalid image source type: {kind}. Only base64 images are supported.").into());
    }
    base64::decode(text("data"))
        .map(Some)
        .map_err(|at| format!("invalid base64 image data: illegal base64 data at input byte {at}").into())
}
