//! The head of one request: parsed strictly enough to be an oracle, and kept raw for the journal.

/// A parsed request head.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) raw: Vec<u8>,
    pub(crate) method: String,
    pub(crate) target: String,
    path: String,
    pub(crate) http10: bool,
    headers: Vec<(String, String)>,
}

/// How long the body is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// Why a request cannot be read; goes out as a 400.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Head {
    pub(crate) fn parse(raw: &[u8]) -> Result<Head, Malformed> {
        let text = String::from_utf8_lossy(raw);
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let first = lines.next().unwrap_or_default();
        let mut words = first.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Malformed("malformed request line"));
        };
        if !is_token(method) || target.is_empty() || target.contains(char::is_control) {
            return Err(Malformed("malformed request line"));
        }
        let http10 = match version {
            "HTTP/1.1" => false,
            "HTTP/1.0" => true,
            _ => return Err(Malformed("unsupported protocol version")),
        };
        let headers = lines.map(parse_field).collect::<Result<Vec<_>, _>>()?;
        let path = unescape(target.split('?').next().unwrap_or_default())?;
        let (method, target) = (method.to_owned(), target.to_owned());
        let head = Head { raw: raw.to_vec(), method, target, path, http10, headers };
        if !http10 && head.all("host").count() != 1 {
            return Err(Malformed("missing required Host header"));
        }
        Ok(head)
    }

    /// The path without its query, percent signs decoded as Go decodes them before it routes.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// One query parameter, undecoded.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    }

    /// The first header of this lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Like Go: chunked beats a length; lengths that disagree or are not plain digits are an error.
    pub(crate) fn framing(&self) -> Result<Framing, Malformed> {
        let mut encodings = self.all("transfer-encoding");
        if let Some(encoding) = encodings.next() {
            return if encoding.eq_ignore_ascii_case("chunked") && encodings.next().is_none() && !self.http10 {
                Ok(Framing::Chunked)
            } else {
                Err(Malformed("unsupported transfer encoding"))
            };
        }
        let mut lengths = self.all("content-length");
        let Some(length) = lengths.next() else {
            return Ok(Framing::Length(0));
        };
        if lengths.any(|other| other != length) || !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed("bad Content-Length"));
        }
        length.parse().map(Framing::Length).map_err(|_| Malformed("bad Content-Length"))
    }

    /// Whether the client allows another request on this connection.
    pub(crate) fn keep_alive(&self) -> bool {
        let says = |word: &str| {
            self.all("connection").flat_map(|v| v.split(',')).any(|w| w.trim().eq_ignore_ascii_case(word))
        };
        if self.http10 { says("keep-alive") } else { !says("close") }
    }
}

fn parse_field(line: &str) -> Result<(String, String), Malformed> {
    let (name, value) = line.split_once(':').ok_or(Malformed("header line without a colon"))?;
    if !is_token(name) {
        return Err(Malformed("malformed header name"));
    }
    let value = value.trim_matches([' ', '\t']);
    if value.contains(|c: char| c.is_control() && c != '\t') {
        return Err(Malformed("malformed header value"));
    }
    Ok((name.to_ascii_lowercase(), value.to_owned()))
}

fn unescape(path: &str) -> Result<String, Malformed> {
    let invalid = || Malformed("invalid URL escape");
    let mut pieces = path.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (hex, rest) = piece.split_at_checked(2).ok_or_else(invalid)?;
        bytes.push(u8::from_str_radix(hex, 16).map_err(|_| invalid())?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::{Framing, Head, Malformed};

    fn check(fields: &str, expected: Result<Framing, &str>) {
        let raw = format!("POST /api/chat?x=1 HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let got = Head::parse(raw.as_bytes()).and_then(|head| head.framing());
        assert_eq!(got.map_err(|Malformed(why)| why), expected, "{fields:?}");
    }

    #[test]
    fn framing_follows_go() {
        check("", Ok(Framing::Length(0)));
        check("content-length: 6\r\n", Ok(Framing::Length(6)));
        check("Content-Length: 6\r\nContent-Length: 6\r\n", Ok(Framing::Length(6)));
        check("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", Ok(Framing::Chunked));
        check("Content-Length: 6\r\nContent-Length: 7\r\n", Err("bad Content-Length"));
        check("Content-Length: +5\r\n", Err("bad Content-Length"));
        check("Content-Length:\r\n", Err("bad Content-Length"));
        check("Transfer-Encoding: identity\r\n", Err("unsupported transfer encoding"));
        check("Transfer-Encoding : chunked\r\n", Err("malformed header name"));
        check("X: a\nb\r\n", Err("malformed header value"));
        check("Host: second\r\n", Err("missing required Host header"));
    }

    #[test]
    fn target_and_connection_are_read() {
        let head = Head::parse(
            b"GET /_wait?running=2&timeout_ms=5 HTTP/1.1\r\nHost: h\r\nConnection: X, Close\r\n\r\n",
        )
        .expect("a head");
        assert_eq!((head.path(), head.query("running"), head.query("no")), ("/_wait", Some("2"), None));
        assert!(!head.keep_alive());
        let target = |target: &str| Head::parse(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes());
        assert_eq!(target("/a%2fb%3Ac?d=%20").map(|head| head.path().to_owned()), Ok("/a/b:c".to_owned()));
        assert_eq!(target("/a%2").map(|head| head.target), Err(Malformed("invalid URL escape")));
    }
}
