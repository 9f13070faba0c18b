//! What an agent found out, put into a beat: claims of probes in, a [`ServerBeat`] out. Whatever would break a limit is
//! left out or cut here, so that a machine with odd models is still heard.

use herdwick_fleet::{BackendKind, Claim, Model, ResidentClaim};
use sha2::{Digest as _, Sha256};

use super::limits::{LIST, MODELS, RESIDENT, TEXT, TROUBLE};
use super::{ModelBeat, ResidentBeat, ServerBeat};
use crate::hex;

impl ServerBeat {
    /// A server of which nothing but its kind and port is known yet.
    pub fn new(kind: BackendKind, port: u16) -> Self {
        Self {
            kind: kind.name().to_owned(),
            port,
            forward: None,
            down: None,
            version: String::new(),
            slots: None,
            max_loaded: None,
            keep_alive_s: None,
            age_ms: 0,
            models_hash: models_hash(&[]),
            models: None,
            resident: Vec::new(),
            foreign: 0,
        }
    }

    /// Takes in what a probe of it found. Returns how many models had no room.
    pub fn tell(&mut self, claim: &Claim) -> usize {
        if matches!(claim, Claim::Version(_) | Claim::Models(_) | Claim::Resident(_)) {
            self.down = None;
        }
        match claim {
            Claim::Version(version) => self.version = text(version, TEXT),
            Claim::Models(models) => return self.list(models),
            Claim::Resident(resident) => {
                self.resident = resident.iter().take(RESIDENT).map(ResidentBeat::from).collect();
                return resident.len().saturating_sub(RESIDENT);
            }
            Claim::Unreachable(why) | Claim::Silent(why) => self.down = Some(text(why, TROUBLE)),
            Claim::Slots(slots) => self.slots = Some(*slots),
            // Numbers are the machine's, not a server's; where it is nobody has to be told who is there.
            Claim::Readings(..) | Claim::Addresses(_) => {}
        }
        0
    }

    /// The same without the list of models, which is how it goes out when the router has the list.
    #[must_use]
    pub fn without_list(&self) -> Self {
        Self { models: None, ..self.clone() }
    }

    fn list(&mut self, models: &[Model]) -> usize {
        let mut room = LIST;
        let mut list = Vec::new();
        for model in models.iter().take(MODELS).map(ModelBeat::from) {
            // With the comma or bracket behind it.
            let bytes = serde_json::to_vec(&model).map_or(LIST, |json| json.len() + 1);
            let Some(left) = room.checked_sub(bytes) else { break };
            room = left;
            list.push(model);
        }
        let without = models.len() - list.len();
        self.models_hash = models_hash(&list);
        self.models = Some(list);
        without
    }
}

