//! Other names for models: a table of names in files, `NAME=MODEL` behind commas in the environment.

use herdwick_proxy::Aliases;
use toml::Value;

use super::kind::{Kind, unexpected, wrong};
use super::place::Problem;
use super::raw::{Given, Raw};

/// The table as a kind of value: pairs of another name and the model that it means, in the order of the names.
pub(crate) struct Names;

/// What is expected, in words.
const EXPECTED: &str = "a table like { \"gpt-4o\" = \"qwen3:8b\" }";

impl Kind for Names {
    type Value = Vec<(String, String)>;

    fn read(&self, key: &str, given: &Given) -> Result<Self::Value, Vec<Problem>> {
        let mut pairs = Vec::new();
        let mut problems = Vec::new();
        for (name, model) in said(key, given)? {
            let Raw::Text(meant) = &model.raw else {
                problems.extend(unexpected(&format!("{key}.{name}"), &model, "the name of a model"));
                continue;
            };
            let pair = (name, meant.clone());
            match Aliases::new([pair.clone()]) {
                Ok(_) => pairs.push(pair),
                Err((text, rule)) => {
                    problems.extend(wrong(key, &model, format!("{text:?} is no model name: {rule}")));
                }
            }
        }
        if problems.is_empty() { Ok(pairs) } else { Err(problems) }
    }

    fn write(&self, value: &Self::Value) -> Value {
        Value::Table(value.iter().map(|(name, model)| (name.clone(), Value::String(model.clone()))).collect())
    }
}

fn said(key: &str, given: &Given) -> Result<Vec<(String, Given)>, Vec<Problem>> {
    match &given.raw {
        Raw::Table(table) => Ok(table.iter().map(|(name, given)| (name.clone(), given.clone())).collect()),
        Raw::Words(words) => {
            let pairs = words.split(',').map(str::trim).filter(|pair| !pair.is_empty());
            let pair = |pair: &str| {
                let (name, model) = pair.split_once('=')?;
                let model = Given::new(Raw::Text(model.trim().to_owned()), given.place.clone());
                Some((name.trim().to_owned(), model))
            };
            let pairs: Option<Vec<_>> = pairs.map(pair).collect();
            pairs.ok_or_else(|| unexpected(key, given, "names like gpt-4o=qwen3:8b, behind commas"))
        }
        _ => Err(unexpected(key, given, EXPECTED)),
    }
}
