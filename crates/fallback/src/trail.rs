//! Who has been asked for a call, as a fallback further inside sees it.

use std::num::NonZeroU32;

use crate::name::TierName;

/// Who has been asked for this call, and how many attempts are left for it.
///
/// In the extensions of a request that goes to a tier. A fallback that the tier has inside of it reads it, so
/// that nobody is asked twice and attempts do not multiply.
#[derive(Debug, Clone)]
pub struct Trail {
    pub(crate) visited: Vec<TierName>,
    pub(crate) attempts_left: u32,
}

/// What one call asks for, in the extensions of its request, in place of the layer's settings.
///
/// ```
/// use buttress_fallback::FallbackOverride;
///
/// let mut request = http::Request::post("https://api.example/v1/messages").body(())?;
/// // This one must be answered by the model that it names, or not at all.
/// request.extensions_mut().insert(FallbackOverride::OFF);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FallbackOverride {
    pub(crate) max_attempts: Option<NonZeroU32>,
}

impl FallbackOverride {
    /// The primary alone: nothing is kept of the request.
    pub const OFF: Self = Self { max_attempts: None };

    /// No more attempts than that, the primary's included; answers of our own are none.
    #[must_use]
    pub const fn max_attempts(attempts: NonZeroU32) -> Self {
        Self {
            max_attempts: Some(attempts),
        }
    }
}
