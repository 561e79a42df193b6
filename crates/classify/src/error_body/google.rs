//! `google.rpc.Status` as JSON.

use std::time::Duration;

use buttress_core::Outcome;

use super::{Said, words};
use crate::grpc::Code;
use crate::hints::protobuf_duration;
use crate::json::Json;
use crate::status::{CREDENTIALS, DAILY_QUOTA};

/// Reads `{"error": {"code", "status", "message", "details"}}`, alone or in an array.
pub(super) fn read(root: Json<'_>) -> Option<Said<'_>> {
    let root = if root.is_array() {
        root.items().next()?
    } else {
        root
    };
    let error = root.get("error").filter(|error| error.is_object())?;
    let details = Details::read(error);
    let named = || Code::by_name(error.get("status")?.text()?).map(Code::outcome);
    // Behind Google's doors live models of others, and they use their own words.
    let theirs = words::said(error);
    let meaning = details.meaning.or_else(named).or(theirs.meaning);
    let retryable = meaning.is_none_or(|meaning| meaning.is_retryable());
    Some(Said {
        meaning,
        // A quota of the day comes with a delay of seconds, which helps nobody.
        wait: details.wait.filter(|_| retryable),
        ..theirs
    })
}

#[derive(Default)]
struct Details {
    meaning: Option<Outcome>,
    wait: Option<Duration>,
}

impl Details {
    fn read(error: Json<'_>) -> Self {
        let mut found = Self::default();
        for detail in error.get("details").into_iter().flat_map(Json::items) {
            let kind = detail.get("@type").and_then(Json::text).unwrap_or_default();
            match kind.rsplit('.').next() {
                Some("RetryInfo") => {
                    let delay = detail.get("retryDelay").and_then(Json::text);
                    found.wait = delay.and_then(|delay| protobuf_duration(delay.as_bytes()));
                }
                Some("QuotaFailure") if is_daily(detail) => found.meaning = Some(DAILY_QUOTA),
                // A wrong key is a 400 there.
                Some("ErrorInfo") if is_about_the_key(detail) => found.meaning = Some(CREDENTIALS),
                _ => {}
            }
        }
        found
    }
}

fn is_daily(failure: Json<'_>) -> bool {
    let mut violations = failure.get("violations").into_iter().flat_map(Json::items);
    violations.any(|violation| {
        let quota = violation.get("quotaId").and_then(Json::text);
        quota.is_some_and(|quota| quota.contains("PerDay"))
    })
}

fn is_about_the_key(info: Json<'_>) -> bool {
    info.get("reason").and_then(Json::text) == Some("API_KEY_INVALID")
}
