//! Reads header values with parameters (`form-data; name="x"`) so strictly that no two readers can take them
//! differently; what is accepted here, Go's `mime.ParseMediaType` accepts too and reads alike. It knows nothing of
//! forms.

/// Parameters of one value; a form needs three.
const MOST: usize = 8;
/// What a backslash stands before in a quoted string. Go takes it for itself before anything else, since old browsers
/// wrote paths of Windows unescaped (`tspecials` of RFC 2045 §5.1).
const SPECIAL: &str = "()<>@,;:\\\"/[]?=";

/// A value and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    /// What stands before the first `;`, as it was written.
    pub(crate) kind: &'a str,
    parameters: Vec<(&'a str, String)>,
}

impl Value<'_> {
    /// A parameter's value, unquoted. Keys are the same in either case.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(key))
            .map(|(_, value)| value.as_str())
    }

    /// The keys of all parameters, as they were written.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|(key, _)| *key)
    }
}

/// Reads a header's value.
///
/// # Errors
/// The first thing that is wrong, in words that follow the name of the header.
pub(crate) fn read(text: &str) -> Result<Value<'_>, &'static str> {
    if text.chars().any(char::is_control) {
        return Err("has a control character");
    }
    let (kind, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    let mut value = Value { kind: kind.trim_matches(' '), parameters: Vec::new() };
    let (major, minor) = value.kind.split_once('/').unwrap_or((value.kind, "none"));
    if [major, minor].iter().any(|part| part.is_empty() || !part.bytes().all(is_token)) {
        return Err("does not begin with a type");
    }
    while let Some(parameter) = rest.strip_prefix(';') {
        let (key, behind) = token(parameter.trim_start_matches(' '));
        let behind = behind.strip_prefix('=').ok_or("has a parameter without `=`")?;
        let (content, behind) = content(behind)?;
        // RFC 2231: `key*` outranks `key` for some and is another one for others. What a file is called nobody here asks,
        // and .NET says it both ways.
        if key.is_empty() || (key.contains('*') && !key.eq_ignore_ascii_case("filename*")) {
            return Err("has a parameter whose name is empty or has a `*`");
        }
        if value.get(key).is_some() {
            return Err("has a parameter twice");
        }
        if value.parameters.len() == MOST {
            return Err("has too many parameters");
        }
        value.parameters.push((key, content));
        rest = behind.trim_start_matches(' ');
    }
    if rest.is_empty() { Ok(value) } else { Err("has something behind a parameter") }
}

/// The content of a parameter, and what follows it.
fn content(text: &str) -> Result<(String, &str), &'static str> {
    if let Some(quoted) = text.strip_prefix('"') {
        return unquote(quoted).ok_or("has a quote without an end");
    }
    let (content, behind) = token(text);
    if content.is_empty() { Err("has a parameter without a value") } else { Ok((content.to_owned(), behind)) }
}

/// A quoted string whose opening quote is gone, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut content = String::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let escaped =
            if letter == '\\' { letters.next_if(|(_, next)| SPECIAL.contains(*next)) } else { None };
        match escaped {
            Some((_, escaped)) => content.push(escaped),
            None if letter == '"' => return Some((content, text.get(at + 1..)?)),
            None => content.push(letter),
        }
    }
    None
}

/// The token that a text begins with, maybe an empty one, and what follows it.
fn token(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| !is_token(byte)).unwrap_or(text.len()))
}

/// `tchar` of RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_go_reads_them() {
        for (text, kind, parameters) in [
            ("form-data", "form-data", &[][..]),
            ("multipart/form-data;boundary=XY", "multipart/form-data", &[("boundary", "XY")]),
            (" form-data ;  name=model ; b=\"\" ", "form-data", &[("name", "model"), ("b", "")]),
            ("a; x=\"; y=1; \"; z=2", "a", &[("x", "; y=1; "), ("z", "2")]),
            (r#"a; x="\"; y=\"\\"; z=2"#, "a", &[("x", r#""; y="\"#), ("z", "2")]),
            (r#"a; x="C:\dev\new (1).wav""#, "a", &[("x", r"C:\dev\new (1).wav")]),
            ("a; x=\"Aufnähme.wav\"", "a", &[("x", "Aufnähme.wav")]),
        ] {
            let parameters = parameters.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
            assert_eq!(read(text), Ok(Value { kind, parameters }), "{text}");
        }
        let value = read("a; Name=x").expect("it is good");
        assert_eq!((value.get("NAME"), value.get("x")), (Some("x"), None));
    }

    #[test]
    fn what_two_readers_could_take_differently_is_refused() {
        for (text, flaw) in [
            ("", "does not begin with a type"),
            ("; a=b", "does not begin with a type"),
            ("a b", "does not begin with a type"),
            ("a/b/c", "does not begin with a type"),
            ("a/", "does not begin with a type"),
            ("a\u{a0}", "does not begin with a type"),
            ("a;\tb=c", "has a control character"),
            ("a; b=\"\u{85}\"", "has a control character"),
            ("a; b=\"\r\n\"", "has a control character"),
            ("a; b*=utf-8''c", "has a parameter whose name is empty or has a `*`"),
            ("a; b*0=c", "has a parameter whose name is empty or has a `*`"),
            ("a; *=c", "has a parameter whose name is empty or has a `*`"),
            ("a; =c", "has a parameter whose name is empty or has a `*`"),
            ("a; b=c; B=c", "has a parameter twice"),
            ("a; b=\"c", "has a quote without an end"),
            (r#"a; b="C:\""#, "has a quote without an end"),
            ("a; b=", "has a parameter without a value"),
            ("a; b= c", "has a parameter without a value"),
            ("a; b =c", "has a parameter without `=`"),
            ("a; b", "has a parameter without `=`"),
            ("a;", "has a parameter without `=`"),
            ("a;; b=c", "has a parameter without `=`"),
            ("a; b=c/d", "has something behind a parameter"),
            ("a; b=\"c\"d", "has something behind a parameter"),
            ("a; b=\"c\", d", "has something behind a parameter"),
        ] {
            assert_eq!(read(text), Err(flaw), "{text}");
        }
        let many: String = (0..=MOST).map(|number| format!("; k{number}=v")).collect();
        assert_eq!(read(&format!("a{many}")), Err("has too many parameters"));
    }
}
