//! The verbs a test scripts a node with, as they stand in `POST /_ctl`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One scripted behaviour. In JSON `{"rst":{"after":3}}`, or just `"refuse"` when nothing needs saying.
///
/// *Request verbs* wait in a queue, and each inference request (load calls included) takes one as soon as
/// its body was read and understood. *Node verbs* work at once. `after` counts answer tokens; beyond the
/// answer it means just before the terminal frame. Where nothing is streamed it only says when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Verb {
    /// A normal answer with other figures: tokens, and milliseconds to load, to the first token, between two.
    #[serde(rename = "ok")]
    Ok {
        /// Answer length, tokens.
        #[serde(default)]
        n: Option<u32>,
        /// Load time if this request finds the model cold, ms.
        #[serde(default)]
        load_ms: Option<u64>,
        /// From slot to first token, ms.
        #[serde(default)]
        ttft_ms: Option<u64>,
        /// Between two tokens, ms.
        #[serde(default)]
        itl_ms: Option<u64>,
    },
    /// This status at once, without touching a model.
    Status {
        /// HTTP status.
        code: u16,
        /// A string goes out as Ollama's `{"error":…}` in the shape of the route; JSON goes out as it is;
        /// null is an empty body.
        #[serde(default)]
        body: Value,
    },
    /// Holds a slot in header silence, then answers normally.
    Silent {
        /// Milliseconds; absent means until the client leaves.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// TCP reset.
    Rst {
        /// Tokens sent before; 0 is before the headers.
        #[serde(default)]
        after: u32,
    },
    /// Clean end of the stream without its terminal frame.
    Fin {
        /// Tokens sent before.
        #[serde(default)]
        after: u32,
        /// Closes the socket without ending the chunked body.
        #[serde(default)]
        cut: bool,
    },
    /// The model runner dies: an error line on native routes, a silent end on `/v1`, a 500 before any token.
    Errline {
        /// Tokens sent before.
        #[serde(default)]
        after: u32,
        /// Text of the error; default is Ollama's own.
        #[serde(default)]
        msg: Option<String>,
    },
    /// A frame that is no JSON, then the clean end of the stream.
    Badjson {
        /// Tokens sent before.
        #[serde(default)]
        after: u32,
    },
    /// The first token is this long.
    Hugeline {
        /// MiB.
        mib: u32,
    },
    /// A normal answer, slowly.
    Trickle {
        /// Bytes per second; up to 1000 each byte is a write of its own.
        bps: u64,
    },
    /// `Content-Length` and body disagree; the connection is closed after it.
    Wronglen {
        /// The header's figure, bytes; default 100 more than the body.
        #[serde(default)]
        declared: Option<u64>,
        /// Bytes sent: the answer, cut or padded with spaces; default the answer.
        #[serde(default)]
        actual: Option<u64>,
    },
    /// A normal answer, followed by bytes that look like another response.
    Extra {
        /// How many.
        bytes: u64,
    },
    /// `Content-Length` and `Transfer-Encoding: chunked` in one head.
    ClTe {},
    /// This many `102 Processing` before the normal answer.
    Info {
        /// How many.
        n: u32,
    },
    /// 307 to elsewhere.
    Redirect {
        /// The `Location`.
        url: String,
    },
    /// Exactly these bytes as the answer, then close.
    Raw {
        /// Head and body.
        text: String,
    },
    /// Reads no further than the packet of the head and never answers, until the client leaves. With a
    /// `model` it cannot know the request before reading it, and then it only never answers.
    Noread {},
    /// Node verb: closes the listener and idle connections, until `resume` or the time is over.
    Refuse {
        /// Milliseconds; absent means until `resume`, sent in process or over a connection that is open.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// Node verb: closes the next connections as soon as they are accepted.
    Acceptclose {
        /// How many.
        #[serde(default = "one")]
        n: u32,
    },
    /// Node verb: what `/api/ps` answers from now on.
    Ps {
        /// The whole body; null is the truth again.
        #[serde(default)]
        body: Value,
        /// Silence before the answer, ms.
        #[serde(default)]
        delay_ms: u64,
    },
    /// Node verb: what `/api/tags` answers from now on.
    Tags {
        /// The whole body; null is the truth again.
        #[serde(default)]
        body: Value,
        /// Silence before the answer, ms.
        #[serde(default)]
        delay_ms: u64,
    },
    /// Node verb: cold models wait forever, hot ones answer (ollama#17408), until `resume`.
    SchedDeadlock {},
    /// Node verb: an option change on a busy model jams the scheduler forever (ollama#14407), until `resume`.
    Thrash {},
    /// Node verb: takes back every node verb.
    Resume {},
}

fn one() -> u32 {
    1
}

impl Verb {
    /// The name it has in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Verb::Ok { .. } => "ok",
            Verb::Status { .. } => "status",
            Verb::Silent { .. } => "silent",
            Verb::Rst { .. } => "rst",
            Verb::Fin { .. } => "fin",
            Verb::Errline { .. } => "errline",
            Verb::Badjson { .. } => "badjson",
            Verb::Hugeline { .. } => "hugeline",
            Verb::Trickle { .. } => "trickle",
            Verb::Wronglen { .. } => "wronglen",
            Verb::Extra { .. } => "extra",
            Verb::ClTe {} => "cl_te",
            Verb::Info { .. } => "info",
            Verb::Redirect { .. } => "redirect",
            Verb::Raw { .. } => "raw",
            Verb::Noread {} => "noread",
            Verb::Refuse { .. } => "refuse",
            Verb::Acceptclose { .. } => "acceptclose",
            Verb::Ps { .. } => "ps",
            Verb::Tags { .. } => "tags",
            Verb::SchedDeadlock {} => "sched_deadlock",
            Verb::Thrash {} => "thrash",
            Verb::Resume {} => "resume",
        }
    }

    /// Reads one element of `verbs`: an object with one key, or a bare name.
    pub(crate) fn from_json(value: Value) -> Result<Verb, String> {
        let tagged = match value {
            Value::String(name) => {
                Value::Object([(name, Value::Object(Default::default()))].into_iter().collect())
            }
            other => other,
        };
        serde_json::from_value(tagged.clone()).map_err(|error| format!("{tagged}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Verb;

    #[test]
    fn the_notation_of_the_design_is_read() {
        let check = |value, verb| assert_eq!(Verb::from_json(value), Ok(verb));
        check(json!({"rst": {"after": 3}}), Verb::Rst { after: 3 });
        check(json!("cl_te"), Verb::ClTe {});
        check(json!("rst"), Verb::Rst { after: 0 });
        check(json!("acceptclose"), Verb::Acceptclose { n: 1 });
        check(json!({"ok": {"n": 2}}), Verb::Ok { n: Some(2), load_ms: None, ttft_ms: None, itl_ms: None });
        check(json!("sched_deadlock"), Verb::SchedDeadlock {});
        assert!(Verb::from_json(json!("dance")).is_err_and(|text| text.contains("dance")));
        assert!(Verb::from_json(json!({"rst": {"afterwards": 3}})).is_err());
    }
}
