//! Reads just enough of a request's body to route it: the model, whether a stream is wanted, how much there is to
//! read. No tree is built and the bytes go on as they came, but for the name of a model that the operator gave
//! another.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use herdwick_dialect::{Endpoint, multipart};
use herdwick_fleet::{ModelName, Profile};
use herdwick_scan::{Body, Flaw, Presence, Text, scan};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::aliases::Aliases;
use crate::options::Spots;
use crate::rescue::Problem;
use crate::room::Room;

/// Bodies larger than this are read on another thread: at a gigabyte per second a photograph would hold up all
/// streams for a noticeable moment, and waking a thread costs less than that.
const ELSEWHERE: usize = 256 << 10;
/// What a picture costs to read, in bytes of text: 576 tokens, as LLaVA 1.5 makes of one.
const PICTURE: usize = 576 * Profile::BYTES_PER_TOKEN as usize;

/// What of a request matters to routing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// For comparing.
    pub(crate) model: ModelName,
    /// As the client wrote it, for telling it back.
    pub(crate) written: String,
    /// Whether a stream is wanted.
    pub(crate) streaming: bool,
    /// Nothing is asked: the model is to be loaded, or let go of.
    pub(crate) only_loads: bool,
    /// Bytes of what the model reads.
    pub(crate) prompt_bytes: usize,
    /// Whether that is nothing but text.
    pub(crate) is_text: bool,
    /// Most tokens of the answer, if the client said.
    pub(crate) most_tokens: Option<u64>,
    /// The conversation that it belongs to, if its body says.
    pub(crate) session: Option<String>,
    /// Where in the body options stand that the router may set.
    pub(crate) spots: Spots,
    /// Where in the body the name stands, its quotes included.
    at: Range<usize>,
}

/// Reads the body of a request.
pub(crate) async fn read(endpoint: Endpoint, headers: &HeaderMap, body: &Bytes) -> Result<Asked, Problem> {
    if endpoint == Endpoint::Transcriptions {
        return form(headers, body);
    }
    if body.len() <= ELSEWHERE {
        return json(endpoint, body);
    }
    let body = body.clone();
    let read = tokio::task::spawn_blocking(move || json(endpoint, &body)).await;
    // It neither panics nor is cancelled; were it to, the body would be as good as unreadable.
    read.unwrap_or_else(|error| Err(Problem::InvalidJson { cause: error.to_string() }))
}

/// The model's name, for comparing and as it was written.
pub(crate) fn name(written: &str) -> Result<(ModelName, String), Problem> {
    if written.is_empty() {
        return Err(Problem::MissingModel);
    }
    if is_cloud(written) {
        return Err(Problem::CloudRefused { name: written.to_owned() });
    }
    let model = ModelName::parse(written)
        .map_err(|rule| Problem::InvalidModelName { name: written.to_owned(), rule: rule.to_string() })?;
    Ok((model, written.to_owned()))
}

/// Puts the name that the operator means in the place of the one that was written, if there is one.
pub(crate) fn rename(
    asked: &mut Asked,
    aliases: &Aliases,
    body: Bytes,
    room: &Arc<Room>,
) -> Result<Bytes, Problem> {
    let Some(meant) = aliases.get(&asked.model) else {
        return Ok(body);
    };
    asked.model = meant.model.clone();
    let (Some(before), Some(after)) = (body.get(..asked.at.start), body.get(asked.at.end..)) else {
        return Ok(body);
    };
    // A model's name holds nothing that JSON or a form would have to escape.
    let quote: &[u8] = if body.get(asked.at.start) == Some(&b'"') { b"\"" } else { b"" };
    let parts = [before, quote, meant.written.as_bytes(), quote, after];
    let named = quote.len() * 2 + meant.written.len();
    asked.spots.shift(asked.at.start, named as isize - asked.at.len() as isize);
    let mut place = room.place();
    place.grow(parts.iter().map(|part| part.len()).sum())?;
    Ok(place.keep(parts.concat().into()))
}

/// A form with a recording in it.
fn form(headers: &HeaderMap, body: &[u8]) -> Result<Asked, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let form =
        multipart::read(kind, body).map_err(|flaw| Problem::InvalidForm { cause: flaw.to_string() })?;
    let (written, at) = form.model.unwrap_or_default();
    let (model, written) = name(written)?;
    Ok(Asked {
        model,
        written,
        streaming: form.streams,
        only_loads: false,
        prompt_bytes: form.content_bytes,
        is_text: false,
        most_tokens: None,
        session: None,
        spots: Spots::default(),
        at,
    })
}

