//! What `OpenAI` and all those who speak like it send.

use super::event::{Says, is_filled};
use crate::json::Json;
use crate::status::TRANSIENT;

/// A chunk of a chat completion, or of one of the completions before them that have only text.
pub(super) fn chunk(data: Json<'_>) -> Says {
    let mut content = false;
    for choice in data.get("choices").into_iter().flat_map(Json::items) {
        for (name, value) in choice.members() {
            match name {
                "finish_reason" => match value.text() {
                    // vLLM: the engine gave the request up.
                    Some("abort") => return Says::Aborted,
                    Some("error") => return Says::Failed(TRANSIENT),
                    _ => {}
                },
                "text" => content |= is_filled(value),
                "delta" => content |= has_content(value),
                _ => {}
            }
        }
    }
    Says::content(content)
}

/// An event of the Responses API, or of one of those for speech, transcripts and images.
pub(super) fn typed(kind: &str, data: Json<'_>) -> Says {
    match kind {
        "response.completed"
        | "response.incomplete"
        | "speech.audio.done"
        | "transcript.text.done"
        | "image_generation.completed"
        | "image_edit.completed" => Says::End,
        _ if kind.ends_with(".delta") || kind.ends_with(".partial_image") => {
            let mut members = data.members();
            Says::content(members.any(|(name, value)| match name {
                "delta" | "audio" | "b64_json" | "partial_image_b64" => is_filled(value),
                _ => false,
            }))
        }
        _ => Says::Nothing,
    }
}

fn has_content(delta: Json<'_>) -> bool {
    delta.members().any(|(name, value)| match name {
        "content" | "reasoning_content" | "reasoning" | "refusal" | "tool_calls"
        | "function_call" | "images" => is_filled(value),
        "audio" => value
            .members()
            .any(|(name, value)| matches!(name, "data" | "transcript") && is_filled(value)),
        _ => false,
    })
}
