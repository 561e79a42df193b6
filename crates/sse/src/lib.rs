//! Server-sent events: an incremental parser.

mod error;
mod event;
mod field;
mod line;
mod parser;
mod pending;

pub use error::{Limit, LimitExceeded};
pub use event::Event;
pub use parser::Parser;
