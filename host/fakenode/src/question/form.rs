//! `/v1/audio/transcriptions`: a multipart form with a sound in it, which Ollama turns into a chat.

use super::{Question, Refusal};

/// One field of a form.
struct Part<'a> {
    name: &'a str,
    is_file: bool,
    content: &'a [u8],
}

pub(super) fn transcription(content_type: &str, body: &[u8]) -> Result<Question, Refusal> {
    let parts = parts(content_type, body).map_err(|why| format!("failed to parse multipart form: {why}"))?;
    let text = |name: &str| {
        let part = parts.iter().find(|part| part.name == name && !part.is_file);
        part.map(|part| String::from_utf8_lossy(part.content).into_owned()).unwrap_or_default()
    };
    let model = text("model");
    if model.is_empty() {
        return Err("model is required".into());
    }
    let file = parts.iter().find(|part| part.name == "file" && part.is_file);
    let sound = file.ok_or("file is required: http: no such file")?.content;
    if sound.is_empty() {
        return Err("audio file is empty".into());
    }
    Ok(Question {
        model,
        prompt: format!("What exact words are spoken in this audio?{}{}", text("language"), text("prompt")),
        media: vec![sound.to_vec()],
        plain: text("response_format") == "text",
        ..Question::default()
    })
}

fn parts<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, &'static str> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err("request Content-Type isn't multipart/form-data");
    }
    let boundary = parameter(parameters, "boundary").ok_or("no multipart boundary param in Content-Type")?;
    let delimiter = format!("--{boundary}");
    let mut rest = after(body, delimiter.as_bytes()).ok_or("multipart: NextPart: EOF")?;
    let between = format!("\r\n{delimiter}");
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let (part, next) = split(rest, between.as_bytes()).ok_or("multipart: NextPart: EOF")?;
        let (head, content) = split(part, b"\r\n\r\n").ok_or("malformed MIME header")?;
        let head = std::str::from_utf8(head).map_err(|_| "malformed MIME header")?;
        let name = parameter(head, "name").unwrap_or_default();
        parts.push(Part { name, is_file: parameter(head, "filename").is_some(), content });
        rest = next;
    }
    Ok(parts)
}

/// `key="value"` or `key=value` among others that are parted by semicolons or lines.
fn parameter<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = text.split([';', '\r', '\n']).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.trim_matches('"'))
}

fn after<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    split(bytes, mark).map(|(_, rest)| rest)
}

fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((bytes.get(..at)?, bytes.get(at + mark.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::{Refusal, transcription};

    const FORM: &str = "multipart/form-data; boundary=\"x y\"";

    fn check(kind: &str, body: &str, expected: &str) {
        let refused = transcription(kind, body.as_bytes()).map(|question| question.model);
        assert_eq!(refused, Err(Refusal::new(400, expected)), "{body}");
    }

    #[test]
    fn a_form_is_read() {
        let body = "--x y\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x y\r\n\
            Content-Disposition: form-data; name=\"response_format\"\r\n\r\ntext\r\n--x y\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\
            RIFF\r\n--x\r\n--x y--\r\n";
        let question = transcription(FORM, body.as_bytes()).expect("a question");
        assert_eq!((question.model.as_str(), question.plain), ("m", true));
        assert_eq!(question.media, [b"RIFF\r\n--x"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let prefix = "failed to parse multipart form: ";
        check("application/json", "{}", &format!("{prefix}request Content-Type isn't multipart/form-data"));
        check("multipart/form-data", "", &format!("{prefix}no multipart boundary param in Content-Type"));
        check(FORM, "", &format!("{prefix}multipart: NextPart: EOF"));
        check(FORM, "--x y--\r\n", "model is required");
        let model = "--x y\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x y";
        check(FORM, &format!("{model}--\r\n"), "file is required: http: no such file");
        let file = "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\r\n--x y--\r\n";
        check(FORM, &format!("{model}{file}"), "audio file is empty");
    }
}
