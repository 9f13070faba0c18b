//! Short numbers for the names of models, so that work is found without comparing texts. Only names that some backend
//! holds get one, so clients cannot make it grow.

use std::collections::HashMap;

use crate::model::ModelName;

/// Names and their numbers.
#[derive(Debug, Default)]
pub(crate) struct Models {
    names: Vec<ModelName>,
    numbers: HashMap<ModelName, u32>,
}

impl Models {
    /// The number of a name, given to it now if it has none.
    pub(crate) fn intern(&mut self, name: &ModelName) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.clone());
        self.numbers.insert(name.clone(), number);
        number
    }

    /// The number of a name.
    pub(crate) fn number(&self, name: &ModelName) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The name behind a number.
    pub(crate) fn name(&self, number: u32) -> Option<&ModelName> {
        self.names.get(number as usize)
    }
}
