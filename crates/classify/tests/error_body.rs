//! What the bodies of error answers say, and error events in streams.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::{Acceptance, Kind, Outcome, Reason};
use http::{HeaderMap, StatusCode};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

fn read(profile: &Profile, status: u16, body: &Value) -> Outcome {
    read_bytes(profile, status, body.to_string().as_bytes())
}

fn read_bytes(profile: &Profile, status: u16, body: &[u8]) -> Outcome {
    let status = StatusCode::from_u16(status).unwrap();
    profile.error_body(status, &HeaderMap::new(), body)
}

fn meaning(profile: &Profile, status: u16) -> Outcome {
    profile.meaning(StatusCode::from_u16(status).unwrap())
}

#[test]
fn f23_an_empty_account_is_not_asked_again() {
    let body = json!({ "error": {
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "type": "insufficient_quota", "param": null, "code": "insufficient_quota",
    }});
    for profile in [
        Profile::OPENAI,
        Profile::AZURE,
        Profile::GROQ,
        Profile::VLLM,
    ] {
        let outcome = read(&profile, 429, &body);
        assert_eq!(
            (outcome.kind, outcome.reason),
            (Kind::OutOfQuota, Some(Reason::Billing))
        );
        assert!(!outcome.is_retryable());
        assert_eq!(
            outcome.acceptance,
            Acceptance::Rejected,
            "as the status has it"
        );
    }
    let anthropic = json!({ "type": "error", "error": {
        "type": "invalid_request_error",
        "message": "Your credit balance is too low to access the Anthropic API.",
    }});
    let outcome = read(&Profile::ANTHROPIC, 400, &anthropic);
    assert_eq!(
        (outcome.kind, outcome.reason),
        (Kind::OutOfQuota, Some(Reason::Billing))
    );
}

fn exhausted(details: &Value) -> Value {
    json!({ "error": { "code": 429, "status": "RESOURCE_EXHAUSTED", "details": details } })
}

fn quota(id: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{ "quotaId": "Other" }, { "quotaId": id }] })
}

fn retry_info(delay: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay })
}

#[test]
fn f24_a_delay_in_the_body_is_read_to_the_nanosecond() {
    let body = exhausted(&json!([quota("PerMinute"), retry_info("45.837906927s")]));
    let outcome = read(&Profile::GEMINI, 429, &body);
    assert_eq!(outcome.kind, Kind::Throttled);
    assert_eq!(outcome.retry_after, Some(Duration::new(45, 837_906_927)));

    let in_array = read(&Profile::GEMINI, 429, &json!([body]));
    assert_eq!(in_array, outcome);
}

#[test]
fn f24_what_is_no_length_of_time_is_absent() {
    for delay in [
        "-5s",
        "30",
        "1m",
        "1.0000000001s",
        "1e3s",
        "315576000001s",
        "s",
        ".5s",
        "",
    ] {
        let outcome = read(
            &Profile::GEMINI,
            429,
            &exhausted(&json!([retry_info(delay)])),
        );
        assert_eq!(outcome.retry_after, None, "{delay}");
    }
}

#[test]
fn f24_a_quota_of_the_day_is_not_asked_again_whatever_delay_comes_with_it() {
    let daily = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier");
    for details in [
        json!([daily, retry_info("26s")]),
        json!([retry_info("26s"), daily]),
    ] {
        let outcome = read(&Profile::GEMINI, 429, &exhausted(&details));
        assert_eq!(
            (outcome.kind, outcome.reason),
            (Kind::OutOfQuota, Some(Reason::DailyQuota))
        );
        assert_eq!(outcome.retry_after, None);
    }
}

#[test]
fn a_hint_of_the_headers_is_nearer_than_one_of_the_body() {
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", "2".parse().unwrap());
    let body = exhausted(&json!([retry_info("26s")])).to_string();
    let status = StatusCode::TOO_MANY_REQUESTS;
    let outcome = Profile::GEMINI.error_body(status, &headers, body.as_bytes());
    assert_eq!(outcome.retry_after, Some(Duration::from_secs(2)));
}

