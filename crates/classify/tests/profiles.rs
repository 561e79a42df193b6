//! Profiles as data, and as classifiers of heads.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::time::Duration;

use buttress_body::Observe;
use buttress_classify::{InvalidStatus, Profile};
use buttress_core::{Acceptance, Classify, Kind, Outcome, Reason, Sign};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Empty;

type Answer = Response<Empty<Bytes>>;

fn meaning(profile: &Profile, status: u16) -> Outcome {
    profile.meaning(StatusCode::from_u16(status).unwrap())
}

fn classify(profile: &Profile, response: &Answer) -> Outcome {
    let result: Result<_, &std::io::Error> = Ok(response);
    profile.classify(result).at_head()
}

fn answer(status: u16, headers: &[(&str, &str)]) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Empty::new()).unwrap()
}

/// The columns of the table, by profiles that read statuses alike.
const COLUMNS: [&[&str]; 6] = [
    &["openai", "azure", "anthropic"],
    &["gemini", "mistral", "openrouter", "vllm"],
    &["groq"],
    &["bedrock"],
    &["generic"],
    &["grpc"],
];

/// The rows: every status that any profile reads otherwise than its neighbours.
const ROWS: [u16; 20] = [
    200, 302, 400, 401, 402, 403, 404, 408, 409, 413, 422, 424, 429, 498, 500, 501, 502, 503, 504,
    529,
];

#[test]
fn the_table_in_the_documentation_is_what_profiles_do() {
    let named = |name: &&str| Profile::by_name(name).unwrap();
    let mut table = vec!["| status |".to_owned(), "|---|".to_owned()];
    for column in COLUMNS {
        table[0] += &format!(" {} |", column.join(", "));
        table[1] += "---|";
    }
    for status in ROWS {
        let mut row = format!("| {status} |");
        for column in COLUMNS {
            let read = meaning(&named(&column[0]), status);
            for other in column.iter().map(named) {
                assert_eq!(meaning(&other, status), read, "{other:?} {status}");
            }
            let proof = match read.acceptance {
                Acceptance::Rejected => " \\*",
                Acceptance::Answered | Acceptance::Unknown => "",
            };
            row += &format!(" {}{proof} |", read.kind.as_str().replace('_', " "));
        }
        table.push(row);
    }
    let table: String = table.iter().map(|row| format!("//! {row}\n")).collect();
    let source = include_str!("../src/lib.rs");
    assert!(source.contains(&table), "the table should be\n{table}");
}

#[test]
fn the_columns_and_rows_of_the_table_leave_nothing_out() {
    let named: Vec<_> = COLUMNS.into_iter().flatten().copied().collect();
    let all: Vec<_> = Profile::ALL.iter().map(Profile::name).collect();
    assert_eq!(named.len(), all.len());
    assert!(all.iter().all(|name| named.contains(name)));
    for status in (100..1000).filter(|status| !ROWS.contains(status)) {
        let read = |name: &str| meaning(&Profile::by_name(name).unwrap(), status);
        let llm = all
            .iter()
            .filter(|name| !["generic", "grpc"].contains(name));
        for name in llm {
            assert_eq!(read(name), read("generic"), "{name} {status}");
        }
    }
}

