//! What is sent, how it is cut, and what a client is to make of it.

use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Matcher, Script};
use serde_json::{Value, json};

/// Longer than two heartbeats of 200 ms that are each a quarter late.
pub(crate) const PAUSE: Duration = Duration::from_millis(550);

/// Pauses in one stream.
const CUTS: usize = 3;

/// A stream that pauses at some places.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) wire: String,
    pub(crate) cuts: Vec<usize>,
    /// One value for each event that a client is to see.
    pub(crate) events: Vec<Value>,
}

/// Streams as one kind of client reads them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    /// The gateway's name for it.
    pub(crate) profile: &'static str,
    /// What its requests add to the name of a stream.
    path: &'static str,
    events: &'static [Event],
    /// From the type, the data and the last id to what the client reports.
    seen: fn(&str, &str, &str) -> Value,
}

/// An event: its type and the lines of its data. `seen` is false where no client is to see it.
#[derive(Debug, Clone, Copy)]
struct Event {
    name: &'static str,
    data: &'static str,
    seen: bool,
}

#[derive(Debug, Clone, Copy)]
enum LineEnds {
    Lf,
    CrLf,
    /// Those of one event are alike, those of the next are others.
    Mixed,
}

/// Plain server-sent events.
pub(crate) const RAW: Dialect = Dialect {
    profile: "generic",
    path: "",
    events: &[
        event("", r#"{"n":1}"#),
        event("note", "Zürich: 7 €\n 🏰"),
        event("", "\n"),
        event("", "[DONE]"),
    ],
    seen: |name, data, id| {
        let name = if name.is_empty() { "message" } else { name };
        json!({ "event": name, "data": data, "id": id })
    },
};

/// Chunks of a chat completion. The client is to stop at `[DONE]`, which it does not hand on: what
/// comes after it would give away that it was missed.
pub(crate) const OPENAI: Dialect = Dialect {
    profile: "openai",
    path: "/v1/chat/completions",
    events: &[
        event(
            "",
            r#"{"choices":[{"index":0,"delta":{"role":"assistant"}}]}"#,
        ),
        event(
            "",
            r#"{"choices":[{"index":0,"delta":{"content":"A but"}}]}"#,
        ),
        event(
            "",
            r#"{"choices":[{"index":0,"delta":{"content":"tress – 🏰"}}]}"#,
        ),
        unseen("", "[DONE]"),
        unseen(
            "",
            r#"{"choices":[{"index":0,"delta":{"content":"late"}}]}"#,
        ),
    ],
    seen: |_, data, _| serde_json::from_str(data).unwrap(),
};

/// A message from its start to its stop; the client keeps pings to itself.
pub(crate) const ANTHROPIC: Dialect = Dialect {
    profile: "anthropic",
    path: "/v1/messages",
    events: &[
        event("message_start", MESSAGE_START),
        event("content_block_start", CONTENT_BLOCK_START),
        unseen("ping", r#"{"type":"ping"}"#),
        event("content_block_delta", CONTENT_BLOCK_DELTA),
        event(
            "content_block_stop",
            r#"{"type":"content_block_stop","index":0}"#,
        ),
        event("message_stop", r#"{"type":"message_stop"}"#),
    ],
    seen: |_, data, _| serde_json::from_str(data).unwrap(),
};

const MESSAGE_START: &str = r#"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"any","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}"#;
const CONTENT_BLOCK_START: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const CONTENT_BLOCK_DELTA: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"tress – 🏰"}}"#;

const fn event(name: &'static str, data: &'static str) -> Event {
    Event {
        name,
        data,
        seen: true,
    }
}

const fn unseen(name: &'static str, data: &'static str) -> Event {
    Event {
        name,
        data,
        seen: false,
    }
}

// ===== impl Dialect =====

impl Dialect {
    /// With ids and without, with each kind of line end, cut at every place that may matter.
    pub(crate) fn streams(&self) -> Vec<Stream> {
        let line_ends = [LineEnds::Lf, LineEnds::CrLf, LineEnds::Mixed];
        let all = line_ends.into_iter().flat_map(|ends| {
            let kinds = [false, true].map(|ids| self.cut_anywhere(ends, ids));
            kinds.into_iter().flatten()
        });
        all.collect()
    }

    /// Without a pause.
    pub(crate) fn stream(&self, ids: bool) -> Stream {
        let (wire, events) = self.write(LineEnds::Lf, ids);
        Stream {
            name: "whole".to_owned(),
            wire,
            cuts: Vec::new(),
            events,
        }
    }

    /// A client's request for a stream.
    pub(crate) fn request(&self, name: &str) -> Matcher {
        Matcher::path(format!("/{name}{}", self.path))
    }

    fn cut_anywhere(&self, ends: LineEnds, ids: bool) -> Vec<Stream> {
        let (wire, events) = self.write(ends, ids);
        let cuts = telling_cuts(wire.as_bytes());
        let count = cuts.len().div_ceil(CUTS);
        let name = format!("{ends:?}{}", if ids { "-ids" } else { "" }).to_lowercase();
        let stream = |number| Stream {
            name: format!("{name}-{number}"),
            wire: wire.clone(),
            // Far from each other, so that no cut hides what another one breaks.
            cuts: cuts.iter().copied().skip(number).step_by(count).collect(),
            events: events.clone(),
        };
        (0..count).map(stream).collect()
    }

    /// Ids come first in their event, or last, or not at all.
    fn write(&self, ends: LineEnds, ids: bool) -> (String, Vec<Value>) {
        let (mut wire, mut seen, mut id) = (String::new(), Vec::new(), String::new());
        for (number, event) in self.events.iter().enumerate() {
            let mut lines = Vec::new();
            if !event.name.is_empty() {
                lines.push(format!("event: {}", event.name));
            }
            lines.extend(event.data.split('\n').map(|data| format!("data: {data}")));
            if ids && number % 3 < 2 {
                id = format!("€{number}");
                let at = if number % 3 == 0 { 0 } else { lines.len() };
                lines.insert(at, format!("id: {id}"));
            }
            lines.push(String::new());
            for line in lines {
                wire += &line;
                wire += ends.of(number);
            }
            if event.seen {
                seen.push((self.seen)(event.name, event.data, &id));
            }
        }
        (wire, seen)
    }
}

impl LineEnds {
    const fn of(self, event: usize) -> &'static str {
        match (self, event % 3) {
            (Self::Lf, _) | (Self::Mixed, 0) => "\n",
            (Self::CrLf, _) | (Self::Mixed, 1) => "\r\n",
            (Self::Mixed, _) => "\r",
        }
    }
}

