//! What the running Ollama was started with: its HTTP API does not tell how many requests it takes at once, and
//! whoever guesses too high has requests wait where nobody can take them back.
//!
//! Asked are, in this order: the process that listens, if it may be looked at; the system's service manager. What
//! nobody tells is unknown. Never the agent's own environment: it says what an Ollama would be told that we start, and
//! we start none.

#[cfg(any(target_os = "linux", target_os = "macos", test))]
mod go;
#[cfg(target_os = "macos")]
mod launchd;
#[cfg(target_os = "linux")]
mod process;
#[cfg(any(target_os = "linux", test))]
mod systemd;

use std::path::PathBuf;

use herdwick_fleet::Origin;

/// More than this at once is a typing mistake.
#[cfg(any(target_os = "linux", target_os = "macos", test))]
const MOST: u32 = 1_024;

/// What it was started with, as far as the machine tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// `OLLAMA_NUM_PARALLEL`: requests that each model takes at once.
    pub(crate) parallel: Option<u32>,
    /// `OLLAMA_MAX_LOADED_MODELS`.
    pub(crate) max_loaded: Option<u32>,
    /// `OLLAMA_KEEP_ALIVE` in seconds; negative = for ever.
    pub(crate) keep_alive_s: Option<i64>,
    /// `OLLAMA_MODELS`: where it keeps models, when it was told.
    pub(crate) models: Option<PathBuf>,
}

#[cfg(any(target_os = "linux", target_os = "macos", test))]
impl Figures {
    /// Reads them from variables, of which the last of a name counts. What is not set, or set to Ollama's 0 for "find
    /// out", stays unknown: the default is another one in each version.
    fn of<'a>(variables: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let count = |value: &str| value.trim().parse().ok().filter(|count| (1..=MOST).contains(count));
        let mut figures = Self::default();
        for (name, value) in variables {
            // Ollama takes quotes off.
            let value = value.trim().trim_matches(['"', '\'']);
            match name {
                "OLLAMA_NUM_PARALLEL" => figures.parallel = count(value),
                "OLLAMA_MAX_LOADED_MODELS" => figures.max_loaded = count(value),
                "OLLAMA_KEEP_ALIVE" => figures.keep_alive_s = go::seconds(value),
                "OLLAMA_MODELS" => {
                    figures.models = Some(value).filter(|path| !path.is_empty()).map(PathBuf::from)
                }
                _ => {}
            }
        }
        figures
    }
}

/// Asks this machine about the Ollama that listens there.
#[cfg(target_os = "linux")]
pub(crate) async fn figures(origin: &Origin) -> Figures {
    if let Some(figures) = process::figures(origin.port).await {
        return figures;
    }
    systemd::figures().await.unwrap_or_default()
}

/// Asks this machine about the Ollama that runs as an application.
#[cfg(target_os = "macos")]
pub(crate) async fn figures(_: &Origin) -> Figures {
    launchd::figures().await
}

/// Nobody is known here who could be asked.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) async fn figures(_: &Origin) -> Figures {
    Figures::default()
}

/// Runs a program of the system that tells something, for at most two seconds; its output is text.
#[cfg(any(target_os = "linux", target_os = "macos"))]
async fn told_by(program: &str, args: &[&str]) -> Option<String> {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
    let mut command = tokio::process::Command::new(program);
    command.args(args).stdin(std::process::Stdio::null()).kill_on_drop(true);
    // A system without this program tells nothing, and that is all that it means.
    let output = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_ollama_reads_them() {
        let figures = Figures::of(
            [
                ("OLLAMA_NUM_PARALLEL", "4"),
                ("PATH", "/bin"),
                ("OLLAMA_KEEP_ALIVE", "\"24h\""),
                ("OLLAMA_MODELS", "/big/models"),
            ]
            .into_iter(),
        );
        let expected = Figures {
            parallel: Some(4),
            keep_alive_s: Some(86_400),
            models: Some("/big/models".into()),
            ..Figures::default()
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn what_cannot_be_is_unknown() {
        for value in ["0", "-1", "many", "", "4096"] {
            let figures = Figures::of([("OLLAMA_NUM_PARALLEL", value)].into_iter());
            assert_eq!(figures, Figures::default(), "{value}");
        }
    }
}
