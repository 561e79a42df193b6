//! Server-sent events: an incremental parser, an encoder, and a tracker of event boundaries.
//!
//! ```
//! use buttress_sse::{Boundary, Encoder, Parser, Safe};
//!
//! let mut stream = Encoder::new();
//! stream.name("greeting")?.data("Hello,\nworld");
//! let stream = stream.take();
//!
//! let mut parser = Parser::new();
//! let mut chunk = stream.as_bytes();
//! if let Some(event) = parser.next_event(&mut chunk)? {
//!     assert_eq!(event.name(), "greeting");
//!     assert_eq!(event.data_bytes(), b"Hello,\nworld");
//! }
//!
//! // A proxy that forwards the stream could add a comment now, and nobody would notice.
//! let mut boundary = Boundary::new();
//! boundary.push(stream.as_bytes());
//! assert_eq!(boundary.safe(), Safe::Blank);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | type | what it is for |
//! |---|---|
//! | [`Parser`], [`Event`] | chunks in, events out |
//! | [`Encoder`] | events in, text out |
//! | [`Boundary`], [`Safe`] | where something may be put into a stream that passes by |
//! | [`LimitExceeded`], [`InvalidField`] | what is not accepted |
//!
//! # When to use it, and when not
//!
//! To look into streams that come in chunks, on their way to somebody else: nothing here awaits,
//! reads or spawns, and the crate knows neither tokio, tower nor http. A client that connects, and
//! connects again, is more than this; a server that only sends events has its framework's own.
//!
//! # Differences from others
//!
//! Most parsers of the registry turn each event into strings of its own, as streams of items need
//! them. Here an event is lent, from the chunk if it lies in one, and its text is decoded when it is
//! asked for. Bytes that are no UTF-8 become U+FFFD, as the specification has it, and are no error.
//! What is kept has a limit.
//!
//! # What it costs
//!
//! No locks, no timers. An event that lies in one chunk, with one line of data, is neither copied
//! nor allocated for; others are copied into buffers that are used again. [`Boundary`] is three
//! bytes and never allocates. All of them find the ends of lines by vector instructions.
//!
//! # Sources
//!
//! WHATWG HTML §9.2.5 and §9.2.6; the Encoding Standard's UTF-8 decoder.

mod boundary;
mod encoder;
mod error;
mod event;
mod field;
mod line;
mod parser;
mod pending;

pub use boundary::{Boundary, Safe};
pub use encoder::Encoder;
pub use error::{InvalidField, Limit, LimitExceeded};
pub use event::Event;
pub use parser::Parser;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
