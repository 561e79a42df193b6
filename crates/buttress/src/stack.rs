//! The layers in their order, as one layer.
//!
//! [`outbound`] goes around a client, [`inbound`] around a handler. Each slot has its default, and a setter that
//! takes the layer; which slot stands outside of which cannot be said, and so cannot be said wrongly. The
//! [guide](crate::guide::ordering) gives the reason for each arrow.
//!
//! ```no_run
//! use axum::{Router, body::Body, extract::State, response::Response, routing::post};
//! use buttress::{classify::Profile, respond::RespondLayer, stack};
//! use http::{Request, StatusCode};
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use std::convert::Infallible;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
//!
//! type Llm = BoxCloneSyncService<Request<Body>, Response, Infallible>;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), BoxError> {
//!     let llm = ServiceBuilder::new()
//!         .map_response(|answer: http::Response<_>| answer.map(Body::new))
//!         .layer(RespondLayer::new().after_retries(true)) // the handler wants answers
//!         .layer(stack::outbound(Profile::OPENAI))
//!         .service(Client::builder(TokioExecutor::new()).build_http());
//!     let app = Router::new().route("/chat", post(chat)).with_state(Llm::new(llm));
//!     let app = app.layer(stack::inbound());
//!     axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
//!     Ok(())
//! }
//!
//! async fn chat(State(llm): State<Llm>, prompt: Body) -> Result<Response, StatusCode> {
//!     let request = Request::post("http://127.0.0.1:8080/v1/chat/completions").body(prompt);
//!     let Ok(answer) = llm.oneshot(request.map_err(|_| StatusCode::BAD_REQUEST)?).await;
//!     Ok(answer)
//! }
//! ```
//!
//! The deadline that [`inbound`] has found reaches [`outbound`] without any plumbing, as
//! [`deadline::current`](crate::deadline::current()); where a key makes the call everybody's, that is the call's own.
//!
//! # What it costs
//! Around a small HTTP call that goes well at once: `outbound` some 8,400 instructions (1.2 µs) and ten small
//! allocations, `inbound` 2,800 and three. Most of it is requests and answers that are handed from layer to layer, and
//! what the retry keeps: its page says how to save that. With numbers in place of requests, retry and breaker take 240.

mod inbound;
mod outbound;

pub use inbound::{Inbound, InboundService, inbound};
pub use outbound::{Outbound, OutboundService, outbound};
