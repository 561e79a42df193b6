//! What the gateway says on stdout: where it listens, and what to try.

use std::io::{self, Write};
use std::net::SocketAddr;

/// A request of one API's shape.
struct Sample {
    path: &'static str,
    /// Fields besides the content type; the shell puts the key in.
    fields: &'static [&'static str],
    /// Without the closing brace.
    body: &'static str,
}

const OPENAI: Sample = Sample {
    path: "/v1/chat/completions",
    fields: &["authorization: Bearer $OPENAI_API_KEY"],
    body: r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Say hello"}]"#,
};

const ANTHROPIC: Sample = Sample {
    path: "/v1/messages",
    fields: &[
        "x-api-key: $ANTHROPIC_API_KEY",
        "anthropic-version: 2023-06-01",
    ],
    body: r#"{"model":"claude-haiku-4-5","max_tokens":64,"messages":[{"role":"user","content":"Say hello"}]"#,
};

/// Prints the address and two commands to paste, one for JSON and one for a stream.
pub(crate) fn print(address: SocketAddr, profile: &str) -> io::Result<()> {
    let sample = if profile == "anthropic" {
        &ANTHROPIC
    } else {
        &OPENAI
    };
    let mut out = io::stdout().lock();
    writeln!(out, "listening on http://{address}")?;
    writeln!(out, "{}", sample.curl(address, "curl -i", "}"))?;
    writeln!(
        out,
        "{}",
        sample.curl(address, "curl -iN", r#","stream":true}"#)
    )?;
    out.flush()
}

impl Sample {
    fn curl(&self, address: SocketAddr, curl: &str, rest: &str) -> String {
        let Self { path, fields, body } = self;
        let fields: String = fields
            .iter()
            .map(|field| format!(" -H \"{field}\""))
            .collect();
        format!(
            "{curl} http://{address}{path} -H 'content-type: application/json'{fields} -d '{body}{rest}'"
        )
    }
}
