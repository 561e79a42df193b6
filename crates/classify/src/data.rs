//! What is known about each provider.

use buttress_core::Outcome;

use crate::render::Shape;
use crate::status::{self, CONTEXT_WINDOW, Row, UNPAID_BILL};

/// The part of a profile that is the provider's, not the user's.
pub(crate) struct Data {
    pub(crate) name: &'static str,
    pub(crate) statuses: &'static [Row],
    pub(crate) dialect: Dialect,
    pub(crate) phrases: &'static [Phrase],
    pub(crate) idempotency_header: Option<&'static str>,
    /// Ends a stream that it gave up as it ends a whole one, but for its `finish_reason`.
    pub(crate) may_abort: bool,
    /// How errors of ours are written for its clients.
    pub(crate) error_shape: Shape,
    /// The names of events that say no more than that the connection lives.
    pub(crate) pings: &'static [&'static str],
}

/// A phrase in the message of a 400, where the provider has no better word for it.
pub(crate) type Phrase = (&'static str, Outcome);

/// Where an upstream says what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// In the status alone.
    Plain,
    /// In `grpc-status`, in headers or trailers, under HTTP 200.
    Grpc,
    /// In the words of `{"error": {"type", "code", "message"}}` and its many cousins.
    Words,
    /// In `{"error": {"code", "status", "message", "details"}}`: `google.rpc.Status` as JSON.
    Google,
    /// In the name of an exception, in a header or in the body.
    Aws,
}

pub(crate) static OPENAI: Data = llm("openai", status::OPENAI, Dialect::Words, &[]);
pub(crate) static AZURE: Data = llm("azure", status::OPENAI, Dialect::Words, &[]);
pub(crate) static ANTHROPIC: Data = Data {
    error_shape: Shape::Anthropic,
    ..llm("anthropic", status::ANTHROPIC, Dialect::Words, {
        &[
            ("prompt is too long", CONTEXT_WINDOW),
            ("credit balance is too low", UNPAID_BILL),
        ]
    })
};
pub(crate) static GEMINI: Data = Data {
    error_shape: Shape::Google,
    ..llm("gemini", status::LLM, Dialect::Google, {
        &[("exceeds the maximum number of tokens", CONTEXT_WINDOW)]
    })
};
pub(crate) static BEDROCK: Data = llm("bedrock", status::BEDROCK, Dialect::Aws, {
    &[("Input is too long for requested model", CONTEXT_WINDOW)]
});
pub(crate) static MISTRAL: Data = llm("mistral", status::LLM, Dialect::Words, CONTEXT_LENGTH);
pub(crate) static GROQ: Data = llm("groq", status::GROQ, Dialect::Words, &[]);
pub(crate) static OPENROUTER: Data = llm("openrouter", status::LLM, Dialect::Words, CONTEXT_LENGTH);
pub(crate) static VLLM: Data = Data {
    may_abort: true,
    ..llm("vllm", status::LLM, Dialect::Words, CONTEXT_LENGTH)
};
pub(crate) static HTTP: Data = Data {
    name: "generic",
    statuses: &[],
    dialect: Dialect::Plain,
    phrases: &[],
    // draft-ietf-httpapi-idempotency-key-header
    idempotency_header: Some("idempotency-key"),
    may_abort: false,
    error_shape: Shape::Problem,
    pings: &[],
};
pub(crate) static GRPC: Data = Data {
    name: "grpc",
    statuses: &[],
    dialect: Dialect::Grpc,
    phrases: &[],
    idempotency_header: None,
    may_abort: false,
    error_shape: Shape::Problem,
    pings: &[],
};

const CONTEXT_LENGTH: &[Phrase] = &[("maximum context length", CONTEXT_WINDOW)];

const fn llm(
    name: &'static str,
    statuses: &'static [Row],
    dialect: Dialect,
    phrases: &'static [Phrase],
) -> Data {
    Data {
        name,
        statuses,
        dialect,
        phrases,
        // None of them documents a header of which it says that a repeated key is not billed.
        idempotency_header: None,
        may_abort: false,
        error_shape: Shape::OpenAi,
        // Anthropic's, and that of OpenAI's responses: behind one door live models of many providers.
        pings: &["ping", "keepalive"],
    }
}
