//! What the gateway says on stdout: where it listens, and what to try.

use std::io::{self, Write};
use std::net::SocketAddr;

/// A request of one API's shape.
struct Sample {
    path: &'static str,
    /// The key's field, which the shell completes.
    key: &'static str,
    /// Another field that is asked for.
    version: Option<&'static str>,
    /// Without the closing brace.
    body: &'static str,
}

const OPENAI: Sample = Sample {
    path: "/v1/chat/completions",
    key: "authorization: Bearer $OPENAI_API_KEY",
    version: None,
    body: r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Say hello"}]"#,
};

const ANTHROPIC: Sample = Sample {
    path: "/v1/messages",
    key: "x-api-key: $ANTHROPIC_API_KEY",
    version: Some("anthropic-version: 2023-06-01"),
    body: r#"{"model":"claude-haiku-4-5","max_tokens":64,"messages":[{"role":"user","content":"Say hello"}]"#,
};

/// Prints the address and two commands to paste, one for JSON and one for a stream.
///
/// Their paths are those of the profile, and of most others. A real upstream wants a key.
pub(crate) fn print(address: SocketAddr, profile: &str, real: bool) -> io::Result<()> {
    let sample = if profile == "anthropic" {
        &ANTHROPIC
    } else {
        &OPENAI
    };
    let Sample {
        path,
        key,
        version,
        body,
    } = sample;
    let fields: String = ["content-type: application/json"]
        .into_iter()
        .chain(*version)
        .chain(real.then_some(*key))
        .map(|field| format!(" -H \"{field}\""))
        .collect();
    let mut out = io::stdout().lock();
    writeln!(out, "listening on http://{address}")?;
    writeln!(out, "curl -i http://{address}{path}{fields} -d '{body}}}'")?;
    writeln!(
        out,
        "curl -iN http://{address}{path}{fields} -d '{body},\"stream\":true}}'"
    )?;
    out.flush()
}
