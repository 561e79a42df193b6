//! A scripted LLM upstream, over real sockets or in memory.
//!
//! A [`Behaviour`] says, as plain data, how one request is answered; a [`Script`] says which behaviour
//! the n-th request gets; an [`Upstream`] plays a script and counts. The same upstream answers in memory
//! through [`Upstream::service`], where tokio's clock may be paused, and over TCP through [`Server`].
//!
//! # Endpoints
//!
//! | path | answer |
//! |---|---|
//! | `…/chat/completions` | OpenAI chat completion; SSE ending in `[DONE]` if the request says `"stream": true` |
//! | `…/messages` | Anthropic message; SSE with `ping`, ending in `message_stop`, if asked for |
//! | `/echo` | the request: body as it is, the rest in `x-echo-method`, `x-echo-uri`, `x-echo-field` |
//! | `/status/NNN` | that status |
//! | `/bytes/N` | N bytes |
//! | anything else | a line of text |
//!
//! The endpoints look at nothing but `stream` and `model` of a request; what cannot be parsed is answered
//! as if it had neither.

mod answer;
mod anthropic;
mod behaviour;
mod body;
mod chance;
mod chunking;
mod counts;
mod cut;
mod openai;
mod plain;
mod play;
pub mod provider;
mod raw;
mod script;
mod server;
mod service;
mod socket;
mod wire;

pub use behaviour::Behaviour;
pub use body::UpstreamBody;
pub use chance::{Chance, misbehaving_by_chance};
pub use counts::{Call, Counts, Stage, fingerprint};
pub use cut::Cut;
pub use play::Upstream;
pub use raw::RawServer;
pub use script::{Matcher, Script};
pub use server::Server;
pub use service::{ResponseFuture, UpstreamService};
