//! The wire format of Anthropic's messages.

use http::{HeaderValue, StatusCode};

use super::{
    answer::{Draft, Prompt, Trouble, quote, tokens},
    chunking::Piece,
    provider::anthropic as errors,
};

const ID: &str = "msg_01BUTTRESS00000000000001";
const DEFAULT_MODEL: &str = "claude-sonnet-4-5";

pub(super) fn message(prompt: &Prompt, count: usize) -> Draft {
    let draft = if prompt.stream {
        stream(prompt, count)
    } else {
        whole(prompt, count)
    };
    draft.header(
        "request-id",
        HeaderValue::from_static("req_buttress_anthropic"),
    )
}

pub(super) fn trouble(trouble: Trouble) -> Draft {
    let (status, body) = match trouble {
        Trouble::RateLimit => (429, errors::RATE_LIMIT.to_owned()),
        Trouble::Overloaded => (529, errors::OVERLOADED.to_owned()),
        Trouble::Quota => (402, errors::BILLING.to_owned()),
        Trouble::Server => (500, errors::API_ERROR.to_owned()),
        Trouble::Status(status) => (status.as_u16(), error_of(status)),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Draft::json(status, body, 0).header(
        "request-id",
        HeaderValue::from_static("req_buttress_anthropic"),
    )
}

fn error_of(status: StatusCode) -> String {
    let kind = match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    };
    let message = quote(status.canonical_reason().unwrap_or("error"));
    format!(r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}}}}"#)
}

fn whole(prompt: &Prompt, count: usize) -> Draft {
    let model = quote(prompt.model.as_deref().unwrap_or(DEFAULT_MODEL));
    let text = quote(&tokens(count).collect::<String>());
    let input = prompt.tokens;
    let body = format!(
        r#"{{"id":"{ID}","type":"message","role":"assistant","model":{model},"content":[{{"type":"text","text":{text}}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":{input},"output_tokens":{count}}}}}"#
    );
    Draft::json(StatusCode::OK, body, count)
}

fn stream(prompt: &Prompt, count: usize) -> Draft {
    let model = quote(prompt.model.as_deref().unwrap_or(DEFAULT_MODEL));
    let input = prompt.tokens;
    let mut events = vec![
        event(
            "message_start",
            &format!(
                r#","message":{{"id":"{ID}","type":"message","role":"assistant","model":{model},"content":[],"stop_reason":null,"stop_sequence":null,"usage":{{"input_tokens":{input},"output_tokens":1}}}}"#
            ),
        ),
        event(
            "content_block_start",
            r#","index":0,"content_block":{"type":"text","text":""}"#,
        ),
        event("ping", ""),
    ];
    events.extend(tokens(count).map(|text| {
        let text = quote(text);
        let delta = format!(r#","index":0,"delta":{{"type":"text_delta","text":{text}}}"#);
        Piece {
            tokens: 1,
            ..event("content_block_delta", &delta)
        }
    }));
    events.push(event("content_block_stop", r#","index":0"#));
    let delta = r#"{"stop_reason":"end_turn","stop_sequence":null}"#;
    let usage = format!(r#","delta":{delta},"usage":{{"output_tokens":{count}}}"#);
    events.push(event("message_delta", &usage));
    let error = Piece::new(format!("event: error\ndata: {}\n\n", errors::OVERLOADED), 0);
    Draft::events(events, error, event("message_stop", ""))
}

fn event(name: &str, rest: &str) -> Piece {
    Piece::new(
        format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n"),
        0,
    )
}
