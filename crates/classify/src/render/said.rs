//! The words of each API for what went wrong.

use std::time::Duration;

use buttress_core::{Kind, Outcome, Reason, Timer};

use super::text::Quoted;
use crate::grpc::Code;

/// What all of them have a word for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Failed,
    TimedOut,
    RateLimited,
    Overloaded,
    OutOfQuota,
    Unpaid,
    TooLong,
    AgainstPolicy,
    Unauthorized,
    NotFound,
    Invalid,
}

pub(super) const fn said(outcome: &Outcome) -> Said {
    match (outcome.kind, outcome.reason) {
        (Kind::Transient, Some(Reason::Timeout(_)))
        | (_, Some(Reason::Timeout(Timer::Deadline))) => Said::TimedOut,
        (Kind::Throttled, _) => Said::RateLimited,
        // Who refused is nothing that the client could act upon.
        (Kind::Overloaded | Kind::Unavailable, _) => Said::Overloaded,
        (Kind::OutOfQuota, Some(Reason::Billing)) => Said::Unpaid,
        (Kind::OutOfQuota, _) => Said::OutOfQuota,
        (Kind::Invalid, Some(Reason::ContextWindow)) => Said::TooLong,
        (Kind::Invalid, Some(Reason::ContentPolicy)) => Said::AgainstPolicy,
        (Kind::Invalid, Some(Reason::Credentials)) => Said::Unauthorized,
        (Kind::Invalid, Some(Reason::NotFound)) => Said::NotFound,
        (Kind::Invalid, _) => Said::Invalid,
        (Kind::Transient | Kind::Success | Kind::Abandoned, _) => Said::Failed,
    }
}

pub(super) fn openai(said: &Said, _outcome: &Outcome, message: &str) -> String {
    let (kind, code) = match said {
        Said::Failed => ("server_error", None),
        Said::TimedOut => ("timeout_error", None),
        Said::RateLimited => ("rate_limit_error", Some("rate_limit_exceeded")),
        Said::Overloaded => ("server_error", Some("server_is_overloaded")),
        Said::OutOfQuota => ("insufficient_quota", Some("insufficient_quota")),
        Said::Unpaid => ("billing_error", Some("billing_not_active")),
        Said::TooLong => ("invalid_request_error", Some("context_length_exceeded")),
        Said::AgainstPolicy => ("invalid_request_error", Some("content_policy_violation")),
        Said::Unauthorized => ("authentication_error", Some("invalid_api_key")),
        Said::NotFound => ("invalid_request_error", Some("model_not_found")),
        Said::Invalid => ("invalid_request_error", None),
    };
    let code = code.map_or_else(|| "null".to_owned(), |code| Quoted(code).to_string());
    let message = Quoted(message);
    format!(r#"{{"error":{{"message":{message},"type":"{kind}","param":null,"code":{code}}}}}"#)
}

pub(super) fn anthropic(said: &Said, _outcome: &Outcome, message: &str) -> String {
    let kind = match said {
        Said::Failed => "api_error",
        Said::TimedOut => "timeout_error",
        Said::RateLimited => "rate_limit_error",
        Said::Overloaded => "overloaded_error",
        Said::OutOfQuota | Said::Unpaid => "billing_error",
        Said::Unauthorized => "authentication_error",
        Said::NotFound => "not_found_error",
        Said::TooLong | Said::AgainstPolicy | Said::Invalid => "invalid_request_error",
    };
    let message = Quoted(message);
    format!(r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}}}}"#)
}

pub(super) fn google(said: &Said, outcome: &Outcome, message: &str) -> String {
    let (number, code) = match said {
        Said::Failed => (500, Code::Internal),
        Said::TimedOut => (504, Code::DeadlineExceeded),
        Said::RateLimited | Said::OutOfQuota | Said::Unpaid => (429, Code::ResourceExhausted),
        Said::Overloaded => (503, Code::Unavailable),
        Said::Unauthorized => (401, Code::Unauthenticated),
        Said::NotFound => (404, Code::NotFound),
        Said::TooLong | Said::AgainstPolicy | Said::Invalid => (400, Code::InvalidArgument),
    };
    let details = match (said, outcome.retry_after) {
        // Under the status of a rate; what tells them apart is whose limit it is.
        (Said::OutOfQuota | Said::Unpaid, _) => DAILY.to_owned(),
        (_, Some(wait)) => retry_info(wait),
        (_, None) => String::new(),
    };
    let (message, status) = (Quoted(message), code.as_str());
    format!(r#"{{"error":{{"code":{number},"message":{message},"status":"{status}"{details}}}}}"#)
}

pub(super) fn problem(said: &Said, _outcome: &Outcome, message: &str) -> String {
    let (status, title) = match said {
        Said::Failed => (502, "Bad Gateway"),
        Said::TimedOut => (504, "Gateway Timeout"),
        Said::RateLimited => (429, "Too Many Requests"),
        Said::Overloaded => (503, "Service Unavailable"),
        Said::OutOfQuota | Said::Unpaid => (402, "Payment Required"),
        Said::Unauthorized => (401, "Unauthorized"),
        Said::NotFound => (404, "Not Found"),
        Said::TooLong | Said::AgainstPolicy | Said::Invalid => (400, "Bad Request"),
    };
    let message = Quoted(message);
    format!(r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":{message}}}"#)
}

/// A quota that no wait of seconds brings back.
const DAILY: &str = r#","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"RequestsPerDay"}]}]"#;

fn retry_info(wait: Duration) -> String {
    let (seconds, nanos) = (wait.as_secs(), wait.subsec_nanos());
    format!(
        r#","details":[{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{seconds}.{nanos:09}s"}}]"#
    )
}
