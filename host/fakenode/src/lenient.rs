//! JSON read as Go reads it: keys ignore case, the last duplicate wins, what follows the value is ignored.
//!
//! This is the half of the smuggling surface a router must not depend on; a strict reader here would hide
//! its mistakes.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One object with lower-case keys.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Object(BTreeMap<String, Value>);

impl Object {
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A nested object, its keys folded too; `None` when absent.
    pub(crate) fn object(&self, key: &str) -> Option<Object> {
        Object::deserialize(self.get(key)?).ok()
    }

    /// A string field; absent is empty, another type is Go's error text.
    pub(crate) fn text(&self, key: &str) -> Result<&str, String> {
        match self.get(key) {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(mismatch(other, key, "string")),
        }
    }

    /// A boolean field; `None` when absent.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(mismatch(other, key, "bool")),
        }
    }

    /// An array field; absent is empty.
    pub(crate) fn list(&self, key: &str) -> Result<&[Value], String> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(mismatch(other, key, "array")),
        }
    }

    /// A whole number; `None` when absent.
    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Number(n)) => Ok(n.as_i64().or_else(|| n.as_f64().map(|float| float as i64))),
            Some(other) => Err(mismatch(other, key, "int")),
        }
    }
}

/// Reads the first object of a body.
pub(crate) fn object(body: &[u8]) -> Result<Object, String> {
    first(body)
}

fn first<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    match serde_json::Deserializer::from_slice(body).into_iter().next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("EOF".to_owned()),
    }
}

fn mismatch(value: &Value, key: &str, wanted: &str) -> String {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("json: cannot unmarshal {found} into Go struct field .{key} of type {wanted}")
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_map(Folding)
    }
}

struct Folding;

impl<'de> Visitor<'de> for Folding {
    type Value = Object;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            fields.insert(fold(&key), value);
        }
        Ok(Object(fields))
    }
}

/// Unicode simple folding as far as it can meet an ASCII key: the long s and the Kelvin sign.
fn fold(key: &str) -> String {
    key.chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn keys_fold_and_the_last_wins_as_in_go() {
        let read = |body: &str| object(body.as_bytes()).and_then(|o| o.text("model").map(str::to_owned));
        assert_eq!(read(r#"{"model":"a","MODEL":"b"}"#).as_deref(), Ok("b"));
        assert_eq!(read(r#"{"MODEL":"b","model":"a"} trailing"#).as_deref(), Ok("a"));
        assert_eq!(read(""), Err("EOF".to_owned()));
        assert!(read(r#"{"model":1}"#).is_err_and(|text| text.contains("cannot unmarshal number")));
        let folded = object("{\"\u{17f}tream\":false}".as_bytes()).expect("an object");
        assert_eq!(folded.flag("stream"), Ok(Some(false)));
    }
}
