//! What Anthropic sends.

use super::events::{Says, filled};
use crate::json::Json;

/// An event of a message; `None` if its type is none of theirs.
pub(super) fn read(kind: &str, data: Json<'_>) -> Option<Says> {
    Some(match kind {
        "content_block_delta" => {
            let parts = ["text", "thinking", "partial_json"];
            let delta = data.get("delta");
            let mut parts = parts.into_iter().filter_map(|part| delta?.get(part));
            if parts.any(filled) {
                Says::Content
            } else {
                Says::Nothing
            }
        }
        "message_stop" => Says::End,
        // Of the text completions before the messages.
        "completion" => match data.get("stop_reason") {
            Some(reason) if reason.is_string() => Says::End,
            _ if data.get("completion").is_some_and(filled) => Says::Content,
            _ => Says::Nothing,
        },
        _ => return None,
    })
}
