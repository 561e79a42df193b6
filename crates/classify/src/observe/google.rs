//! What Gemini sends. It has no terminator: a stream that ends after a `finishReason` is whole.

use super::event::{Says, is_filled};
use crate::json::Json;

pub(super) fn read(data: Json<'_>) -> Says {
    let (mut content, mut finished) = (false, false);
    for (name, value) in data.members() {
        match name {
            "candidates" => {
                for candidate in value.items() {
                    content |= has_content(candidate);
                    finished |= candidate.get("finishReason").is_some_and(Json::is_string);
                }
            }
            // The prompt was refused: no candidate will come.
            "promptFeedback" => finished |= value.get("blockReason").is_some_and(Json::is_string),
            _ => {}
        }
    }
    if finished {
        Says::Finished { content }
    } else {
        Says::content(content)
    }
}

/// Whether a part says something: its text, a call, a picture. A signature says nothing.
fn has_content(candidate: Json<'_>) -> bool {
    let content = candidate.get("content");
    let mut parts = content
        .and_then(|content| content.get("parts"))
        .into_iter()
        .flat_map(Json::items);
    parts.any(|part| {
        part.members()
            .any(|(name, value)| name != "thoughtSignature" && is_filled(value))
    })
}
