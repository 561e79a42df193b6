//! The wire format of OpenAI's chat completions.

use http::{HeaderValue, StatusCode};

use super::{
    answer::{Draft, Prompt, Trouble, quote, tokens},
    chunking::Piece,
    provider::openai as errors,
};

const ID: &str = "chatcmpl-BUTTRESS0000000000000000001";
const CREATED: u64 = 1_767_225_600;
const DEFAULT_MODEL: &str = "gpt-4o-mini";

pub(super) fn completion(prompt: &Prompt, count: usize) -> Draft {
    let draft = if prompt.stream {
        stream(prompt, count)
    } else {
        whole(prompt, count)
    };
    draft.header(
        "x-request-id",
        HeaderValue::from_static("req_buttress_openai"),
    )
}

pub(super) fn trouble(trouble: Trouble) -> Draft {
    let (status, body) = match trouble {
        Trouble::RateLimit => (StatusCode::TOO_MANY_REQUESTS, errors::RATE_LIMIT.to_owned()),
        Trouble::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            errors::OVERLOADED.to_owned(),
        ),
        Trouble::Quota => (
            StatusCode::TOO_MANY_REQUESTS,
            errors::INSUFFICIENT_QUOTA.to_owned(),
        ),
        Trouble::Server => (
            StatusCode::INTERNAL_SERVER_ERROR,
            errors::SERVER_ERROR.to_owned(),
        ),
        Trouble::Status(status) => (status, error_of(status)),
    };
    Draft::json(status, body, 0).header(
        "x-request-id",
        HeaderValue::from_static("req_buttress_openai"),
    )
}

fn error_of(status: StatusCode) -> String {
    let kind = match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "requests",
        400..500 => "invalid_request_error",
        _ => "server_error",
    };
    let message = quote(status.canonical_reason().unwrap_or("error"));
    format!(r#"{{"error":{{"message":{message},"type":"{kind}","param":null,"code":null}}}}"#)
}

fn whole(prompt: &Prompt, count: usize) -> Draft {
    let model = quote(prompt.model.as_deref().unwrap_or(DEFAULT_MODEL));
    let content = quote(&tokens(count).collect::<String>());
    let usage = usage(prompt, count);
    let body = format!(
        r#"{{"id":"{ID}","object":"chat.completion","created":{CREATED},"model":{model},"choices":[{{"index":0,"message":{{"role":"assistant","content":{content},"refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{usage}}}"#
    );
    Draft::json(StatusCode::OK, body, count)
}

fn stream(prompt: &Prompt, count: usize) -> Draft {
    let model = quote(prompt.model.as_deref().unwrap_or(DEFAULT_MODEL));
    let chunk = |rest: String| {
        format!(
            "data: {{\"id\":\"{ID}\",\"object\":\"chat.completion.chunk\",\"created\":{CREATED},\"model\":{model},{rest}}}\n\n"
        )
    };
    let delta = |delta: String, reason: &str| {
        chunk(format!(
            r#""choices":[{{"index":0,"delta":{{{delta}}},"logprobs":null,"finish_reason":{reason}}}]"#
        ))
    };
    let mut events = vec![Piece::new(
        delta(r#""role":"assistant","content":"""#.to_owned(), "null"),
        0,
    )];
    events.extend(
        tokens(count)
            .map(|text| Piece::new(delta(format!(r#""content":{}"#, quote(text)), "null"), 1)),
    );
    events.push(Piece::new(delta(String::new(), r#""stop""#), 0));
    if prompt.include_usage {
        let usage = usage(prompt, count);
        events.push(Piece::new(
            chunk(format!(r#""choices":[],"usage":{usage}"#)),
            0,
        ));
    }
    let error = Piece::new(format!("data: {}\n\n", errors::SERVER_ERROR), 0);
    Draft::events(events, error, Piece::new("data: [DONE]\n\n", 0))
}

fn usage(prompt: &Prompt, count: usize) -> String {
    let (input, total) = (prompt.tokens, prompt.tokens + count);
    format!(r#"{{"prompt_tokens":{input},"completion_tokens":{count},"total_tokens":{total}}}"#)
}
