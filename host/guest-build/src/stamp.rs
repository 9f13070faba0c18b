//! The custom section `herdwick:source` that a built component carries: what it was made from, and by what.

use anyhow::{Context, Result};

use crate::section;

/// The section's name; the router's trace and `herdwick plugins list` show what is in it.
pub const SECTION: &str = "herdwick:source";

/// The contents of the section, one `key=value` line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// SHA-256 of the sources, as whoever built it gathered them.
    pub digest: String,
    /// The contract the component was built against.
    pub contract: String,
    /// The compiler and the standard library, in one line.
    pub toolchain: String,
}

impl Stamp {
    /// The section's bytes.
    pub fn to_text(&self) -> String {
        format!("digest=sha256:{}\ncontract={}\ntoolchain={}\n", self.digest, self.contract, self.toolchain)
    }

    /// Reads the stamp of a component.
    ///
    /// # Errors
    /// It is no component, or has no such section.
    pub fn read(component: &[u8]) -> Result<Self> {
        let bytes = section::custom(component, SECTION)?
            .with_context(|| format!("has no section {SECTION}; build it again"))?;
        let text = std::str::from_utf8(bytes).with_context(|| format!("section {SECTION} is not UTF-8"))?;
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key))
                .map(str::to_owned)
                .with_context(|| format!("section {SECTION} has no line {key}…"))
        };
        Ok(Self {
            digest: value("digest=sha256:")?,
            contract: value("contract=")?,
            toolchain: value("toolchain=")?,
        })
    }
}
