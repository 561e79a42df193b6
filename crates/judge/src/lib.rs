//! Looks into answers, so that the layers outside of it can act on what they say.
//!
//! ```
//! use buttress_classify::Profile;
//! use buttress_core::{Kind, Outcome};
//! use buttress_judge::JudgeLayer;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! // A 429 that no patience helps against.
//! let client = service_fn(|_prompt: Request<()>| async {
//!     let body = r#"{"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}"#;
//!     Response::builder().status(429).body(Full::<Bytes>::from(body))
//! });
//! let client = JudgeLayer::llm(Profile::OPENAI).layer(client);
//!
//! let answer = client.oneshot(Request::new(())).await?;
//! let outcome: &Outcome = answer.extensions().get().ok_or("not judged")?;
//! assert_eq!(outcome.kind, Kind::OutOfQuota);
//! let body = answer.into_body().collect().await?.to_bytes();
//! assert!(body.starts_with(b"{\"error\""), "the body is handed on whole");
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it, and when not
//!
//! Around every client of an LLM API: much of what it says is in the body. A 429 is a rate, an overload or
//! an unpaid bill; a 200 is a stream that may carry an error as its first event. Not where nobody outside
//! acts on outcomes.
//!
//! # Differences from others
//!
//! Neither tower nor tower-http looks into bodies. Middleware that does buffers whole answers; this one
//! reads no more than it needs, within a limit of bytes and of time, and hands on every byte.
//!
//! # Defaults
//!
//! An error answer is read up to 16 KiB, within a second; a stream is held, by [`JudgeLayer::llm`] alone, up to 64 KiB
//! and five seconds. The reasons are on the page of the [layer](JudgeLayer#defaults).
//!
//! # Where it goes in the stack
//!
//! Innermost around the client, outside of timeouts only: retry, circuit breaker and fallback outside of it
//! read the [`Outcome`] that it leaves in the extensions of a failed response. It is the only layer that
//! awaits a body in order to judge it; the others judge what passes.
//!
//! # What it costs
//!
//! A success that is no stream: no allocation, no timer, no clock. A stream that is held: the frames before
//! its first content are kept (two allocations for the list), and one timer if it pauses before that. The
//! caller gets the head of a stream together with its first content, and not before; a bidirectional gRPC
//! call whose client waits for the head before it speaks wants [`Hold::OFF`].
//!
//! An error answer whose body cannot change the verdict is not awaited: one without a body, a compressed one,
//! one of a profile that says everything in its status.
//!
//! An answer that is compressed (`Content-Encoding`) cannot be read: it is judged by its head alone, and a
//! compressed stream is not held. Ask the upstream for `Accept-Encoding: identity`.
//!
//! # Observability
//!
//! One event, of the target `buttress::judge`, at debug: `judged`, with `status`, `held_bytes`, `kind` and
//! `reason`, for each answer that turned out to be a failure.
//!
//! # Sources
//!
//! WHATWG HTML §9.2 (event streams) · the providers' error references and SDKs, named in
//! [`buttress_classify`]
//!
//! [`Outcome`]: buttress_core::Outcome

mod event;
mod future;
mod layer;
mod look;
mod service;

pub use future::ResponseFuture;
pub use layer::{Hold, JudgeLayer};
pub use service::Judge;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
