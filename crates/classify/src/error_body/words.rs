//! The words by which JSON APIs name their errors: `type` and `code`.

use buttress_core::Outcome;

use super::Said;
use crate::json::Json;
use crate::status::{
    CONTENT_POLICY, CONTEXT_WINDOW, CREDENTIALS, INVALID, NOT_FOUND, OVERLOADED, RATE_LIMITED,
    TRANSIENT, UNPAID_BILL, UPSTREAM_TIMEOUT,
};

/// Reads `{"error": {"type", "code"}}` and its cousins; `None` if this is none of them.
pub(super) fn read(root: Json<'_>) -> Option<Said<'_>> {
    error_of(root).map(said)
}

/// As [`read`], for one event of a stream, where nothing but an error may look like one.
pub(super) fn event<'a>(name: Option<&str>, data: Json<'a>) -> Option<Said<'a>> {
    let mut error = None;
    let mut failed = name == Some("error");
    for (name, value) in data.members() {
        match (name, value.text()) {
            ("error", _) if is_error(value) => return Some(said(value)),
            // OpenAI's Responses API; what Anthropic sends with this type has an `error` inside.
            ("type", Some("error")) | ("object", Some("error")) => failed = true,
            ("type", Some("response.failed")) => {
                failed = true;
                error = data.get("response").and_then(|r| r.get("error"));
            }
            _ => {}
        }
    }
    error.or(failed.then_some(data)).map(said)
}

fn error_of(root: Json<'_>) -> Option<Json<'_>> {
    let root = if root.is_array() {
        root.items().next()?
    } else {
        root
    };
    let inner = root.get("error").filter(|error| is_error(*error));
    // Mistral, and vLLM before 0.10, put the error's members on the outside.
    inner.or_else(|| (root.get("object")?.text()? == "error").then_some(root))
}

fn is_error(value: Json<'_>) -> bool {
    value.is_object() || value.is_string()
}

pub(super) fn said(error: Json<'_>) -> Said<'_> {
    let code = error.get("code").and_then(Json::text);
    let kind = error.get("type").and_then(Json::text);
    Said {
        // The code is the narrower of the two.
        meaning: moderated(error)
            .or_else(|| meaning(code?))
            .or_else(|| meaning(kind?)),
        status: code.and_then(|code| code.parse().ok()),
        message: error.get("message").and_then(Json::text),
        wait: None,
    }
}

/// `OpenRouter` tells a moderation from other 403s by what it says about it.
fn moderated(error: Json<'_>) -> Option<Outcome> {
    let reasons = error.get("metadata")?.get("reasons")?;
    reasons.is_array().then_some(CONTENT_POLICY)
}

fn meaning(word: &str) -> Option<Outcome> {
    Some(match word {
        "insufficient_quota"
        | "billing_error"
        | "billing_hard_limit_reached"
        | "billing_not_active" => UNPAID_BILL,
        "rate_limit_exceeded" | "rate_limit_error" => RATE_LIMITED,
        "overloaded_error"
        | "engine_overloaded"
        | "server_is_overloaded"
        | "slow_down"
        | "service_unavailable_error"
        | "capacity_exceeded" => OVERLOADED,
        "server_error" | "api_error" | "internal_server_error" | "InternalServerError" => TRANSIENT,
        "timeout_error" | "vector_store_timeout" => UPSTREAM_TIMEOUT,
        "context_length_exceeded" => CONTEXT_WINDOW,
        "content_filter" | "content_policy_violation" => CONTENT_POLICY,
        "authentication_error" | "permission_error" | "invalid_api_key" => CREDENTIALS,
        "not_found_error" | "NotFoundError" | "model_not_found" | "DeploymentNotFound" => NOT_FOUND,
        "invalid_request_error" | "invalid_prompt" | "request_too_large" | "BadRequestError" => {
            INVALID
        }
        _ => return None,
    })
}