/// The name of a list: the first 16 hexadecimal digits of a SHA-256 over the length and the bytes of each text of each
/// model, in the order of the list and of [`ModelBeat`]'s fields, numbers as decimal digits. A field that is added to
/// [`ModelBeat`] later is no part of it, or older routers could not check it.
pub fn models_hash(models: &[ModelBeat]) -> String {
    let mut hash = Sha256::new();
    for model in models {
        let bytes = model.bytes.to_string();
        let [name, digest, rest @ ..] = model.texts();
        for text in [name, digest, &bytes].into_iter().chain(rest) {
            // With its length in front no text can pass for a part of another one.
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    }
    hex::encode(hash.finalize().get(..8).unwrap_or_default())
}

/// What a machine is called in a fleet, made of what its system calls it: the first label of a domain name, of the
/// characters that every part of the program takes. Empty if nothing is left of it.
pub fn machine_name(told: &str) -> String {
    let is_address = told.parse::<std::net::IpAddr>().is_ok();
    let label = if is_address { told } else { told.split('.').next().unwrap_or_default() };
    let plain = label
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' });
    let plain: String = plain.take(herdwick_fleet::node::NAME_MOST).collect();
    plain.trim_matches('-').to_owned()
}

impl ModelBeat {
    /// Its texts, in the order of its fields.
    pub(super) fn texts(&self) -> [&str; 7] {
        [
            &self.name,
            &self.digest,
            &self.modified_at,
            &self.format,
            &self.family,
            &self.parameter_size,
            &self.quantization,
        ]
    }
}

impl From<&Model> for ModelBeat {
    fn from(model: &Model) -> Self {
        Self {
            name: model.listed_as.clone(),
            digest: text(&model.digest, TEXT),
            bytes: model.bytes,
            modified_at: text(&model.modified_at, TEXT),
            format: text(&model.format, TEXT),
            family: text(&model.family, TEXT),
            parameter_size: text(&model.parameter_size, TEXT),
            quantization: text(&model.quantization, TEXT),
        }
    }
}

impl From<&ResidentClaim> for ResidentBeat {
    fn from(claim: &ResidentClaim) -> Self {
        Self {
            name: claim.name.to_string(),
            bytes: claim.loaded.bytes,
            vram_bytes: claim.loaded.vram_bytes,
            context_tokens: claim.loaded.context_tokens,
            expires_at: text(&claim.loaded.expires_at, TEXT),
        }
    }
}

/// As much of a text as may be told, without what a terminal would act on.
fn text(told: &str, most: usize) -> String {
    let mut text = String::new();
    for character in told.chars().filter(|character| !character.is_control()) {
        if text.len() + character.len_utf8() > most {
            break;
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use herdwick_fleet::ModelName;

    use super::*;

    fn model(name: &str, text: &str) -> Model {
        Model {
            name: ModelName::parse(name).unwrap(),
            listed_as: name.to_owned(),
            digest: text.to_owned(),
            bytes: 1 << 40,
            modified_at: text.to_owned(),
            format: text.to_owned(),
            family: text.to_owned(),
            parameter_size: text.to_owned(),
            quantization: text.to_owned(),
        }
    }

    #[test]
    fn a_list_always_fits_a_body() {
        for length in [0, 1, 64, 200, 5_000] {
            let models: Vec<_> =
                (0..10_000).map(|n| model(&format!("{n:05}:latest"), &"\"".repeat(length))).collect();
            let mut server = ServerBeat::new(BackendKind::Ollama, 11434);
            let without = server.tell(&Claim::Models(models));
            let list = server.models.as_ref().unwrap();
            assert!(!list.is_empty() && list.len() <= MODELS);
            assert_eq!(list.len() + without, 10_000);
            let bytes = serde_json::to_vec(list).unwrap().len();
            assert!(bytes <= LIST + 1, "{bytes} bytes with texts of {length}");
            assert_eq!(server.models_hash, models_hash(list));
            assert_eq!(server.without_list().models_hash, server.models_hash);
            assert!(server.without_list().models.is_none());
        }
    }

    #[test]
    fn lists_that_differ_have_other_names() {
        let beat = |name: &str, digest: &str| ModelBeat {
            name: name.to_owned(),
            digest: digest.to_owned(),
            ..ModelBeat::default()
        };
        let (one, two) = (beat("a", "bc"), beat("ab", "c"));
        let lists = [
            vec![],
            vec![one.clone()],
            vec![two.clone()],
            vec![one.clone(), two.clone()],
            vec![two.clone(), one.clone()],
            vec![ModelBeat { bytes: 1, ..one.clone() }],
            vec![ModelBeat { format: "c".to_owned(), ..beat("a", "b") }],
            vec![ModelBeat { family: "c".to_owned(), ..beat("a", "b") }],
        ];
        let names: std::collections::BTreeSet<_> = lists.iter().map(|list| models_hash(list)).collect();
        assert_eq!(names.len(), lists.len());
        assert_eq!(models_hash(&[]), "e3b0c44298fc1c14", "the SHA-256 of nothing");
    }

    #[test]
    fn a_server_that_answers_again_is_down_no_more() {
        let mut server = ServerBeat::new(BackendKind::Vllm, 8000);
        server.tell(&Claim::Unreachable("no\u{1b}[2J ".repeat(200)));
        assert!(server.down.as_ref().is_some_and(|why| why.len() <= TROUBLE && !why.contains('\u{1b}')));
        server.tell(&Claim::Version("0.12".to_owned()));
        assert_eq!((server.down.as_deref(), server.version.as_str()), (None, "0.12"));
    }

    #[test]
    fn a_machine_is_called_by_the_first_word_of_its_name() {
        for (told, name) in [
            ("studio", "studio"),
            ("Studio.local", "Studio"),
            ("studio.office.example.com", "studio"),
            ("Ada’s Mac", "Ada-s-Mac"),
            ("10.0.0.5", "10.0.0.5"),
            ("-x-", "x"),
            ("日本", ""),
            ("", ""),
        ] {
            assert_eq!(machine_name(told), name, "{told}");
        }
        assert_eq!(machine_name(&"x".repeat(300)).len(), 63);
    }
}
