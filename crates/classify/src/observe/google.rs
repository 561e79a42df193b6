//! What Gemini sends. It has no terminator: a stream that ends after a `finishReason` is whole.

use super::events::{Says, filled};
use crate::json::Json;

pub(super) fn read(data: Json<'_>) -> Says {
    let blocked = data
        .get("promptFeedback")
        .and_then(|feedback| feedback.get("blockReason"));
    let mut says = match blocked {
        Some(reason) if reason.is_string() => Says::Finished,
        _ => Says::Nothing,
    };
    for candidate in data.get("candidates").into_iter().flat_map(Json::items) {
        if candidate.get("finishReason").is_some_and(Json::is_string) {
            return Says::Finished;
        }
        let parts = candidate
            .get("content")
            .and_then(|content| content.get("parts"));
        let mut parts = parts.into_iter().flat_map(Json::items);
        if parts.any(|part| part.members().any(|(_, value)| filled(value))) {
            says = Says::Content;
        }
    }
    says
}
