//! Finds the model in a form (`multipart/form-data`, RFC 7578), as audio is sent, and refuses every form in which a
//! backend could find another one. The other reader in mind is Go's `mime/multipart`, which is Ollama's: what is
//! accepted here it reads alike or, where it is too long for it, not at all. It knows no models.

use std::fmt;
use std::ops::Range;

use crate::parameters::{self, Value};

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
    /// The content type can be read in two ways.
    Kind(&'static str),
    /// The body does not begin, go on or end as the boundary says.
    Broken(&'static str),
    /// The head of a field is not one, or can be read in two ways.
    Head(&'static str),
    /// Two fields have this name.
    Twice(&'static str),
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBoundary => out.write_str("the content type is not multipart/form-data with a boundary"),
            Self::Kind(what) => write!(out, "the content type {what}"),
            Self::Broken(what) => write!(out, "the form {what}"),
            Self::Head(what) => write!(out, "the head of a field {what}"),
            Self::Twice(name) => write!(out, "the field {name:?} stands twice"),
        }
    }
}

/// Reads a form whose content type is `kind`.
///
/// # Errors
/// The first thing that is wrong.
pub fn read<'a>(kind: &str, body: &'a [u8]) -> Result<Form<'a>, Flaw> {
    let dashed = format!("--{}", boundary(kind)?);
    let dashed = dashed.as_bytes();
    // A preamble or an epilogue is nothing to most readers, and a form to those who look for the boundary elsewhere.
    let mut rest = body.strip_prefix(dashed).ok_or(Flaw::Broken("does not begin with its boundary"))?;
    let mut form = Form { model: None, streams: false, content_bytes: 0 };
    let mut stream = None;
    for _ in 0..FIELDS {
        if matches!(rest, b"--" | b"--\r\n") {
            form.streams = stream == Some("true");
            return Ok(form);
        }
        let part = rest.strip_prefix(b"\r\n").ok_or(Flaw::Broken("has something behind a boundary"))?;
        let end = end(part, dashed)?;
        let (field, after) = part.split_at(end);
        let (head, content) = split(field, b"\r\n\r\n").ok_or(Flaw::Broken("has a field without a head"))?;
        let head = self::head(head, content.len())?;
        match head.name.as_str() {
            "model" | "stream" if !head.is_plain => {
                return Err(Flaw::Head("makes a file of a model or stream, or a text in another charset"));
            }
            "model" if form.model.is_some() => return Err(Flaw::Twice("model")),
            "stream" if stream.is_some() => return Err(Flaw::Twice("stream")),
            "model" => {
                let end = body.len() - part.len() + end;
                form.model = Some((text(content)?, end - content.len()..end));
            }
            "stream" => stream = Some(text(content)?),
            _ => form.content_bytes += content.len(),
        }
        rest = after.split_at(b"\r\n".len() + dashed.len()).1;
    }
    Err(Flaw::Broken("has too many fields"))
}

/// The boundary in a content type.
fn boundary(kind: &str) -> Result<String, Flaw> {
    let kind = parameters::read(kind).map_err(Flaw::Kind)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=?".contains(c);
    kind.get("boundary")
        .filter(|_| kind.kind.eq_ignore_ascii_case("multipart/form-data"))
        .filter(|text| (1..=BOUNDARY).contains(&text.len()) && text.chars().all(allowed))
        .map(str::to_owned)
        .ok_or(Flaw::NoBoundary)
}

/// Where a part ends, which is before the line end of the next boundary.
fn end(part: &[u8], dashed: &[u8]) -> Result<usize, Flaw> {
    for at in memchr::memmem::find_iter(part, dashed) {
        let (before, _) = part.split_at(at);
        if let Some(field) = before.strip_suffix(b"\r\n") {
            return Ok(field.len());
        }
        // Go takes a boundary at the very beginning of a content, others one behind half a line end.
        if before.is_empty() || before.ends_with(b"\r") || before.ends_with(b"\n") {
            return Err(Flaw::Broken("has a boundary without a line end before it"));
        }
    }
    Err(Flaw::Broken("has no end"))
}