fn json(endpoint: Endpoint, body: &[u8]) -> Result<Asked, Problem> {
    let found = scan(body).map_err(flawed)?;
    let named = named(endpoint, &found)?;
    let (model, written) = name(&named.map(|text| text.read()).unwrap_or_default())?;
    let asks_nothing = match endpoint {
        Endpoint::Chat => found.messages.unwrap_or(0) == 0,
        Endpoint::Generate => found.prompt != Presence::Filled,
        _ => false,
    };
    Ok(Asked {
        model,
        written,
        streaming: found.stream.unwrap_or(endpoint.streams_unasked()),
        only_loads: asks_nothing,
        prompt_bytes: found.text_bytes + found.images * PICTURE,
        is_text: found.images == 0,
        most_tokens: found.max_tokens.or(found.num_predict.and_then(|most| u64::try_from(most).ok())),
        session: found.session.map(|session| session.read().into_owned()),
        spots: Spots::of(body, &found),
        at: named.map(|text| text.span().range()).unwrap_or_default(),
    })
}

/// The field that names the model. Ollama's `show` takes an older one as well.
fn named<'a>(endpoint: Endpoint, found: &Body<'a>) -> Result<Option<Text<'a>>, Problem> {
    let (model, name) =
        (found.model.filter(|text| !text.is_empty()), found.name.filter(|text| !text.is_empty()));
    if endpoint != Endpoint::Show {
        return Ok(model);
    }
    match (model, name) {
        (Some(model), Some(name)) if model.read() != name.read() => {
            Err(Problem::AmbiguousJson { cause: "\"model\" and \"name\" name two models".to_owned() })
        }
        (model, name) => Ok(model.or(name)),
    }
}

fn flawed(flaw: Flaw) -> Problem {
    match flaw {
        Flaw::Empty => Problem::MissingBody,
        // The scanner knows no dialect; here it is known what every object has.
        flaw @ Flaw::NotObject => Problem::InvalidJson { cause: format!("{flaw} like {{\"model\": …}}") },
        flaw if flaw.is_ambiguous() => Problem::AmbiguousJson { cause: flaw.to_string() },
        flaw => Problem::InvalidJson { cause: flaw.to_string() },
    }
}