/// Every place beside a line end or within a character; of the others, which are all alike, one in
/// the middle of each line.
fn telling_cuts(wire: &[u8]) -> Vec<usize> {
    let telling = |byte: u8| matches!(byte, b'\r' | b'\n' | 0x80..);
    let mut cuts = Vec::new();
    let mut alike: usize = 0;
    for at in 1..wire.len() {
        if telling(wire[at - 1]) || telling(wire[at]) {
            if alike > 0 {
                cuts.push(at - alike.div_ceil(2));
            }
            alike = 0;
            cuts.push(at);
        } else {
            alike += 1;
        }
    }
    cuts
}

// ===== impl Stream =====

impl Stream {
    /// Answers with it.
    pub(crate) fn behaviour(&self) -> Behaviour {
        Behaviour::well()
            .pieces("text/event-stream", [self.wire.clone()])
            .chunk_at(self.cuts.clone())
            .chunk_delay(PAUSE)
            // The page of the browser comes from another host.
            .header("access-control-allow-origin", "*")
    }

    /// Pauses in which a heartbeat does no harm in any stream.
    pub(crate) fn pauses_behind_a_line(&self) -> usize {
        let behind_a_line = |&&cut: &&usize| self.wire.as_bytes()[cut - 1] == b'\n';
        self.cuts.iter().filter(behind_a_line).count()
    }
}

/// Each stream under its name.
pub(crate) fn script<'a>(
    dialect: &Dialect,
    streams: impl IntoIterator<Item = &'a Stream>,
) -> Script {
    streams.into_iter().fold(Script::well(), |script, stream| {
        script.on(dialect.request(&stream.name), stream.behaviour())
    })
}

pub(crate) fn names(streams: &[Stream]) -> Vec<String> {
    streams.iter().map(|stream| stream.name.clone()).collect()
}