/// What the head of a field says.
struct Head {
    name: String,
    /// It is a text as all readers take it: no file, and in no charset but UTF-8.
    is_plain: bool,
}

/// Reads the head of a field whose content has so many bytes. Only the two headers of RFC 7578 §4.8 may stand in it: Go
/// decodes the content by a `Content-Transfer-Encoding`, others cut it by a `Content-Length`, unless that says nothing
/// new, as with OkHttp and Spring.
fn head(head: &[u8], length: usize) -> Result<Head, Flaw> {
    let head = str::from_utf8(head).map_err(|_| Flaw::Head("is no text"))?;
    let (mut disposition, mut kind) = (None, None);
    for line in head.split("\r\n") {
        // A folded line has no such name either.
        let (key, value) = line.split_once(':').ok_or(Flaw::Head("has a line without a colon"))?;
        if key.eq_ignore_ascii_case("content-length") && value.trim_matches(' ') == length.to_string() {
            continue;
        }
        let (place, value) = if key.eq_ignore_ascii_case("content-disposition") {
            (&mut disposition, parameters::read(value).map_err(Flaw::Head)?)
        } else if key.eq_ignore_ascii_case("content-type") {
            (&mut kind, parameters::read(value).map_err(Flaw::Head)?)
        } else {
            return Err(Flaw::Head("has a line that is neither Content-Disposition nor Content-Type"));
        };
        if place.replace(value).is_some() {
            return Err(Flaw::Head("has a line twice"));
        }
    }
    let disposition = disposition
        .filter(|disposition| disposition.kind.eq_ignore_ascii_case("form-data"))
        .ok_or(Flaw::Head("has no Content-Disposition of form-data"))?;
    // No known field needs more, and nobody disagrees about these: not about escapes, not about case or charset.
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._[]".contains(c);
    let name = disposition
        .get("name")
        .filter(|name| !name.is_empty() && name.chars().all(allowed))
        .ok_or(Flaw::Head("has no name, or one with other letters than A-Z, a-z, 0-9 and -._[]"))?;
    let is_file = disposition.keys().any(|key| !key.eq_ignore_ascii_case("name"));
    let is_plain = !is_file && kind.as_ref().is_none_or(is_plain_text);
    if kind.is_some_and(|kind| kind.kind.to_ascii_lowercase().starts_with("multipart/")) {
        return Err(Flaw::Head("makes a form within the form of it"));
    }
    Ok(Head { name: name.to_owned(), is_plain })
}

