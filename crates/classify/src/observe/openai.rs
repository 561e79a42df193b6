//! What `OpenAI` and all those who speak like it send.

use buttress_core::Outcome;

use super::events::{Says, filled};
use crate::json::Json;
use crate::status::TRANSIENT;

/// A chunk of a chat completion, or of its predecessor that had only text; `None` if it is neither.
pub(super) fn chunk(data: Json<'_>) -> Option<Says> {
    let mut says = Says::Nothing;
    for choice in data.get("choices")?.items() {
        match choice.get("finish_reason").and_then(Json::text) {
            // vLLM: the engine gave the request up, and ends the stream as if nothing were amiss.
            Some("abort") => return Some(Says::Failed(Outcome::TRUNCATED)),
            Some("error") => return Some(Says::Failed(TRANSIENT)),
            _ => {}
        }
        if has_content(choice) {
            says = Says::Content;
        }
    }
    Some(says)
}

/// An event that names its type: the Responses API, and those for audio and images.
pub(super) fn typed(kind: &str, data: Json<'_>) -> Says {
    match kind {
        "response.completed"
        | "response.incomplete"
        | "speech.audio.done"
        | "transcript.text.done"
        | "image_generation.completed"
        | "image_edit.completed" => Says::End,
        kind if kind.ends_with(".delta") || kind.ends_with(".partial_image") => {
            let parts = ["delta", "audio", "b64_json", "partial_image_b64"];
            let mut parts = parts.into_iter().filter_map(|part| data.get(part));
            if parts.any(filled) {
                Says::Content
            } else {
                Says::Nothing
            }
        }
        _ => Says::Nothing,
    }
}

fn has_content(choice: Json<'_>) -> bool {
    let mut of_choice = choice.members();
    of_choice.any(|(name, value)| match name {
        "text" => filled(value),
        "delta" => value.members().any(|(name, value)| match name {
            "content" | "reasoning_content" | "reasoning" | "refusal" | "tool_calls"
            | "function_call" | "images" => filled(value),
            "audio" => ["data", "transcript"]
                .into_iter()
                .any(|part| value.get(part).is_some_and(filled)),
            _ => false,
        }),
        _ => false,
    })
}