#[test]
fn f29_no_word_makes_an_outage_the_requests_own_fault() {
    let words = [
        "insufficient_quota",
        "context_length_exceeded",
        "content_filter",
        "invalid_api_key",
        "model_not_found",
        "invalid_request_error",
        "ValidationException",
        "INVALID_ARGUMENT",
    ];
    let prose = "maximum context length, prompt is too long, credit balance is too low";
    for profile in Profile::ALL {
        for (word, status) in words
            .iter()
            .flat_map(|word| [(word, 500), (word, 502), (word, 503)])
        {
            let body = json!({ "__type": word, "message": prose, "error": {
                "type": word, "code": word, "status": word, "message": prose,
            }});
            let outcome = read(&profile, status, &body);
            assert_eq!(
                outcome.kind,
                meaning(&profile, status).kind,
                "{profile:?} {status} {word}"
            );
        }
    }
}

#[test]
fn f29_prose_alone_changes_nothing_that_matters() {
    let prose = "Rate limit! Overloaded! Please retry after 6 seconds, the prompt is too long, \
                 maximum context length, credit balance is too low, Input is too long for requested \
                 model, exceeds the maximum number of tokens";
    for profile in Profile::ALL {
        for status in 400..600 {
            let body = json!({ "message": prose, "error": { "message": prose } });
            let (by_status, outcome) = (meaning(&profile, status), read(&profile, status, &body));
            assert_eq!(
                outcome.is_retryable(),
                by_status.is_retryable(),
                "{profile:?} {status}"
            );
            assert_eq!(outcome.retry_after, None);
            assert!(
                (outcome.kind, outcome.reason) == (by_status.kind, by_status.reason)
                    || status == 400,
                "{profile:?} {status}"
            );
        }
    }
}

#[test]
fn no_word_makes_a_status_retryable_that_is_not() {
    for status in [400, 401, 402, 404, 413, 422, 501, 505] {
        for word in [
            "rate_limit_exceeded",
            "overloaded_error",
            "server_error",
            "slow_down",
        ] {
            let outcome = read(
                &Profile::OPENAI,
                status,
                &json!({ "error": { "code": word } }),
            );
            assert!(!outcome.is_retryable(), "{status} {word}");
        }
    }
}

#[test]
fn a_vague_word_takes_nothing_from_its_status() {
    let body = json!({ "error": { "type": "invalid_request_error", "message": "locked" } });
    for status in [401, 404, 409, 429] {
        let by_status = meaning(&Profile::OPENAI, status);
        assert_eq!(read(&Profile::OPENAI, status, &body), by_status);
    }
}

#[test]
fn a_429_is_four_different_things() {
    let body = |kind: &str| json!({ "error": { "type": kind, "code": null, "message": "m" } });
    let kind = |word: &str| read(&Profile::OPENAI, 429, &body(word)).kind;
    assert_eq!(kind("tokens"), Kind::Throttled);
    assert_eq!(kind("server_error"), Kind::Overloaded);
    assert_eq!(kind("insufficient_quota"), Kind::OutOfQuota);
    let daily = exhausted(&json!([quota("TokensPerDay")]));
    let daily = read(&Profile::GEMINI, 429, &daily);
    assert_eq!(daily.reason, Some(Reason::DailyQuota));
}

#[test]
fn reasons_come_from_codes_and_from_prose_only_where_there_is_no_code() {
    let reason = |profile, status, body: Value| {
        let outcome = read(&profile, status, &body);
        assert_eq!(outcome.kind, Kind::Invalid);
        outcome.reason
    };
    let coded = |kind: &str, code: &str| json!({ "error": { "type": kind, "code": code } });
    let said = |message: &str| json!({ "error": { "message": message }, "message": message });
    let window = Some(Reason::ContextWindow);

    let code = coded("invalid_request_error", "context_length_exceeded");
    assert_eq!(reason(Profile::OPENAI, 400, code), window);
    let long = "This model's maximum context length is 4096 tokens.";
    assert_eq!(reason(Profile::VLLM, 400, said(long)), window);
    assert_eq!(reason(Profile::OPENAI, 400, said(long)), None);
    let long = "prompt is too long: 210000 tokens > 200000 maximum";
    assert_eq!(reason(Profile::ANTHROPIC, 400, said(long)), window);

    let filter = coded("invalid_request_error", "content_filter");
    assert_eq!(
        reason(Profile::AZURE, 400, filter),
        Some(Reason::ContentPolicy)
    );
    let both = json!({ "object": "error", "code": "content_filter",
                       "message": "within the maximum context length" });
    assert_eq!(
        reason(Profile::MISTRAL, 400, both),
        Some(Reason::ContentPolicy)
    );
    let key = json!([{ "error": { "code": 400, "status": "INVALID_ARGUMENT", "details": [
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" },
    ]}}]);
    assert_eq!(reason(Profile::GEMINI, 400, key), Some(Reason::Credentials));
    // Too large for the rate: it will not fit the next minute either.
    let groq = coded("tokens", "rate_limit_exceeded");
    assert_eq!(reason(Profile::GROQ, 413, groq), None);
}

