//! The paths that are no LLM's.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE, request::Parts};

use super::{
    answer::{Content, Draft, Trouble},
    chunking::Piece,
};

/// As much as `/bytes/N` gives.
const MAX_BYTES: usize = 1 << 30;

/// The chunks in which `/bytes/N` gives it.
static BLOCK: [u8; 64 * 1024] = [b'b'; 64 * 1024];

pub(super) fn answer(head: &Parts, body: &[Bytes]) -> Draft {
    let path = head.uri.path();
    if path == "/echo" {
        echo(head, body)
    } else if let Some(status) = parameter(path, "/status/") {
        text(status, &reason(status))
    } else if let Some(count) = parameter(path, "/bytes/") {
        bytes(count)
    } else {
        text(StatusCode::OK, "the upstream stands")
    }
}

pub(super) fn trouble(trouble: Trouble) -> Draft {
    let status = match trouble {
        Trouble::RateLimit | Trouble::Quota => StatusCode::TOO_MANY_REQUESTS,
        Trouble::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        Trouble::Server => StatusCode::INTERNAL_SERVER_ERROR,
        Trouble::Status(status) => status,
    };
    text(status, &reason(status))
}

/// The request, as it came.
fn echo(head: &Parts, body: &[Bytes]) -> Draft {
    let bytes = HeaderValue::from_static("application/octet-stream");
    let content_type = head.headers.get(CONTENT_TYPE).cloned().unwrap_or(bytes);
    let chunks = body
        .iter()
        .map(|bytes| Piece::new(bytes.clone(), 0))
        .collect();
    let content = Content::Whole(chunks);
    let mut draft = Draft::new(StatusCode::OK, content_type, content);
    let fields = head.headers.iter().map(|(name, value)| {
        (
            "x-echo-field",
            [name.as_str().as_bytes(), b": ", value.as_bytes()].concat(),
        )
    });
    let method = ("x-echo-method", head.method.as_str().into());
    let target = head
        .uri
        .path_and_query()
        .map_or("*", |target| target.as_str());
    let uri = ("x-echo-uri", target.into());
    for (name, value) in [method, uri].into_iter().chain(fields) {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            draft = draft.header(name, value);
        }
    }
    draft
}

fn bytes(count: usize) -> Draft {
    if count > MAX_BYTES {
        return text(StatusCode::BAD_REQUEST, "too many bytes");
    }
    let block = |len| Piece::new(Bytes::from_static(&BLOCK[..len]), 0);
    let mut blocks = vec![block(BLOCK.len()); count / BLOCK.len()];
    blocks.push(block(count % BLOCK.len()));
    let content = Content::Whole(blocks);
    Draft::new(
        StatusCode::OK,
        HeaderValue::from_static("application/octet-stream"),
        content,
    )
}

fn text(status: StatusCode, text: &str) -> Draft {
    let content = Content::Whole(vec![Piece::new(format!("{text}\n"), 0)]);
    Draft::new(
        status,
        HeaderValue::from_static("text/plain; charset=utf-8"),
        content,
    )
}

fn reason(status: StatusCode) -> String {
    status
        .canonical_reason()
        .map_or_else(|| format!("status {}", status.as_u16()), str::to_lowercase)
}

fn parameter<T: std::str::FromStr>(path: &str, prefix: &str) -> Option<T> {
    path.strip_prefix(prefix)?.parse().ok()
}
