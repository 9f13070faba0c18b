//! JSON that fits a JSON Schema: what a model under a grammar says, and the arguments of its tool calls.
//!
//! Covers what clients generate from types: `type`, `properties`, `required`, `enum`, `const`, `items`, bounds,
//! unions and local references. Patterns and formats of strings are not looked at.

use serde_json::{Map, Value, json};

use crate::prose::Dice;

/// How deep a schema is followed; one that refers to itself ends there.
const MAX_DEPTH: u32 = 16;
/// Most elements of an array and most characters of a string, whatever `minItems` and `minLength` ask for.
const MAX_LENGTH: u64 = 1024;

/// The same dice and schema give the same value.
pub(crate) fn sample(schema: &Value, dice: &mut Dice) -> Value {
    Sampler { root: schema }.value(schema, dice, MAX_DEPTH)
}

struct Sampler<'a> {
    root: &'a Value,
}

impl Sampler<'_> {
    fn value(&self, schema: &Value, dice: &mut Dice, depth: u32) -> Value {
        if depth == 0 {
            return Value::Null;
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.value(target, dice, depth - 1));
        }
        if let Some(fixed) = schema.get("const") {
            return fixed.clone();
        }
        for choices in ["enum", "anyOf", "oneOf", "allOf"] {
            if let Some(first) = schema.get(choices).and_then(Value::as_array).and_then(|list| list.first()) {
                return if choices == "enum" { first.clone() } else { self.value(first, dice, depth - 1) };
            }
        }
        self.typed(schema, dice, depth)
    }

    fn typed(&self, schema: &Value, dice: &mut Dice, depth: u32) -> Value {
        let number = |key: &str| schema.get(key).and_then(Value::as_i64);
        match type_of(schema) {
            "object" => self.object(schema, dice, depth),
            "array" => {
                let length = number("minItems").map_or(1, |least| least.max(0) as u64).min(MAX_LENGTH);
                let items = schema.get("items").unwrap_or(&Value::Null);
                (0..length).map(|_| self.value(items, dice, depth - 1)).collect()
            }
            "integer" | "number" => {
                let least = number("minimum").or_else(|| number("exclusiveMinimum").map(|bound| bound + 1));
                let most = number("maximum").or_else(|| number("exclusiveMaximum").map(|bound| bound - 1));
                let least = least.unwrap_or_else(|| most.map_or(0, |most| most.min(0)));
                let span = most.map_or(100, |most| most.saturating_sub(least).max(0)) as u64;
                json!(least.saturating_add((dice.roll() % span.saturating_add(1)) as i64))
            }
            "boolean" => json!(dice.roll().is_multiple_of(2)),
            "null" => Value::Null,
            _ => string(dice, number("minLength"), number("maxLength")),
        }
    }

    /// The required properties, or all of them if none is.
    fn object(&self, schema: &Value, dice: &mut Dice, depth: u32) -> Value {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let required: Vec<&str> = match schema.get("required").and_then(Value::as_array) {
            Some(list) => list.iter().filter_map(Value::as_str).collect(),
            None => properties.keys().map(String::as_str).collect(),
        };
        let field = |name: &str| properties.get(name).unwrap_or(&Value::Null);
        let fields =
            required.iter().map(|name| ((*name).to_owned(), self.value(field(name), dice, depth - 1)));
        Value::Object(fields.collect())
    }
}

fn type_of(schema: &Value) -> &str {
    let named = match schema.get("type") {
        Some(Value::Array(several)) => several.first().and_then(Value::as_str),
        named => named.and_then(Value::as_str),
    };
    let implied = if schema.get("properties").is_some() { "object" } else { "string" };
    named.unwrap_or(implied)
}

fn string(dice: &mut Dice, least: Option<i64>, most: Option<i64>) -> Value {
    let least = least.map_or(0, |least| least.max(0) as u64).min(MAX_LENGTH) as usize;
    let most = most.map_or(usize::MAX, |most| most.max(0) as usize);
    let mut text = dice.name().to_owned();
    while text.len() < least {
        text.push('a');
    }
    text.truncate(most);
    json!(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::sample;
    use crate::prose::Dice;

    fn of(schema: Value) -> Value {
        let value = sample(&schema, &mut Dice(3));
        assert_eq!(value, sample(&schema, &mut Dice(3)), "the same dice give the same value");
        value
    }

    #[test]
    fn scalars_keep_their_bounds() {
        assert_eq!(of(json!({"enum": ["a", "b"]})), "a");
        assert_eq!(of(json!({"const": 7})), 7);
        assert_eq!(of(json!({"type": "integer", "minimum": 5, "maximum": 5})), 5);
        assert_eq!(of(json!({"type": "number", "exclusiveMinimum": 1, "maximum": 2})), 2);
        assert!(of(json!({"type": "integer", "maximum": -10})).as_i64().is_some_and(|n| n <= -10));
        assert!(
            of(json!({"type": "string", "minLength": 30, "maxLength": 31})).as_str().expect("text").len()
                == 30
        );
        assert!(of(json!({"type": ["string", "null"]})).is_string());
        assert!(of(json!({"type": "boolean"})).is_boolean());
        assert!(of(json!({})).is_string());
    }

    #[test]
    fn structures_follow_references_and_requirements() {
        let schema = json!({
            "$defs": {"Sheep": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
            "type": "object",
            "properties": {
                "flock": {"type": "array", "items": {"$ref": "#/$defs/Sheep"}, "minItems": 2},
                "count": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "left_out": {"type": "string"},
            },
            "required": ["flock", "count"],
        });
        let value = of(schema);
        assert_eq!(value["flock"].as_array().map(Vec::len), Some(2));
        assert!(value["flock"][1]["name"].is_string() && value["count"].is_i64());
        assert_eq!(value.as_object().map(|fields| fields.len()), Some(2));
        let endless = json!({"type": "object", "properties": {"child": {"$ref": "#"}}});
        assert!(of(endless)["child"]["child"].is_object());
    }
}
