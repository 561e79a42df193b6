//! Error answers as the providers send them: bodies as constants, whole answers as behaviours.

use super::Behaviour;

/// An error answer with a JSON body.
#[must_use]
pub fn json_error(status: u16, body: &'static str) -> Behaviour {
    Behaviour::status(status).body("application/json", body)
}

/// OpenAI.
pub mod openai {
    /// 429: too fast.
    pub const RATE_LIMIT: &str = r#"{"error":{"message":"Rate limit reached: too many requests per minute.","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    /// 429: not paid for.
    pub const INSUFFICIENT_QUOTA: &str = r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
    /// 429: the engine, not the caller.
    pub const ENGINE_OVERLOADED: &str = r#"{"error":{"message":"The engine is currently overloaded, please try again later","type":"server_error","param":null,"code":null}}"#;
    /// 503.
    pub const OVERLOADED: &str =
        r#"{"error":{"message":"Slow Down","type":"server_error","param":null,"code":null}}"#;
    /// 500; also the error event in mid-stream.
    pub const SERVER_ERROR: &str = r#"{"error":{"message":"The server had an error while processing your request. Sorry about that!","type":"server_error","param":null,"code":null}}"#;
    /// 400: the prompt is too long.
    pub const CONTEXT_LENGTH: &str = r#"{"error":{"message":"This model's maximum context length is 128000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    /// 401.
    pub const INVALID_KEY: &str = r#"{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
}

/// Anthropic.
pub mod anthropic {
    /// 529; also the error event in mid-stream.
    pub const OVERLOADED: &str = r#"{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"}}"#;
    /// 429: too fast.
    pub const RATE_LIMIT: &str = r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit."}}"#;
    /// 402: not paid for.
    pub const BILLING: &str = r#"{"type":"error","error":{"type":"billing_error","message":"There is a problem with your billing."}}"#;
    /// 500.
    pub const API_ERROR: &str =
        r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#;
    /// 400.
    pub const INVALID_REQUEST: &str = r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"}}"#;
}

/// Azure OpenAI.
pub mod azure {
    /// 429: the wait in prose.
    pub const RATE_LIMIT: &str = r#"{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation have exceeded the call rate limit. Please retry after 6 seconds."}}"#;
}

/// OpenRouter.
pub mod openrouter {
    /// 402: out of credits.
    pub const CREDITS: &str = r#"{"error":{"code":402,"message":"Insufficient credits"}}"#;
    /// 403: moderation.
    pub const MODERATION: &str = r#"{"error":{"code":403,"message":"Input was flagged","metadata":{"reasons":["violence"],"provider_name":"upstream"}}}"#;
}

/// Gemini.
pub mod gemini {
    use crate::upstream::Behaviour;

    /// 429 by the minute, with a wait such as `"26s"` or `"45.837906927s"` in the body.
    #[must_use]
    pub fn rate_limit(retry_delay: &str) -> Behaviour {
        exhausted("GenerateRequestsPerMinutePerProjectPerModel", retry_delay)
    }

    /// 429 by the day: the wait in the body is a lie.
    #[must_use]
    pub fn daily_quota() -> Behaviour {
        exhausted("GenerateRequestsPerDayPerProjectPerModel", "26s")
    }

    fn exhausted(quota: &str, retry_delay: &str) -> Behaviour {
        let body = format!(
            r#"{{"error":{{"code":429,"message":"You exceeded your current quota. Please retry in {retry_delay}.","status":"RESOURCE_EXHAUSTED","details":[{{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{{"quotaMetric":"generativelanguage.googleapis.com/generate_content_requests","quotaId":"{quota}"}}]}},{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{retry_delay}"}}]}}}}"#
        );
        Behaviour::status(429).body("application/json", body)
    }
}
