//! What one event of a stream says.

use buttress_core::Outcome;
use buttress_sse::Event;
use memchr::memmem;

use super::{anthropic, google, openai};
use crate::data::Dialect;
use crate::json::Json;
use crate::profile::Profile;

/// What one event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Nothing,
    Content,
    /// Nothing is missing any more: whenever the stream ends, it is a proper end.
    Finished {
        content: bool,
    },
    /// The terminator.
    End,
    /// The answer was given up, and what follows pretends that nothing is amiss.
    Aborted,
    Failed(Outcome),
}

/// How a stream writes down what it says.
///
/// One API has several endpoints, and behind one door live models of many providers: it is told by
/// the events themselves, and settled with the first content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `choices`, as in chat completions.
    Chat,
    /// `candidates`, as in Gemini.
    Candidates,
    /// A `type` in each event, as in Anthropic's messages and `OpenAI`'s responses.
    Typed,
}

impl Says {
    /// Reads an event of a stream whose shape may be known already; says what shape it has.
    pub(super) fn read(
        profile: &Profile,
        shape: Option<Shape>,
        event: &Event<'_>,
    ) -> (Self, Option<Shape>) {
        let bytes = event.data_bytes();
        if profile.dialect() == Dialect::Plain {
            return (Self::of_anybody(bytes), None);
        }
        let data = Json::whole(bytes);
        let kind = data.get("type").and_then(Json::text);
        let typed = shape.is_none_or(|shape| shape == Shape::Typed);
        if may_be_error(event.name_bytes(), kind.filter(|_| typed), bytes) {
            if let Some(outcome) = profile.stream_error(Some(&event.name()), bytes) {
                return (Self::Failed(outcome), shape);
            }
        }
        // Clients match no more than the beginning.
        if bytes.starts_with(b"[DONE]") {
            return (Self::End, shape);
        }
        let shape = shape.or_else(|| Shape::of(data, kind));
        let says = shape.map_or(Self::Nothing, |shape| shape.read(data, kind));
        (says, shape)
    }

    /// The same for data alone; `None` if its shape is none of ours.
    pub(super) fn of_data(data: Json<'_>) -> Option<Self> {
        let kind = data.get("type").and_then(Json::text);
        Some(Shape::of(data, kind)?.read(data, kind))
    }

    pub(super) const fn content(content: bool) -> Self {
        if content {
            Self::Content
        } else {
            Self::Nothing
        }
    }

    /// Of an upstream about which nothing is known, any event with data is content; but for comments
    /// that something on the way has wrapped into an event of their own.
    fn of_anybody(data: &[u8]) -> Self {
        Self::content(!matches!(data, [] | [b':', ..]))
    }
}

impl Shape {
    fn of(data: Json<'_>, kind: Option<&str>) -> Option<Self> {
        let mut members = data.members();
        let told = members.find_map(|(name, _)| match name {
            "choices" => Some(Self::Chat),
            "candidates" | "promptFeedback" => Some(Self::Candidates),
            _ => None,
        });
        told.or(kind.map(|_| Self::Typed))
    }

    fn read(self, data: Json<'_>, kind: Option<&str>) -> Says {
        match (self, kind) {
            (Self::Chat, _) => openai::chunk(data),
            (Self::Candidates, _) => google::read(data),
            (Self::Typed, None) => Says::Nothing,
            (Self::Typed, Some(kind)) => {
                anthropic::read(kind, data).unwrap_or_else(|| openai::typed(kind, data))
            }
        }
    }
}

/// Whether a value is there and not empty.
pub(super) fn is_filled(value: Json<'_>) -> bool {
    value.is_filled_string() || value.items().next().is_some() || value.members().next().is_some()
}

/// Whether it is worth asking. No error goes without that word, in its name, as its type or as the
/// name of a member; but for one.
fn may_be_error(name: &[u8], kind: Option<&str>, data: &[u8]) -> bool {
    name == b"error"
        || kind == Some("response.failed")
        || memmem::find(data, b"\"error\"").is_some()
}
