//! Finds the model in a form (`multipart/form-data`, RFC 7578), as audio is sent. Go's reader takes the first of two
//! fields with one name where others take the last, so two of them are refused.

use std::fmt;
use std::ops::Range;

/// Fields of one form; audio comes with half a dozen.
const FIELDS: usize = 64;
/// Bytes of the model's field.
const LONGEST: usize = 1_024;
/// Bytes of a boundary (RFC 2046 §5.1.1).
const BOUNDARY: usize = 70;

/// What of a form matters to routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form<'a> {
    /// The field `model`, and where it stands in the body.
    pub model: Option<(&'a str, Range<usize>)>,
    /// The field `stream`, if it says `true`.
    pub streams: bool,
    /// Bytes of all other fields, the audio above all.
    pub content_bytes: usize,
}

/// Why a form cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The content type names no boundary, or no usable one.
    NoBoundary,
    /// The body does not begin, go on or end as the boundary says.
    Broken(&'static str),
    /// Two fields have this name.
    Twice(&'static str),
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBoundary => out.write_str("the content type is not multipart/form-data with a boundary"),
            Self::Broken(what) => write!(out, "the form {what}"),
            Self::Twice(name) => write!(out, "the field {name:?} stands twice"),
        }
    }
}

/// Reads a form whose content type is `kind`.
///
/// # Errors
/// The first thing that is wrong.
pub fn read<'a>(kind: &str, body: &'a [u8]) -> Result<Form<'a>, Flaw> {
    let boundary = boundary(kind).ok_or(Flaw::NoBoundary)?;
    let dashed = format!("--{boundary}");
    let mark = format!("\r\n{dashed}");
    let mut rest =
        body.strip_prefix(dashed.as_bytes()).ok_or(Flaw::Broken("does not begin with its boundary"))?;
    let mut form = Form { model: None, streams: false, content_bytes: 0 };
    let mut stream = None;
    for _ in 0..FIELDS {
        if rest.starts_with(b"--") {
            form.streams = stream == Some("true");
            return Ok(form);
        }
        let part = rest.strip_prefix(b"\r\n").ok_or(Flaw::Broken("has something behind a boundary"))?;
        let end = memchr::memmem::find(part, mark.as_bytes()).ok_or(Flaw::Broken("has no end"))?;
        let (field, after) = part.split_at(end);
        let (head, content) = split(field, b"\r\n\r\n").ok_or(Flaw::Broken("has a field without a head"))?;
        match name(head)? {
            "model" if form.model.is_some() => return Err(Flaw::Twice("model")),
            "stream" if stream.is_some() => return Err(Flaw::Twice("stream")),
            "model" => {
                let end = body.len() - part.len() + end;
                form.model = Some((text(content)?, end - content.len()..end));
            }
            "stream" => stream = Some(text(content)?),
            _ => form.content_bytes += content.len(),
        }
        let (_, after) = after.split_at(mark.len());
        rest = after;
    }
    Err(Flaw::Broken("has too many fields"))
}

/// The boundary in a content type.
fn boundary(kind: &str) -> Option<&str> {
    let (media, parameters) = kind.split_once(';')?;
    if !media.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = None;
    for parameter in parameters.split(';') {
        let (key, value) = parameter.split_once('=')?;
        if key.trim().eq_ignore_ascii_case("boundary")
            && found.replace(value.trim().trim_matches('"')).is_some()
        {
            return None;
        }
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=?".contains(c);
    found.filter(|text| !text.is_empty() && text.len() <= BOUNDARY && text.chars().all(allowed))
}

/// The name of a field, from its head.
fn name(head: &[u8]) -> Result<&str, Flaw> {
    const BROKEN: Flaw = Flaw::Broken("has a field without a name");
    let head = str::from_utf8(head).map_err(|_| BROKEN)?;
    let mut found = None;
    for line in head.split("\r\n") {
        let (key, value) = line.split_once(':').ok_or(BROKEN)?;
        if key.eq_ignore_ascii_case("content-disposition") {
            let value = value.trim().strip_prefix("form-data").ok_or(BROKEN)?;
            // Behind `; name=` and never inside another parameter such as `filename=`.
            let names = value.split(';').filter_map(|parameter| parameter.trim().strip_prefix("name="));
            for name in names {
                let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
                if found.replace(name).is_some() {
                    return Err(Flaw::Broken("has a field with two names"));
                }
            }
        }
    }
    found.ok_or(BROKEN)
}

fn text(content: &[u8]) -> Result<&str, Flaw> {
    if content.len() > LONGEST {
        return Err(Flaw::Broken("has a model or stream that is too long"));
    }
    str::from_utf8(content).map_err(|_| Flaw::Broken("has a model or stream that is no text"))
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = memchr::memmem::find(bytes, at)?;
    let (before, rest) = bytes.split_at(found);
    Some((before, rest.split_at(at.len()).1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/form-data; boundary=XY";

    fn form(fields: &[(&str, &str)]) -> String {
        let mut body = String::new();
        for (name, content) in fields {
            body.push_str(&format!(
                "--XY\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n"
            ));
        }
        body + "--XY--\r\n"
    }

    #[test]
    fn model_and_stream_are_found_between_other_fields() {
        let body = form(&[("file", "RIFF--XY\r\n\r\n"), ("model", "whisper:1"), ("stream", "true")]);
        let at = body.find("whisper").expect("it is there");
        let read = read(KIND, body.as_bytes());
        assert_eq!(
            read,
            Ok(Form { model: Some(("whisper:1", at..at + 9)), streams: true, content_bytes: 12 })
        );
    }

    #[test]
    fn a_form_that_two_readers_could_understand_differently_is_refused() {
        let good = form(&[("model", "a")]);
        for (kind, body, flaw) in [
            (KIND, form(&[("model", "a"), ("model", "b")]), Flaw::Twice("model")),
            (KIND, form(&[("stream", "true"), ("stream", "false")]), Flaw::Twice("stream")),
            ("multipart/form-data", good.clone(), Flaw::NoBoundary),
            ("multipart/form-data; boundary=XY; boundary=Z", good.clone(), Flaw::NoBoundary),
            ("multipart/form-data; boundary=\"\"", good.clone(), Flaw::NoBoundary),
            ("application/json; boundary=XY", good.clone(), Flaw::NoBoundary),
            (KIND, good.replace("--XY--", "--XZ--"), Flaw::Broken("has no end")),
            (KIND, format!("preamble{good}"), Flaw::Broken("does not begin with its boundary")),
            (KIND, "--XYZ\r\n".into(), Flaw::Broken("has something behind a boundary")),
            (
                KIND,
                good.replace("name=\"model\"", "filename=\"model\""),
                Flaw::Broken("has a field without a name"),
            ),
            (
                KIND,
                good.replace("name=\"model\"", "name=\"model\"; name=\"x\""),
                Flaw::Broken("has a field with two names"),
            ),
            (KIND, String::new(), Flaw::Broken("does not begin with its boundary")),
        ] {
            assert_eq!(read(kind, body.as_bytes()), Err(flaw), "{kind} {body}");
        }
    }
}
