//! What we say in an API's own words is what its profile reads out of it.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::time::Duration;

use buttress_body::Observe;
use buttress_classify::Profile;
use buttress_classify::render::{as_error_event, explain};
use buttress_core::{Kind, Outcome, Reason, Sign, Timer};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

const KINDS: [Kind; 8] = [
    Kind::Success,
    Kind::Transient,
    Kind::Throttled,
    Kind::Overloaded,
    Kind::OutOfQuota,
    Kind::Invalid,
    Kind::Unavailable,
    Kind::Abandoned,
];

const REASONS: [Option<Reason>; 14] = [
    None,
    Some(Reason::RateLimit),
    Some(Reason::DailyQuota),
    Some(Reason::Billing),
    Some(Reason::ContextWindow),
    Some(Reason::ContentPolicy),
    Some(Reason::Timeout(Timer::Idle)),
    Some(Reason::Timeout(Timer::Deadline)),
    Some(Reason::Truncated),
    Some(Reason::Refused),
    Some(Reason::Credentials),
    Some(Reason::NotFound),
    Some(Reason::Local),
    Some(Reason::CircuitOpen),
];

fn outcomes() -> impl Iterator<Item = Outcome> {
    KINDS.into_iter().flat_map(|kind| {
        REASONS.into_iter().map(move |reason| {
            let outcome = Outcome::new(kind);
            reason.map_or(outcome, |reason| outcome.because(reason))
        })
    })
}

/// The kind as which a client, or an outer layer elsewhere, sees it.
fn seen_from_outside(outcome: &Outcome) -> Kind {
    match (outcome.kind, outcome.reason) {
        (_, Some(Reason::Timeout(Timer::Deadline))) => Kind::Transient,
        (Kind::Unavailable, _) => Kind::Overloaded,
        // Neither is sent to anybody as an error; a failure is what is left of them.
        (Kind::Success | Kind::Abandoned, _) => Kind::Transient,
        (kind, _) => kind,
    }
}

/// Profiles whose upstreams tell errors by their words. Nothing is known about the others' events.
fn with_words() -> impl Iterator<Item = Profile> {
    let silent = [Profile::HTTP.name(), Profile::GRPC.name()];
    let profiles = Profile::ALL.into_iter();
    profiles.filter(move |profile| !silent.contains(&profile.name()))
}

#[test]
fn every_observer_reads_an_error_event_as_the_failure_that_it_tells() {
    let mut head = HeaderMap::new();
    head.insert(
        "content-type",
        HeaderValue::from_static("text/event-stream"),
    );
    for profile in with_words() {
        for outcome in outcomes() {
            let event = profile.error_event(&outcome, "m");
            let mut observer = profile.observer(StatusCode::OK, &head);
            match observer.data(event.as_bytes()) {
                Sign::Settled(read) => {
                    assert_eq!(
                        read.kind,
                        seen_from_outside(&outcome),
                        "{profile:?} {event}"
                    );
                }
                Sign::Nothing | Sign::Content => panic!("no error to {profile:?}: {event}"),
            }
        }
    }
}

#[test]
fn an_error_body_is_read_as_the_failure_that_it_tells() {
    let head = HeaderMap::new();
    // The plainest status of each kind; Bedrock names an exception, which is not ours to imitate.
    for profile in with_words().filter(|profile| profile.name() != "bedrock") {
        for outcome in outcomes() {
            let status = match seen_from_outside(&outcome) {
                Kind::Throttled | Kind::OutOfQuota => 429,
                Kind::Overloaded => 503,
                Kind::Invalid => 400,
                _ => 500,
            };
            let status = StatusCode::from_u16(status).unwrap();
            let body = profile.error_json(&outcome, "m");
            let read = profile.error_body(status, &head, body.as_bytes());
            assert_eq!(read.kind, seen_from_outside(&outcome), "{profile:?} {body}");
        }
    }
}

#[test]
fn reasons_survive_where_the_api_has_a_word_for_them() {
    let told = |profile: Profile, outcome: Outcome| {
        let json = profile.error_json(&outcome, "m");
        profile
            .stream_error(Some("error"), json.as_bytes())
            .unwrap()
            .reason
    };
    for reason in [
        Reason::ContextWindow,
        Reason::ContentPolicy,
        Reason::Credentials,
    ] {
        let outcome = Outcome::new(Kind::Invalid).because(reason);
        assert_eq!(told(Profile::OPENAI, outcome), Some(reason));
    }
    for profile in with_words() {
        let missing = Outcome::new(Kind::Invalid).because(Reason::NotFound);
        assert_eq!(
            told(profile_of_events(profile), missing),
            Some(Reason::NotFound)
        );
        let slow = Outcome::IDLE_ELAPSED;
        let upstream = Some(Reason::Timeout(Timer::Upstream));
        assert_eq!(told(profile_of_events(profile), slow), upstream);
    }
    let wait = Duration::from_millis(1_500);
    let outcome = Outcome::new(Kind::Throttled).after(wait);
    let json = Profile::GEMINI.error_json(&outcome, "m");
    let read = Profile::GEMINI.stream_error(None, json.as_bytes()).unwrap();
    assert_eq!(read.retry_after, Some(wait));
}

/// Where Bedrock sends server-sent events, it speaks as `OpenAI` does.
fn profile_of_events(profile: Profile) -> Profile {
    if profile.name() == "bedrock" {
        Profile::OPENAI
    } else {
        profile
    }
}

#[test]
fn every_error_is_json_with_its_message_where_the_apis_clients_look_for_it() {
    let message = "a \"quote\",\r\na \\ and a \u{1F980}\0";
    for profile in Profile::ALL {
        for outcome in outcomes().map(|outcome| outcome.after(Duration::MAX)) {
            let json: Value = serde_json::from_str(&profile.error_json(&outcome, message)).unwrap();
            let found = match profile.name() {
                "generic" | "grpc" => &json["detail"],
                _ => &json["error"]["message"],
            };
            assert_eq!(found, message, "{profile:?} {json}");
        }
    }
}

#[test]
fn an_event_is_whole_whatever_is_in_it() {
    let event = as_error_event("{\n\"a\": 1\r\n}");
    assert_eq!(event, "event: error\ndata: {\ndata: \"a\": 1\ndata: }\n\n");
}

#[test]
fn prose_is_short_lower_case_and_names_nobody() {
    for outcome in outcomes() {
        let prose = explain(&outcome);
        assert!((10..60).contains(&prose.len()), "{prose}");
        assert!(
            !prose.contains(['.', ':', '/']) && !prose.contains(char::is_uppercase),
            "{prose}"
        );
    }
}
