//! The facts that a generation request states about itself.

use std::sync::Arc;

/// The facts that a generation request states about itself, as far as its body was read.
///
/// One component fills them from the beginning of the request body and puts them into the extensions of the request.
/// Layers read them there. `None` means that the request does not say it, or says it behind the part that was read.
///
/// # Clone
/// Clones share the name of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestFacts {
    /// The model that is asked for.
    pub model: Option<Arc<str>>,
    /// Whether the response is to be a stream.
    pub stream: Option<bool>,
    /// The limit on output tokens.
    pub max_tokens: Option<u64>,
    /// The number of choices (candidates) that are asked for.
    pub n: Option<u32>,
}
