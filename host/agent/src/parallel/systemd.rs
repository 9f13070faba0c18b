//! What systemd tells of Ollama's service: the variables that its unit sets. Those of an `EnvironmentFile` it does not
//! tell; then they are unknown.

use super::Figures;

/// Asks systemd. `None` where it or the service is not, or does not run.
#[cfg(target_os = "linux")]
pub(super) async fn figures() -> Option<Figures> {
    let args = ["show", "ollama.service", "--property=ActiveState,Environment"];
    read(&super::told_by("systemctl", &args).await?)
}

/// Reads the output of `systemctl show`.
fn read(told: &str) -> Option<Figures> {
    let property = |name| told.lines().find_map(|line: &str| line.strip_prefix(name)?.strip_prefix('='));
    if property("ActiveState")? != "active" {
        return None;
    }
    let words = words(property("Environment").unwrap_or_default());
    Some(Figures::of(words.iter().filter_map(|word| word.split_once('='))))
}

/// Words as systemd writes them: between spaces, in quotes where there is a space or a quote inside, with `\` before a
/// character that would mean something else.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted, mut is_word) = (String::new(), false, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' => word.extend(characters.next()),
            ' ' if !quoted => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
                continue;
            }
            other => word.push(other),
        }
        is_word = true;
    }
    if is_word {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_service_tells_its_variables() {
        let told = "ActiveState=active\n\
            Environment=PATH=/usr/local/bin:/usr/bin OLLAMA_NUM_PARALLEL=2 \"OLLAMA_ORIGINS=a b\" \
            OLLAMA_NUM_PARALLEL=4 OLLAMA_KEEP_ALIVE=-1\n";
        let expected = Figures { parallel: Some(4), keep_alive_s: Some(-1), ..Figures::default() };
        assert_eq!(read(told), Some(expected));
    }

    #[test]
    fn a_service_that_does_not_run_tells_nothing() {
        for told in ["ActiveState=inactive\nEnvironment=OLLAMA_NUM_PARALLEL=4\n", "", "Environment=\n"] {
            assert_eq!(read(told), None, "{told:?}");
        }
        assert_eq!(read("ActiveState=active\nEnvironment=\n"), Some(Figures::default()));
    }

    #[test]
    fn words_are_told_apart_by_their_quotes() {
        assert_eq!(words(r#"A=1  "B=2 3" C=\"4"#), ["A=1", "B=2 3", "C=\"4"]);
        assert_eq!(words(""), Vec::<String>::new());
    }
}
