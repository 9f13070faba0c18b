//! What a probe claims, as it travels in a heartbeat.

use herdwick_fleet::{Model, ResidentClaim};
use herdwick_wire::beat::{ModelBeat, ResidentBeat};
use sha2::{Digest as _, Sha256};

use crate::random::digits;

/// Bytes of a digest that name a list: sixteen hexadecimal digits.
const NAMED_BY: usize = 8;

/// A model on disk.
pub(crate) fn model(model: Model) -> ModelBeat {
    ModelBeat {
        name: model.listed_as,
        digest: model.digest,
        bytes: model.bytes,
        modified_at: model.modified_at,
        format: model.format,
        family: model.family,
        parameter_size: model.parameter_size,
        quantization: model.quantization,
    }
}

/// A model in memory.
pub(crate) fn resident(claim: ResidentClaim) -> ResidentBeat {
    ResidentBeat {
        name: claim.name.to_string(),
        bytes: claim.loaded.bytes,
        vram_bytes: claim.loaded.vram_bytes,
        context_tokens: claim.loaded.context_tokens,
        expires_at: claim.loaded.expires_at.to_string(),
    }
}

/// Whether the same models are in memory, with the same context.
pub(crate) fn same_models(one: &[ResidentBeat], other: &[ResidentBeat]) -> bool {
    let key = |model: &ResidentBeat| (model.name.clone(), model.context_tokens);
    one.len() == other.len() && one.iter().map(key).eq(other.iter().map(key))
}

/// Names a list of models: the same list has the same name, whatever the order in which it was told.
pub(crate) fn hash(models: &[ModelBeat]) -> String {
    let mut lines: Vec<_> = models.iter().filter_map(|model| serde_json::to_vec(model).ok()).collect();
    lines.sort_unstable();
    let mut hash = Sha256::new();
    for line in &lines {
        hash.update(line);
        hash.update(b"\n");
    }
    digits(hash.finalize().as_slice().get(..NAMED_BY).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_named_by_what_is_on_it() {
        let model = |name: &str, bytes| ModelBeat { name: name.to_owned(), bytes, ..ModelBeat::default() };
        let (a, b) = (model("a", 1), model("b", 2));
        let name = hash(&[a.clone(), b.clone()]);
        assert_eq!(name.len(), 16);
        assert_eq!(hash(&[b, a.clone()]), name);
        assert_ne!(hash(&[a, model("b", 3)]), name);
    }
}
