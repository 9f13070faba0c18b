//! Model names as Ollama reads them: default registry and namespace dropped, `:latest` added, case ignored.

/// Why a name cannot be looked up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidName;

/// The spelling two names share when they mean the same model.
pub(crate) fn canonical(name: &str) -> Result<String, InvalidName> {
    Ok(tagged(name)?.to_lowercase())
}

/// The spelling Ollama lists: short, with its tag, case kept.
pub(crate) fn tagged(name: &str) -> Result<String, InvalidName> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if name.is_empty() || !name.chars().all(fits) {
        return Err(InvalidName);
    }
    let short = strip_prefix_any_case(name, "registry.ollama.ai/");
    let short = strip_prefix_any_case(short, "library/");
    let last = short.rsplit('/').next().unwrap_or_default();
    let (stem, tag) = last.split_once(':').unwrap_or((last, "latest"));
    if stem.is_empty() || tag.is_empty() || tag.contains(':') {
        return Err(InvalidName);
    }
    Ok(if last.contains(':') { short.to_owned() } else { format!("{short}:{tag}") })
}

fn strip_prefix_any_case<'a>(name: &'a str, prefix: &str) -> &'a str {
    match name.split_at_checked(prefix.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(prefix) => rest,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidName, canonical};

    #[test]
    fn spellings_of_one_model_meet() {
        for name in ["llama3", "LLAMA3", "library/llama3", "registry.ollama.ai/library/llama3:latest"] {
            assert_eq!(canonical(name).as_deref(), Ok("llama3:latest"), "{name}");
        }
        assert_eq!(canonical("hf.co/a/B:q4").as_deref(), Ok("hf.co/a/b:q4"));
    }

    #[test]
    fn nonsense_is_invalid() {
        for name in ["", " llama3", "a b", "a:", ":a", "a:b:c", "a\r\nb"] {
            assert_eq!(canonical(name), Err(InvalidName), "{name:?}");
        }
    }
}