/// Whether a content type means bytes that are read as they stand.
fn is_plain_text(kind: &Value<'_>) -> bool {
    let in_utf8 =
        |charset: &str| charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii");
    kind.kind.eq_ignore_ascii_case("text/plain")
        && kind.keys().all(|key| key.eq_ignore_ascii_case("charset"))
        && kind.get("charset").is_none_or(in_utf8)
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

    /// The body of a form with a file and a model, with `from` replaced by `to`.
    fn changed(from: &str, to: &str) -> String {
        let good = form(&[("file", "RIFF"), ("model", "a")]);
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    }

    fn check(kind: &str, body: &str, flaw: Flaw) {
        assert_eq!(read(kind, body.as_bytes()), Err(flaw), "{kind} {body}");
    }

    #[test]
    fn model_and_stream_are_found_between_other_fields() {
        for (name, file) in [
            ("name=\"model\"", "name=\"file\""),
            ("name=model", "filename=\"; name=model; x=\"; name=file"),
            (
                "name=\"model\"\r\nContent-Type: text/plain; charset=UTF-8",
                "name=\"file\"; filename=\"a \\\"b\"",
            ),
            (
                "name=\"model\"\r\nContent-Length: 9",
                "name=\"file\"; filename=a; filename*=utf-8''a%20b\r\nContent-Length: 12",
            ),
            ("NAME=\"model\"", "name=\"file\"; filename=\"a\"\r\ncontent-TYPE:audio/wav"),
        ] {
            let body = form(&[("file", "RIFF--XY\r\n\r\n"), ("model", "whisper:1"), ("stream", "true")]);
            let body = body.replace("name=\"model\"", name).replace("name=\"file\"", file);
            let at = body.find("whisper").expect("it is there");
            let good = Form { model: Some(("whisper:1", at..at + 9)), streams: true, content_bytes: 12 };
            assert_eq!(read(KIND, body.as_bytes()), Ok(good.clone()), "{body}");
            let unended = body.strip_suffix("\r\n").expect("it ends so");
            assert_eq!(read(KIND, unended.as_bytes()), Ok(good), "{body}");
        }
    }

    #[test]
    fn a_content_type_that_two_readers_could_take_differently_is_refused() {
        let good = form(&[("model", "a")]);
        const STAR: Flaw = Flaw::Kind("has a parameter whose name is empty or has a `*`");
        for (kind, flaw) in [
            ("", Flaw::Kind("does not begin with a type")),
            ("multipart/form-data", Flaw::NoBoundary),
            ("application/json; boundary=XY", Flaw::NoBoundary),
            ("multipart/form-data; boundary=\"\"", Flaw::NoBoundary),
            ("multipart/form-data; boundary=\"X Y\"", Flaw::NoBoundary),
            ("multipart/form-data; boundary=XY; boundary=XY", Flaw::Kind("has a parameter twice")),
            ("multipart/form-data; boundary=XY; boundary*=utf-8''Z", STAR),
            ("multipart/form-data; x=\"; boundary=XY\"; boundary*=utf-8''Z", STAR),
            ("multipart/form-data; boundary*0=X; boundary*1=Y", STAR),
            ("multipart/form-data; x=\"; boundary=XY\"", Flaw::NoBoundary),
        ] {
            check(kind, &good, flaw);
        }
        let long = "x".repeat(BOUNDARY + 1);
        check(&format!("multipart/form-data; boundary={long}"), &good, Flaw::NoBoundary);
    }

    #[test]
    fn boundaries_that_two_readers_could_take_differently_are_refused() {
        let behind = Flaw::Broken("has something behind a boundary");
        let before = Flaw::Broken("has a boundary without a line end before it");
        let preamble = Flaw::Broken("does not begin with its boundary");
        for (from, to, flaw) in [
            ("--XY--\r\n", "--XZ--", Flaw::Broken("has no end")),
            ("--XY--\r\n", "", Flaw::Broken("has no end")),
            ("--XY--\r\n", "--XY", behind.clone()),
            ("--XY--\r\n", "--XY-", behind.clone()),
            ("--XY--\r\n", "--XY--\n", behind.clone()),
            ("--XY--\r\n", "--XY-- \r\n", behind.clone()),
            ("--XY--\r\n", "--XY--\r\nepilogue", behind.clone()),
            ("--XY\r\n", "--XY \t\r\n", behind.clone()),
            ("--XY\r\n", "--XY\n", behind.clone()),
            ("--XY\r\n", "--XY-\r\n", behind.clone()),
            ("--XY\r\n", "--XYZ\r\n", behind),
            ("RIFF\r\n", "RIFF\n", before.clone()),
            ("RIFF\r\n", "RIFF\r", before.clone()),
            ("RIFF", "RIFF\n--XY\r\n", before.clone()),
            ("--XY\r\n", "--XY\r\n--XY\r\n", before),
            ("RIFF\r\n", "", Flaw::Broken("has a field without a head")),
        ] {
            check(KIND, &changed(from, to), flaw);
        }
        check(KIND, "", preamble.clone());
        check(KIND, &format!("preamble{}", form(&[])), preamble.clone());
        check(KIND, &format!("\r\n{}", form(&[])), preamble);
        check(KIND, &form(&[("x", ""); FIELDS]), Flaw::Broken("has too many fields"));
    }

    #[test]
    fn heads_that_two_readers_could_take_differently_are_refused() {
        let name = Flaw::Head("has no name, or one with other letters than A-Z, a-z, 0-9 and -._[]");
        let star = Flaw::Head("has a parameter whose name is empty or has a `*`");
        let plain = Flaw::Head("makes a file of a model or stream, or a text in another charset");
        let other = Flaw::Head("has a line that is neither Content-Disposition nor Content-Type");
        let control = Flaw::Head("has a control character");
        for (to, flaw) in [
            ("form-data", name.clone()),
            ("form-data; name=\"\"", name.clone()),
            ("form-data; name=\" model\"", name.clone()),
            ("form-data; name=\"mo\\del\"", name.clone()),
            ("form-data; name=\"mo%64el\"", name.clone()),
            ("form-data; filename=\"; name=model; x=\"", name),
            ("form-data; name=x; name*=utf-8''model", star.clone()),
            ("form-data; name*0=mo; name*1=del", star),
            ("form-data; name=model; name=x", Flaw::Head("has a parameter twice")),
            ("form-data; name=\"model", Flaw::Head("has a quote without an end")),
            ("form-data; name=\"x\\\"; name=\"model\"", Flaw::Head("has something behind a parameter")),
            ("form-data; name=model; filename=a", plain.clone()),
            ("form-data; name=model; filename=\"\"", plain.clone()),
            ("form-data; name=model\r\nContent-Type: text/plain; charset=utf-16", plain.clone()),
            ("form-data; name=model\r\nContent-Type: application/json", plain),
            (
                "form-data; name=x\r\nContent-Type: multipart/mixed; boundary=B",
                Flaw::Head("makes a form within the form of it"),
            ),
            ("attachment; name=model", Flaw::Head("has no Content-Disposition of form-data")),
            ("form-data/x; name=model", Flaw::Head("has no Content-Disposition of form-data")),
            (
                "form-data; name=x\r\nContent-Disposition: form-data; name=model",
                Flaw::Head("has a line twice"),
            ),
            ("form-data; name=model\r\nContent-Transfer-Encoding: quoted-printable", other.clone()),
            ("form-data; name=model\r\nContent-Length: 0", other.clone()),
            ("form-data; name=x;\r\n name=model", Flaw::Head("has a parameter without `=`")),
            ("form-data; name=x\r\n filename: a", other.clone()),
            ("form-data; name=x\r\nContent-Type : text/plain", other),
            ("form-data; name=x\r\nname=model", Flaw::Head("has a line without a colon")),
            ("form-data; name=x\n\nname=model", control.clone()),
            ("form-data; name=x\nContent-Disposition: form-data; name=model", control.clone()),
            ("form-data; name=x\rContent-Disposition: form-data; name=model", control.clone()),
            ("form-data;\tname=model", control),
        ] {
            check(KIND, &changed("form-data; name=\"model\"", to), flaw);
        }
        let head = Flaw::Head("has a line without a colon");
        check(KIND, "--XY\r\n\r\nname: x\r\n\r\na\r\n--XY--", head);
        let latin =
            [b"--XY\r\nContent-Disposition: form-data; name=\"\xe9\"\r\n\r\n\r\n--XY--".as_slice()].concat();
        assert_eq!(read(KIND, &latin), Err(Flaw::Head("is no text")));
    }

    #[test]
    fn a_model_that_stands_twice_or_is_no_text_is_refused() {
        let long = "x".repeat(LONGEST + 1);
        for (fields, flaw) in [
            ([("model", "a"), ("model", "b")], Flaw::Twice("model")),
            ([("stream", "true"), ("stream", "false")], Flaw::Twice("stream")),
            ([("x", ""), ("model", &long)], Flaw::Broken("has a model or stream that is too long")),
        ] {
            check(KIND, &form(&fields), flaw);
        }
    }
}
