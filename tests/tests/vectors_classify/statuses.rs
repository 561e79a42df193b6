//! Which statuses and error codes clients retry.

use buttress_classify::Profile;
use buttress_tests::{Listed, Suite, same, vectors};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use crate::id;

#[test]
fn statuses_are_retryable_as_the_sdks_have_them() {
    let mut suite = Suite::default();
    for vector in vectors("status_classification") {
        let client = id(&vector);
        let profile = profile_of(client);
        for (list, expected) in [("retryable", true), ("not_retryable", false)] {
            for entry in vector[list].as_array().unwrap() {
                let verdict = is_retryable(&profile, entry).and_then(|ours| same(ours, expected));
                let entry = entry.to_string();
                suite.judge(format!("{client}/{}", entry.trim_matches('"')), verdict);
            }
        }
    }
    suite.finish(LISTED);
}

fn profile_of(client: &str) -> Profile {
    match client {
        "openai_python" | "openai_node" | "litellm" | "portkey" => Profile::OPENAI,
        "anthropic_python" => Profile::ANTHROPIC,
        "mistral" => Profile::MISTRAL,
        "google_genai" => Profile::GEMINI,
        "aws_error_codes" => Profile::BEDROCK,
        "reqwest_retry"
        | "go_retryablehttp"
        | "smithy_http"
        | "stripe"
        | "envoy_gateway-error"
        | "envoy_retriable-4xx" => Profile::HTTP,
        other => panic!("whose statuses are those of {other}?"),
    }
}

fn is_retryable(profile: &Profile, entry: &Value) -> Result<bool, String> {
    let mut headers = HeaderMap::new();
    let status = match entry {
        Value::String(code) => {
            headers.insert("x-amzn-errortype", HeaderValue::from_str(code).unwrap());
            400
        }
        status => status.as_u64().unwrap(),
    };
    let status = u16::try_from(status).unwrap();
    let status = StatusCode::from_u16(status).map_err(|error| error.to_string())?;
    Ok(profile.error_body(status, &headers, &[]).is_retryable())
}

const LISTED: &[Listed] = &[
    ("openai_python/501", UNKNOWN_METHOD),
    ("reqwest_retry/501", UNKNOWN_METHOD),
    ("mistral/408", TIMED_OUT),
    ("portkey/408", TIMED_OUT),
    ("go_retryablehttp/408", TIMED_OUT),
    ("smithy_http/408", TIMED_OUT),
    ("mistral/529", OVERLOADED),
    ("google_genai/529", OVERLOADED),
    ("portkey/529", OVERLOADED),
    (
        "portkey/409",
        "OpenAI's own SDKs retry it, a gateway in front of many does not",
    ),
    ("smithy_http/429", TOO_MANY),
    ("stripe/429", TOO_MANY),
    ("envoy_gateway-error/429", TOO_MANY),
    ("envoy_retriable-4xx/429", TOO_MANY),
    ("envoy_gateway-error/500", ONE_OPTION),
    ("envoy_retriable-4xx/409", ONE_OPTION),
    ("envoy_retriable-4xx/500", ONE_OPTION),
    ("envoy_retriable-4xx/502", ONE_OPTION),
    (
        "stripe/409",
        "a conflict of any HTTP upstream may last; `Profile::status` says otherwise of one",
    ),
    (
        "go_retryablehttp/0",
        "no status, but Go's way of saying that there was no answer",
    ),
];

const UNKNOWN_METHOD: &str =
    "501 says that the server does not know the method: no attempt teaches it";
const TIMED_OUT: &str =
    "408 says that the server gave up waiting, and RFC 9110 lets the client repeat";
const OVERLOADED: &str =
    "529 means overloaded wherever it is sent; that client has not heard of it";
const TOO_MANY: &str = "429 is throttling, and passes; that client decides it elsewhere";
const ONE_OPTION: &str = "one of many options of a proxy, each of which retries a part";
