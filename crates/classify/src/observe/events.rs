//! A stream of server-sent events.

use buttress_core::{Outcome, Sign};
use buttress_sse::{Event, Parser};

use super::{anthropic, google, openai};
use crate::data::Dialect;
use crate::json::Json;
use crate::profile::Profile;

/// What one event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Nothing,
    Content,
    /// There may be more, but nothing that the answer would lack: its end is a proper one.
    Finished,
    /// The terminator.
    End,
    Failed(Outcome),
}

pub(super) struct Events {
    profile: Profile,
    parser: Box<Parser>,
    content: bool,
    finished: bool,
}

impl Events {
    pub(super) fn new(profile: Profile) -> Self {
        let parser = Parser::new().max_line_bytes(LIMIT).max_event_bytes(LIMIT);
        Self {
            profile,
            parser: Box::new(parser),
            content: false,
            finished: profile.dialect() == Dialect::Plain,
        }
    }

    pub(super) fn data(&mut self, mut data: &[u8]) -> Sign {
        let before = self.content;
        loop {
            let says = match self.parser.next_event(&mut data) {
                Ok(Some(event)) => read(&self.profile, &event),
                Ok(None) => break,
                Err(_over_limit) => {
                    self.content = true;
                    break;
                }
            };
            match says {
                Says::Nothing => {}
                Says::Content => self.content = true,
                Says::Finished => self.finished = true,
                Says::End => return Sign::Settled(Outcome::SUCCESS),
                Says::Failed(outcome) => return Sign::Settled(outcome),
            }
        }
        if self.content && !before {
            return Sign::Content;
        }
        Sign::Nothing
    }

    pub(super) const fn end(&self) -> Outcome {
        if self.finished {
            Outcome::SUCCESS
        } else {
            Outcome::TRUNCATED
        }
    }
}

/// The longest line and the longest event that are looked at.
const LIMIT: usize = 1024 * 1024;

fn read(profile: &Profile, event: &Event<'_>) -> Says {
    let data = event.data_bytes();
    if profile.dialect() == Dialect::Plain {
        return match data {
            [] | [b':', ..] => Says::Nothing,
            _ => Says::Content,
        };
    }
    if let Some(outcome) = profile.stream_error(Some(&event.name()), data) {
        return Says::Failed(outcome);
    }
    if data.starts_with(b"[DONE]") {
        return Says::End;
    }
    let data = Json::whole(data);
    match data.get("type").and_then(Json::text) {
        Some(kind) => anthropic::read(kind, data).unwrap_or_else(|| openai::typed(kind, data)),
        None => openai::chunk(data).unwrap_or_else(|| google::read(data)),
    }
}

/// Whether a value is there and not empty.
pub(super) fn filled(value: Json<'_>) -> bool {
    value.is_object() && value.members().next().is_some()
        || value.is_array() && value.items().next().is_some()
        || value.is_filled_string()
}