/// Whether Ollama would send the prompt out of the house (`internal/modelref`), however it is written.
fn is_cloud(written: &str) -> bool {
    let name = written.trim().to_ascii_lowercase();
    name.ends_with(":cloud") || name.ends_with("-cloud")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(body: &str) -> Result<Asked, Problem> {
        json(Endpoint::Chat, body.as_bytes())
    }

    #[test]
    fn model_and_stream_are_found_wherever_they_stand() {
        for (body, written, streaming) in [
            (r#"{"model":"qwen3:8b"}"#, "qwen3:8b", true),
            (r#" {"messages":[{"model":"inner"}],"stream":false,"model":"Qwen3:8B"} "#, "Qwen3:8B", false),
            (r#"{"model":"\u0061","stream":null,"options":{"model":"x"}}"#, "a", true),
        ] {
            let asked = chat(body).expect(body);
            assert_eq!((asked.written.as_str(), asked.streaming), (written, streaming), "{body}");
        }
        let openai = json(Endpoint::OpenAiChat, br#"{"model":"a"}"#).expect("good");
        assert!(!openai.streaming, "only Ollama's own routes stream unasked");
    }

    #[test]
    fn what_is_asked_says_how_much_work_it_is() {
        let asked = chat(
            r#"{"model":"a","messages":[{"role":"user","content":"hello"}],"options":{"num_predict":7}}"#,
        );
        let asked = asked.expect("good");
        // "hello", and who says it, which the template writes too.
        assert_eq!((asked.prompt_bytes, asked.most_tokens, asked.only_loads), (9, Some(7), false));
        for (endpoint, body, loads) in [
            (Endpoint::Chat, r#"{"model":"a"}"#, true),
            (Endpoint::Chat, r#"{"model":"a","messages":[]}"#, true),
            (Endpoint::Generate, r#"{"model":"a","prompt":""}"#, true),
            (Endpoint::Generate, r#"{"model":"a","prompt":"x"}"#, false),
            (Endpoint::Embed, r#"{"model":"a","input":""}"#, false),
            (Endpoint::OpenAiChat, r#"{"model":"a","messages":[]}"#, false),
        ] {
            assert_eq!(json(endpoint, body.as_bytes()).map(|asked| asked.only_loads), Ok(loads), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (body, told) in [
            ("hello", "at byte 0"),
            ("[]", "an object like"),
            (r#"{"model":"a""#, "at byte 12"),
            (r#"{"model":7}"#, "\"model\" must be"),
            (r#"{"model":"a","stream":"yes"}"#, "\"stream\" must be"),
            ("{\"model\":\"a\u{0}\"}", "at byte 11"),
        ] {
            match chat(body) {
                Err(Problem::InvalidJson { cause }) => assert!(cause.contains(told), "{body}: {cause}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        assert_eq!(chat(" \n"), Err(Problem::MissingBody));
        assert_eq!(chat(r#"{"messages":[]}"#), Err(Problem::MissingModel));
        assert_eq!(chat(r#"{"model":""}"#), Err(Problem::MissingModel));
        assert!(matches!(chat(r#"{"model":"a b"}"#), Err(Problem::InvalidModelName { .. })));
        assert!(matches!(json(Endpoint::Chat, b"{\"model\":\"\xff\"}"), Err(Problem::InvalidJson { .. })));
        for cloud in ["gpt-oss:120b-cloud", "x:CLOUD", " y:cloud "] {
            let refused = chat(&format!("{{\"model\":\"{cloud}\"}}"));
            assert_eq!(refused, Err(Problem::CloudRefused { name: cloud.into() }));
        }
    }

    #[test]
    fn a_body_that_would_route_as_one_model_and_run_another_is_refused() {
        for body in [
            r#"{"model":"allowed","model":"other"}"#,
            r#"{"model":"allowed","MODEL":"other"}"#,
            r#"{"model":"allowed","mod\u0065l":"other"}"#,
            r#"{"model":"allowed","ſtream":false}"#,
            "{\"model\":\"allowed\",\"\u{212a}eep_alive\":0}",
            r#"{"model":"allowed"} {"model":"other"}"#,
            r#"{"model":"allowed","options":{"num_ctx":1,"num_ctx":2}}"#,
        ] {
            assert!(matches!(chat(body), Err(Problem::AmbiguousJson { .. })), "{body}");
        }
        let show = |body: &str| json(Endpoint::Show, body.as_bytes());
        assert_eq!(show(r#"{"name":"a"}"#).map(|asked| asked.written), Ok("a".to_owned()));
        assert_eq!(show(r#"{"name":"a","model":"a"}"#).map(|asked| asked.written), Ok("a".to_owned()));
        assert!(matches!(show(r#"{"name":"a","model":"b"}"#), Err(Problem::AmbiguousJson { .. })));
    }

    #[test]
    fn another_name_stands_where_the_written_one_stood() {
        let room = Room::new(1 << 10);
        let aliases = Aliases::new([("gpt-4o".to_owned(), "qwen3:8b".to_owned())]).expect("good names");
        for (body, renamed) in [
            (r#"{"model":"gpt-4o","stream":false}"#, r#"{"model":"qwen3:8b","stream":false}"#),
            (r#"{"messages":[], "model" : "GPT-4o:latest" }"#, r#"{"messages":[], "model" : "qwen3:8b" }"#),
            (r#"{"model":"other"}"#, r#"{"model":"other"}"#),
        ] {
            let mut asked = chat(body).expect(body);
            let after = rename(&mut asked, &aliases, Bytes::copy_from_slice(body.as_bytes()), &room);
            assert_eq!(after.expect("there is room"), renamed.as_bytes());
            assert_eq!(chat(renamed).expect(renamed).model, asked.model, "what is routed is what is sent");
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=XY".parse().expect("a value"));
        let body = "--XY\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o\r\n--XY--\r\n";
        let mut asked = form(&headers, body.as_bytes()).expect("a form");
        let after = rename(&mut asked, &aliases, Bytes::copy_from_slice(body.as_bytes()), &room);
        assert_eq!(after.expect("there is room"), body.replace("gpt-4o", "qwen3:8b").as_bytes());
    }
}