#[test]
fn a_name_finds_its_profile_and_a_wrong_one_is_told_the_right_ones() {
    for profile in Profile::ALL {
        let upper = profile.name().to_uppercase();
        assert_eq!(Profile::by_name(&upper).unwrap().name(), profile.name());
    }
    let error = Profile::by_name("clippy\n").unwrap_err().to_string();
    assert!(
        error.starts_with(r#"no profile "clippy\n"; there are openai, azure,"#),
        "{error}"
    );
    assert!(error.ends_with("generic, grpc"), "{error}");
}

#[test]
fn a_users_own_meaning_replaces_the_built_in_one() {
    const PROFILE: Profile = Profile::HTTP
        .status(409, Kind::Transient)
        .status(503, Kind::Invalid)
        .status(404, Kind::Success)
        .status(409, Kind::Throttled);
    assert_eq!(meaning(&PROFILE, 409).kind, Kind::Throttled);
    assert_eq!(meaning(&PROFILE, 503).kind, Kind::Invalid);
    assert_eq!(meaning(&PROFILE, 404), Outcome::SUCCESS);
    let missing = answer(404, &[("retry-after", "7")]);
    assert_eq!(classify(&PROFILE, &missing), Outcome::SUCCESS);
    assert_eq!(meaning(&PROFILE, 500), meaning(&Profile::HTTP, 500));

    let throttled = Profile::OPENAI.status(429, Kind::Overloaded);
    assert_eq!(meaning(&throttled, 429).acceptance, Acceptance::Rejected);
}

#[test]
fn nonsense_is_refused_with_its_number() {
    let refused = |status, kind| Profile::HTTP.try_status(status, kind).unwrap_err();
    for status in [0, 200, 399, 1000] {
        let error = refused(status, Kind::Transient);
        assert_eq!(error, InvalidStatus::Range { status });
        assert!(error.to_string().ends_with(&format!("not {status}")));
    }
    for kind in [Kind::Unavailable, Kind::Abandoned] {
        assert_eq!(refused(503, kind), InvalidStatus::Kind { kind });
    }
    let mut profile = Profile::HTTP;
    for status in 400..408 {
        profile = profile.try_status(status, Kind::Transient).unwrap();
    }
    let ninth = profile.try_status(408, Kind::Transient).unwrap_err();
    assert_eq!(ninth, InvalidStatus::TooMany);
    assert!(profile.try_status(400, Kind::Invalid).is_ok());
}

#[test]
fn f28_a_4xx_is_the_requests_own_fault_but_for_those_that_say_otherwise() {
    for profile in Profile::ALL {
        let retryable: Vec<u16> = (400..500)
            .filter(|status| meaning(&profile, *status).is_retryable())
            .collect();
        let expected: &[u16] = match profile.name() {
            "openai" | "azure" | "anthropic" => &[408, 409, 429],
            "groq" => &[408, 409, 429, 498],
            "bedrock" => &[408, 424, 429],
            _ => &[408, 429],
        };
        assert_eq!(retryable, expected, "{profile:?}");
    }
}

#[test]
fn an_outcome_that_an_inner_layer_left_wins_even_over_a_200() {
    let left = Outcome::TRUNCATED.after(Duration::from_secs(3));
    for (profile, status) in [
        (Profile::OPENAI, 200),
        (Profile::GRPC, 200),
        (Profile::HTTP, 400),
    ] {
        let mut response = answer(status, &[("retry-after", "7")]);
        response.extensions_mut().insert(left);
        assert_eq!(classify(&profile, &response), left);
    }
}

#[test]
fn the_first_to_find_a_failure_leaves_it_and_a_success_leaves_nothing() {
    let leave = |response: &mut _, outcome| {
        Classify::<Answer, std::io::Error>::leave(&Profile::HTTP, response, outcome);
    };
    let mut response = answer(500, &[]);
    leave(&mut response, Outcome::SUCCESS);
    assert!(response.extensions().is_empty());
    leave(&mut response, Outcome::TRUNCATED);
    leave(&mut response, Outcome::LOCAL);
    assert_eq!(response.extensions().get(), Some(&Outcome::TRUNCATED));
}

#[test]
fn hints_of_the_head_go_with_the_outcome_of_a_failure_only() {
    let hints = [("retry-after", "7"), ("x-should-retry", "false")];
    let failed = classify(&Profile::OPENAI, &answer(429, &hints));
    assert_eq!(failed.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(failed.should_retry, Some(false));
    assert!(!failed.is_retryable());
    assert_eq!(
        classify(&Profile::OPENAI, &answer(200, &hints)),
        Outcome::SUCCESS
    );

    let told = classify(
        &Profile::OPENAI,
        &answer(400, &[("x-should-retry", "true")]),
    );
    assert!(told.is_retryable());
}

#[test]
fn grpc_is_read_from_its_own_status_first() {
    let grpc = |status, headers: &[_]| classify(&Profile::GRPC, &answer(status, headers));
    assert_eq!(grpc(200, &[]), Outcome::SUCCESS);
    assert_eq!(grpc(200, &[("grpc-status", "0")]), Outcome::SUCCESS);
    assert_eq!(grpc(200, &[("grpc-status", "8")]).kind, Kind::Throttled);
    assert_eq!(grpc(503, &[("grpc-status", "3")]).kind, Kind::Invalid);
    assert_eq!(grpc(502, &[]).kind, Kind::Overloaded);
    assert_eq!(grpc(302, &[]).kind, Kind::Transient);
    let pushed = grpc(
        200,
        &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "250")],
    );
    assert_eq!(pushed.retry_after, Some(Duration::from_millis(250)));
    let forbidden = grpc(
        200,
        &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "x")],
    );
    assert_eq!(forbidden.should_retry, Some(false));
}

#[test]
fn bedrock_names_its_exceptions_in_the_head() {
    let head = answer(
        400,
        &[("x-amzn-errortype", "ServiceQuotaExceededException")],
    );
    assert_eq!(classify(&Profile::BEDROCK, &head).kind, Kind::OutOfQuota);
    assert_eq!(classify(&Profile::OPENAI, &head).kind, Kind::Invalid);
}

#[test]
fn reasons_of_statuses() {
    for (status, reason) in [
        (400, None),
        (401, Some(Reason::Credentials)),
        (402, Some(Reason::Billing)),
        (403, Some(Reason::Credentials)),
        (404, Some(Reason::NotFound)),
        (413, None),
        (429, Some(Reason::RateLimit)),
        (501, Some(Reason::NotFound)),
    ] {
        assert_eq!(meaning(&Profile::OPENAI, status).reason, reason, "{status}");
    }
}

#[test]
fn the_pings_of_a_profile_are_no_content_of_its_streams() {
    let mut head = HeaderMap::new();
    head.insert("content-type", "text/event-stream".parse().unwrap());
    for profile in Profile::ALL {
        for ping in profile.pings() {
            let event = format!("event: {ping}\ndata: {{\"type\": \"{ping}\"}}\n\n");
            let mut observer = profile.observer(StatusCode::OK, &head);
            assert_eq!(
                observer.data(event.as_bytes()),
                Sign::Nothing,
                "{profile:?}"
            );
        }
    }
    assert_eq!(Profile::ANTHROPIC.pings()[0], "ping");
    assert!(
        Profile::HTTP.pings().is_empty(),
        "an event of any name may matter"
    );
}
