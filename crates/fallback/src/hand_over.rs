//! To be served later.

use std::future::Future;

use buttress_core::{BoxError, Outcome};

/// Takes a request that nobody can serve now: a queue, a table, a human's inbox.
///
/// ```
/// use buttress_core::{BoxError, Failure, Outcome};
/// use buttress_fallback::HandOver;
/// use tokio::sync::mpsc;
///
/// /// Tickets for whoever reads the channel.
/// struct Inbox(mpsc::Sender<String>);
///
/// impl HandOver<String> for Inbox {
///     type Response = String;
///
///     async fn hand_over(&self, question: String, _why: Outcome) -> Result<String, BoxError> {
///         let full = |error| Failure::new(Outcome::QUEUE_FULL, error);
///         self.0.try_send(question).map_err(|error| full(error.to_string()))?;
///         Ok("somebody will look into it".into())
///     }
/// }
/// ```
pub trait HandOver<Req> {
    /// Says that the request has been taken: of HTTP a 202, as a rule.
    type Response;

    /// Takes the request, which the last who was asked has failed for the reason `why`. Once this is ready, the
    /// request must be as safe as the queue promises.
    ///
    /// Of HTTP it has neither a deadline nor, as a rule, [credentials](crate::Tier::hand_over).
    ///
    /// An error lets the next tier be asked, and tells its outcome if it is a
    /// [`Failure`](buttress_core::Failure). Dropped before it is ready, it may have taken the request or not.
    fn hand_over(
        &self,
        request: Req,
        why: Outcome,
    ) -> impl Future<Output = Result<Self::Response, BoxError>> + Send;
}
