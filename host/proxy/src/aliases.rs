//! Other names for models, as the operator gives them: for programs that insist on a name that no machine here has.

use std::collections::BTreeMap;

use herdwick_fleet::ModelName;
use herdwick_fleet::model::ModelNameError;

/// Names and what they mean. An alias of an alias is none: what it means is a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aliases {
    names: BTreeMap<ModelName, Meant>,
}

/// What a name means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Meant {
    /// For comparing.
    pub(crate) model: ModelName,
    /// As backends are told.
    pub(crate) written: String,
    /// The other name, as it is listed.
    pub(crate) listed: String,
}

impl Aliases {
    /// Reads pairs of another name and the model that it means.
    ///
    /// # Errors
    /// The first text that is no model name, and the rule that it breaks.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, (String, ModelNameError)> {
        let mut names = BTreeMap::new();
        for (listed, written) in pairs {
            let name = ModelName::parse(&listed).map_err(|rule| (listed.clone(), rule))?;
            let model = ModelName::parse(&written).map_err(|rule| (written.clone(), rule))?;
            names.insert(name, Meant { model, written, listed });
        }
        Ok(Self { names })
    }

    /// What a name means, if it is another one.
    pub(crate) fn get(&self, name: &ModelName) -> Option<&Meant> {
        self.names.get(name)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ModelName, &Meant)> {
        self.names.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_any_spelling_and_what_is_no_name_is_refused() {
        let pair = |one: &str, two: &str| Aliases::new([(one.to_owned(), two.to_owned())]);
        let aliases = pair("gpt-4o", "qwen3:8b").expect("good names");
        let name = ModelName::parse("GPT-4o:latest").expect("a good name");
        assert_eq!(aliases.get(&name).map(|meant| meant.written.as_str()), Some("qwen3:8b"));
        assert_eq!(pair("gpt 4o", "qwen3").map_err(|(text, _)| text), Err("gpt 4o".to_owned()));
        assert_eq!(pair("gpt-4o", "").map_err(|(text, _)| text), Err(String::new()));
    }
}
