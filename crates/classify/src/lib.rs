//! What an upstream's answer says: provider profiles, hints, error bodies and transport errors.
//!
//! ```
//! use buttress_classify::Profile;
//! use buttress_core::{Classify, Kind, Verdict};
//! use std::time::Duration;
//!
//! let response = http::Response::builder()
//!     .status(429)
//!     .header("retry-after-ms", "40")
//!     .body(())?;
//!
//! let result: Result<_, &std::io::Error> = Ok(&response);
//! let outcome = Profile::OPENAI.classify(result).at_head();
//! assert_eq!(outcome.kind, Kind::Throttled);
//! assert_eq!(outcome.retry_after, Some(Duration::from_millis(40)));
//! # Ok::<(), http::Error>(())
//! ```

mod classify;
mod error_body;
pub mod grpc;
pub mod hints;
mod json;
mod profile;
mod status;
pub mod transport;

pub use profile::{InvalidStatus, Profile, UnknownProfile};
