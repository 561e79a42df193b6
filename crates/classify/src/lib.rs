//! What an upstream's answer says, and what may be done about it.
//!
//! ```
//! use buttress_classify::Profile;
//! use buttress_core::{Acceptance, Classify, Kind};
//! use std::time::Duration;
//!
//! let response = http::Response::builder()
//!     .status(429)
//!     .header("retry-after-ms", "40")
//!     .body(String::new())?;
//!
//! let result: Result<_, &std::io::Error> = Ok(&response);
//! let outcome = Profile::OPENAI.classify(result).at_head();
//! assert_eq!(outcome.kind, Kind::Throttled);
//! assert_eq!(outcome.retry_after, Some(Duration::from_millis(40)));
//! // The provider turned the request away: trying again cannot bill it twice.
//! assert_eq!(outcome.acceptance, Acceptance::Rejected);
//! # Ok::<(), http::Error>(())
//! ```
//!
//! # When to use it
//!
//! Give a [`Profile`] to whatever asks a result how it went: a retry, a circuit breaker, a fallback.
//! Where the upstream is no HTTP, or where its answers are typed already, a closure is less:
//! [`buttress_core::classify_fn`].
//!
//! # Differences from others
//!
//! A provider's SDK knows what its own API says. Retry middleware tells by the status and the kind of an error, and reads
//! neither hints nor error bodies nor streams. Here it is data for each provider, and one reading for all layers.
//!
//! # How an answer is read
//!
//! 1. An [`Outcome`] that an inner layer left in the extensions of the response wins: it has seen more.
//! 2. The status, by the profile. Below 400 that is all (but for gRPC, see [`grpc`]): a success is
//!    told by one comparison, and none of its headers are looked at.
//! 3. The [`hints`] of the headers: how long to wait, whether to try again at all.
//! 4. The error body, where somebody has read it: [`Profile::error_body`]. In the middle of a stream,
//!    an event: [`Profile::stream_error`].
//!
//! An error instead of an answer is read by its source chain: [`transport`].
//!
//! A success at the head may still fail in its body: [`Profile::classify`] gives a [`Follow`], whose
//! [`Observer`] reads the body as it passes.
//!
//! # What statuses mean
//!
//! | status | openai, azure, anthropic | gemini, mistral, openrouter, vllm | groq | bedrock | generic | grpc |
//! |---|---|---|---|---|---|---|
//! | 200 | success | success | success | success | success | success |
//! | 302 | success | success | success | success | success | transient |
//! | 400 | invalid | invalid | invalid | invalid | invalid | invalid |
//! | 401 | invalid | invalid | invalid | invalid | invalid | invalid |
//! | 402 | out of quota | out of quota | out of quota | out of quota | invalid | invalid |
//! | 403 | invalid | invalid | invalid | invalid | invalid | invalid |
//! | 404 | invalid | invalid | invalid | invalid | invalid | invalid |
//! | 408 | transient | transient | transient | transient | transient | transient |
//! | 409 | transient | invalid | transient | invalid | invalid | invalid |
//! | 413 | invalid | invalid | invalid | invalid | invalid | invalid |
//! | 422 | invalid | invalid | invalid | invalid | invalid | invalid |
//! | 424 | invalid | invalid | invalid | transient | invalid | invalid |
//! | 429 | throttled \* | throttled \* | throttled \* | throttled \* | throttled | overloaded |
//! | 498 | invalid | invalid | overloaded \* | invalid | invalid | invalid |
//! | 500 | transient | transient | transient | transient | transient | transient |
//! | 501 | invalid | invalid | invalid | invalid | invalid | transient |
//! | 502 | transient | transient | transient | transient | transient | overloaded |
//! | 503 | overloaded | overloaded | overloaded | overloaded | overloaded | overloaded |
//! | 504 | transient | transient | transient | transient | transient | overloaded |
//! | 529 | overloaded \* | overloaded \* | overloaded \* | overloaded \* | overloaded | transient |
//!
//! \* proves by itself that the request was not taken on. A 503 of an LLM proves it if it comes with
//! the provider's own error body: without one, anything on the way may have sent it. The column of
//! gRPC is for answers without `grpc-status`. Every other 4xx is invalid, 505 too, and every other
//! status from 500 on is transient. [`Profile::status`] changes any of these from 400 on.
//!
//! # What a stream says
//!
//! | stream | profiles | content: the first that is not empty | error | end |
//! |---|---|---|---|---|
//! | chat chunks (`choices`), and the completions before them | all of LLMs | text, reasoning, refusal, tool call, image or audio of a delta | `error` in a chunk, with or without `choices`; `event: error`; `"finish_reason": "error"`; `"abort"`, after content only of vllm | `[DONE]` |
//! | typed events: OpenAI's responses, speech, transcripts, images | all of LLMs | `delta`, `audio`, picture of a `….delta` or `….partial_image` | `error`, `response.failed` | `response.completed`, `response.incomplete`, `….done`, `….completed` of their kind |
//! | typed events: Anthropic's messages | all of LLMs | text, thinking or JSON of a `content_block_delta` | `error` | `message_stop` |
//! | `candidates`, as Gemini's | all of LLMs | a part of a candidate | `error` | the body's, after a `finishReason` or `blockReason` |
//! | Bedrock's frames | bedrock | text, reasoning or tool input of a `contentBlockDelta`; a wrapped event of the above | any exception | `messageStop`; of wrapped events the body's |
//! | other events | generic | the first event with data | – | the body's |
//! | gRPC, by its content type or profile | all | the first byte | `grpc-status` | trailers |
//! | any other body, or a compressed one | all | the first byte | – | the body's |
//!
//! One API has several endpoints, and behind one door live models of many providers. So it is not the
//! profile that tells what a stream is made of, but the events: the first with content settles it. The
//! profile tells what an error means.
//!
//! Comments, pings, `message_start`, roles without text, Azure's filter results and empty or wrapped
//! heartbeats (`data: : keepalive`) are no content. An error event settles the outcome, whatever has come
//! before and whatever follows. A stream that ends without its end is [cut short]; one that breaks is
//! what its error says. Names are compared as they are written: no provider escapes them.
//!
//! # What we say ourselves
//!
//! An error of our own is no use to a client that cannot read it. [`Profile::error_json`] and
//! [`Profile::error_event`] put an outcome into the words of the API that the client thinks it is talking
//! to, and a profile of that name reads the same out of them again.
//!
//! # What it costs
//!
//! A success at the head costs three comparisons, and a lookup if its response has extensions; a failure
//! some lookups of headers, and its body at most a few walks over its first 16 KiB. None of that
//! allocates, and nothing here locks or reads a clock. No bytes of headers or bodies can make it panic, recurse or take longer than that.
//!
//! An [`Observer`] parses events up to the first content. After it, an event that fills a frame and
//! carries more of the same costs one pass over its bytes: some 70 instructions for a chunk of 64 bytes,
//! 210 for one of 300, on x86-64 with nothing but SSE2. It keeps, and allocates for, only what goes over
//! the end of a frame, up to 1 MiB of a line and as much of an event; and what Bedrock wraps, for as long
//! as it takes to look for content in it.
//!
//! # Features
//!
//! | feature | reads |
//! |---|---|
//! | `hyper` | errors of hyper and of hyper-util's pooled client |
//! | `h2` | resets and `GOAWAY`s, behind the errors of hyper and reqwest too |
//! | `reqwest` | `reqwest::Response` and `reqwest::Error`; turns on `hyper` |
//!
//! # Sources
//!
//! RFC 9110 §10.2.3 (`Retry-After`) and §15 (statuses) · RFC 9113 §6.8, §8.7 (streams that were not
//! processed) · gRFC A6 (push-back) · the error references and official SDKs of the providers.
//!
//! [`Outcome`]: buttress_core::Outcome
//! [`Profile::classify`]: buttress_core::Classify::classify
//! [cut short]: buttress_core::Outcome::TRUNCATED

mod classify;
mod data;
mod error;
mod error_body;
pub mod grpc;
pub mod hints;
mod json;
mod observe;
mod profile;
pub mod render;
mod status;
pub mod transport;

pub use classify::Follow;
pub use error::{InvalidStatus, UnknownProfile};
pub use observe::Observer;
pub use profile::Profile;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