#[test]
fn a_503_proves_that_nothing_was_taken_on_if_the_provider_itself_says_it() {
    let theirs = json!({ "error": { "message": "Slow Down" } });
    let html = b"<html><h1>503 Service Temporarily Unavailable</h1></html>";
    for profile in Profile::ALL {
        let knows = |name| profile.name() == name;
        let bedrock = json!({ "__type": "ServiceUnavailableException" });
        let body = if knows("bedrock") { &bedrock } else { &theirs };
        let expected = match knows("generic") || knows("grpc") {
            true => read_bytes(&profile, 503, html).acceptance,
            false => Acceptance::Rejected,
        };
        assert_eq!(
            read(&profile, 503, body).acceptance,
            expected,
            "{profile:?}"
        );
        assert_eq!(
            read_bytes(&profile, 503, html).acceptance,
            Acceptance::Answered
        );
    }
}

#[test]
fn an_exception_of_aws_counts_for_more_than_its_status() {
    let mut headers = HeaderMap::new();
    let value = "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/";
    headers.insert("x-amzn-errortype", value.parse().unwrap());
    let status = StatusCode::BAD_REQUEST;
    assert_eq!(
        Profile::BEDROCK.error_body(status, &headers, b"").kind,
        Kind::Throttled
    );

    let body = json!({ "__type": "com.amazon.coral.service#ThrottlingException" });
    assert_eq!(read(&Profile::BEDROCK, 400, &body).kind, Kind::Throttled);
    let unknown = json!({ "__type": "TeapotException" });
    assert_eq!(read(&Profile::BEDROCK, 400, &unknown).kind, Kind::Invalid);
}

#[test]
fn a_meaning_of_the_users_own_outdoes_the_body() {
    let profile = Profile::OPENAI.status(429, Kind::Overloaded);
    let outcome = read(
        &profile,
        429,
        &json!({ "error": { "code": "insufficient_quota" } }),
    );
    assert_eq!(outcome.kind, Kind::Overloaded);
}

#[test]
fn f22_an_error_under_200_is_one() {
    let error = json!({ "error": { "code": 502, "message": "provider returned error" } });
    assert_eq!(
        read(&Profile::OPENROUTER, 200, &error).kind,
        Kind::Transient
    );
    let fine = json!({ "id": "1", "error": null, "choices": [] });
    assert_eq!(read(&Profile::OPENROUTER, 200, &fine), Outcome::SUCCESS);
}

