//! What Anthropic sends.

use super::event::{Says, is_filled};
use crate::json::Json;

/// An event of a message; `None` if its type is none of theirs.
pub(super) fn read(kind: &str, data: Json<'_>) -> Option<Says> {
    Some(match kind {
        "content_block_delta" => {
            let mut delta = data.get("delta").into_iter().flat_map(Json::members);
            Says::content(delta.any(|(name, value)| match name {
                "text" | "thinking" | "partial_json" => is_filled(value),
                _ => false,
            }))
        }
        "message_stop" => Says::End,
        // Of the text completions that were there before the messages.
        "completion" => match data.get("stop_reason") {
            Some(reason) if reason.is_string() => Says::End,
            _ => Says::content(data.get("completion").is_some_and(is_filled)),
        },
        _ => return None,
    })
}
