use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE},
    request::Parts,
};
use serde_json::Value;

use super::{Behaviour, anthropic, behaviour::Ending, chunking::Piece, openai, plain};

/// What an answer says, before it is cut and delayed.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// What the endpoint says to this request.
    Natural,
    /// What the endpoint's provider says when it has this trouble.
    Trouble(Trouble),
    /// The same for every endpoint.
    Fixed {
        content_type: HeaderValue,
        pieces: Vec<Bytes>,
        streamed: bool,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    RateLimit,
    Overloaded,
    Quota,
    Server,
    /// Some other error status.
    Status(StatusCode),
}

/// Head and body of an answer.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) pieces: Vec<Piece>,
    /// The length announced, if one is.
    pub(super) length: Option<u64>,
}

/// What an endpoint has to say: the parts from which an answer is composed.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// A body of known length.
    Whole(Vec<Piece>),
    /// Pieces of an unknown number.
    Stream(Vec<Piece>),
    /// An event stream: events, the error event that may replace the rest, and its terminator.
    Events {
        events: Vec<Piece>,
        error: Piece,
        terminator: Piece,
    },
}

#[derive(Clone, Copy, Debug)]
enum Endpoint {
    OpenAi,
    Anthropic,
    Plain,
}

/// What the LLM endpoints read of a request.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) model: Option<String>,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) tokens: usize,
}

pub(super) fn compose(behaviour: &Behaviour, head: &Parts, body: &[Bytes]) -> Composed {
    let mut draft = draft(behaviour, head, body);
    if let Some(status) = behaviour.status {
        draft.status = status;
    }
    for (name, value) in &behaviour.headers {
        if *name == CONTENT_TYPE {
            draft.headers.insert(name, value.clone());
        } else {
            draft.headers.append(name, value.clone());
        }
    }
    let (mut pieces, whole) = pieces(draft.content, behaviour.ending);
    let mut length = (whole && behaviour.sized).then(|| {
        pieces
            .iter()
            .map(|piece| piece.bytes.len() as u64)
            .sum::<u64>()
    });
    let bodiless = draft.status.is_informational()
        || matches!(
            draft.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    if bodiless {
        length = None;
        draft.headers.remove(CONTENT_TYPE);
    }
    if let Some(length) = length {
        draft.headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    if bodiless || head.method == Method::HEAD {
        pieces.clear();
        length = Some(0);
    }
    Composed {
        status: draft.status,
        headers: draft.headers,
        pieces,
        length,
    }
}

fn draft(behaviour: &Behaviour, head: &Parts, body: &[Bytes]) -> Draft {
    let endpoint = Endpoint::of(head.uri.path());
    let trouble = match &behaviour.answer {
        Answer::Fixed {
            content_type,
            pieces,
            streamed,
        } => {
            let pieces = pieces
                .iter()
                .map(|bytes| Piece::new(bytes.clone(), 0))
                .collect();
            let content = if *streamed {
                Content::Stream(pieces)
            } else {
                Content::Whole(pieces)
            };
            return Draft::new(StatusCode::OK, content_type.clone(), content);
        }
        Answer::Trouble(trouble) => Some(*trouble),
        Answer::Natural => behaviour
            .status
            .filter(|status| status.is_client_error() || status.is_server_error())
            .map(Trouble::Status),
    };
    match (endpoint, trouble) {
        (Endpoint::OpenAi, Some(trouble)) => openai::trouble(trouble),
        (Endpoint::Anthropic, Some(trouble)) => anthropic::trouble(trouble),
        (Endpoint::Plain, Some(trouble)) => plain::trouble(trouble),
        (Endpoint::OpenAi, None) => openai::completion(&Prompt::read(body), behaviour.tokens),
        (Endpoint::Anthropic, None) => anthropic::message(&Prompt::read(body), behaviour.tokens),
        (Endpoint::Plain, None) => plain::answer(head, body),
    }
}

/// The pieces to be sent, and whether their length is known beforehand.
fn pieces(content: Content, ending: Ending) -> (Vec<Piece>, bool) {
    match content {
        Content::Whole(pieces) => (pieces, true),
        Content::Stream(pieces) => (pieces, false),
        Content::Events {
            mut events,
            error,
            terminator,
        } => {
            match ending {
                Ending::Proper => events.push(terminator),
                Ending::Early { after } => events.truncate(after),
                Ending::ErrorEvent { after, terminated } => {
                    events.truncate(after);
                    events.push(error);
                    events.extend(terminated.then_some(terminator));
                }
            }
            (events, false)
        }
    }
}

impl Endpoint {
    fn of(path: &str) -> Self {
        if path.ends_with("/chat/completions") {
            Self::OpenAi
        } else if path.ends_with("/messages") {
            Self::Anthropic
        } else {
            Self::Plain
        }
    }
}

impl Prompt {
    fn read(body: &[Bytes]) -> Self {
        let bytes = body.concat();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let says = |value: &Value| value.as_bool().unwrap_or(false);
        Self {
            model: json["model"].as_str().map(str::to_owned),
            stream: says(&json["stream"]),
            include_usage: says(&json["stream_options"]["include_usage"]),
            // About four bytes of English make a token.
            tokens: bytes.len().div_ceil(4),
        }
    }
}

impl Draft {
    pub(super) fn new(status: StatusCode, content_type: HeaderValue, content: Content) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
        Self {
            status,
            headers,
            content,
        }
    }

    pub(super) fn json(status: StatusCode, body: String, tokens: usize) -> Self {
        let content = Content::Whole(vec![Piece::new(body, tokens)]);
        Self::new(
            status,
            HeaderValue::from_static("application/json"),
            content,
        )
    }

    pub(super) fn events(events: Vec<Piece>, error: Piece, terminator: Piece) -> Self {
        let content_type = HeaderValue::from_static("text/event-stream; charset=utf-8");
        let content = Content::Events {
            events,
            error,
            terminator,
        };
        let mut draft = Self::new(StatusCode::OK, content_type, content);
        draft
            .headers
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        draft
    }

    pub(super) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

/// A JSON string, quotes included.
pub(super) fn quote(text: &str) -> Value {
    Value::from(text)
}

/// The first `count` tokens of a completion; some hold characters of several bytes.
pub(super) fn tokens(count: usize) -> impl Iterator<Item = &'static str> {
    TEXT.iter().copied().cycle().take(count)
}

const TEXT: [&str; 20] = [
    "A", " flying", " but", "tress", " –", " arc", "‑bou", "tant", " –", " carries", " the",
    " thrust", " of", " the", " vault", " to", " the", " ground", " 🏰", ".",
];