#[test]
fn f21_every_shape_of_an_error_event_is_seen_and_nothing_else() {
    let seen = |profile: Profile, event, data: Value| {
        profile
            .stream_error(event, data.to_string().as_bytes())
            .map(|outcome| outcome.kind)
    };
    let error = |code: Value| json!({ "error": { "code": code } });
    let old_vllm = json!({ "object": "error", "type": "BadRequestError", "code": 400 });
    assert_eq!(
        seen(Profile::OPENROUTER, None, error(json!(429))),
        Some(Kind::Throttled)
    );
    assert_eq!(
        seen(Profile::OPENROUTER, None, error(json!("402"))),
        Some(Kind::OutOfQuota)
    );
    assert_eq!(
        seen(Profile::OPENAI, None, error(json!(null))),
        Some(Kind::Transient)
    );
    assert_eq!(seen(Profile::VLLM, None, old_vllm), Some(Kind::Invalid));
    assert_eq!(
        seen(Profile::VLLM, None, json!({ "error": "engine died" })),
        Some(Kind::Transient)
    );
    assert_eq!(
        seen(Profile::ANTHROPIC, Some("error"), json!("??")),
        Some(Kind::Transient)
    );
    let failed = json!({ "type": "response.failed", "response": { "id": "r" } });
    assert_eq!(seen(Profile::OPENAI, None, failed), Some(Kind::Transient));
    let overloaded = json!({ "error": { "type": "overloaded_error" } });
    assert_eq!(
        seen(Profile::GEMINI, None, overloaded),
        Some(Kind::Overloaded)
    );
    assert_eq!(
        seen(Profile::BEDROCK, Some("teapotException"), json!({})),
        Some(Kind::Transient)
    );

    for (profile, event, data) in [
        (Profile::OPENAI, None, json!("[DONE]")),
        (
            Profile::OPENAI,
            None,
            json!({ "choices": [{ "delta": { "content": "\"error\":{}" } }] }),
        ),
        (
            Profile::OPENAI,
            None,
            json!({ "type": "response.completed", "response": { "error": {} } }),
        ),
        (Profile::ANTHROPIC, Some("ping"), json!({ "type": "ping" })),
        (
            Profile::BEDROCK,
            Some("contentBlockDelta"),
            json!({ "delta": { "text": "Exception" } }),
        ),
        (Profile::HTTP, Some("error"), json!({ "error": {} })),
    ] {
        assert_eq!(
            seen(profile, event, data.clone()),
            None,
            "{profile:?} {data}"
        );
    }
}

#[test]
fn f18_an_error_in_the_middle_of_a_stream_proves_no_refusal() {
    let data = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let by_word = Profile::ANTHROPIC.stream_error(Some("error"), data);
    assert_eq!(by_word.unwrap().acceptance, Acceptance::Answered);
    let by_status = Profile::OPENROUTER.stream_error(None, br#"{"error":{"code":429}}"#);
    assert_eq!(by_status.unwrap().acceptance, Acceptance::Answered);
}

/// A body of every dialect at once, that can be cut anywhere.
fn everything() -> String {
    json!({
        "type": "error", "__type": "ThrottlingException", "message": "prompt is too long",
        "error": {
            "type": "server_error", "code": "rate_limit_exceeded", "status": "UNAVAILABLE",
            "details": [quota("PerDay"), retry_info("1.5s")], "metadata": { "reasons": ["é"] },
        },
    })
    .to_string()
}

proptest! {
    #[test]
    fn no_body_bytes_panic(
        profile in 0..Profile::ALL.len(),
        status in 100..1000_u16,
        body in prop::collection::vec(any::<u8>(), 0..200),
        event in prop::option::of("[a-zA-Z#:]{0,20}|error"),
    ) {
        let profile = &Profile::ALL[profile];
        read_bytes(profile, status, &body);
        let outcome = profile.stream_error(event.as_deref(), &body);
        prop_assert!(outcome.is_none_or(|outcome| !outcome.is_success()));
    }

    #[test]
    fn a_body_cut_or_broken_anywhere_says_less_and_never_the_opposite(
        profile in 0..Profile::ALL.len(),
        status in 400..600_u16,
        cut in 0..500_usize,
        broken in any::<(usize, u8)>(),
    ) {
        let profile = &Profile::ALL[profile];
        let mut body = everything().into_bytes();
        body.truncate(cut);
        let by_status = meaning(profile, status);
        for broken in [None, Some(broken)] {
            if let (Some((at, byte)), false) = (broken, body.is_empty()) {
                let at = at % body.len();
                body[at] = byte;
            }
            let outcome = read_bytes(profile, status, &body);
            let may_rise = profile.name() == "bedrock" && status < 500;
            prop_assert!(by_status.is_retryable() || !outcome.is_retryable() || may_rise);
            prop_assert!(status < 500 || outcome.is_retryable() == by_status.is_retryable());
        }
    }

    #[test]
    fn depth_and_length_are_no_weapon(open in "[\\[{\"]", status in 400..600_u16) {
        let body = open.repeat(1_000_000);
        for profile in &Profile::ALL {
            let outcome = read_bytes(profile, status, body.as_bytes());
            prop_assert_eq!(outcome.kind, meaning(profile, status).kind);
        }
    }
}
