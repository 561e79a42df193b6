//! Errors of our own, in the words of the API that the client thinks it is talking to.

mod said;
mod text;

use buttress_core::Outcome;
use buttress_sse::Encoder;

use crate::profile::Profile;

pub use text::explain;

/// In which shape an API's clients expect an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `{"error": {"message", "type", "param", "code"}}`, as most of them have it.
    OpenAi,
    /// `{"type": "error", "error": {"type", "message"}}`.
    Anthropic,
    /// `google.rpc.Status` as JSON.
    Google,
    /// RFC 9457, where the API has no shape of its own.
    Problem,
}

impl Profile {
    /// The JSON body of an error answer that says this, in the shape of this API. It is one line.
    ///
    /// `message` is prose for a human: it must not name an upstream's host or anything else that is not
    /// the client's business. [`explain`] has some to offer. The words beside it are the
    /// API's own for the outcome's kind and reason, so that its SDKs, and a profile of this name, read the
    /// same out of it. A refusal of our own reads as an overload, since it looks like one from there. Generic HTTP and
    /// gRPC know no words for it: of a stream of theirs, its problem details are read by humans only.
    ///
    /// ```
    /// use buttress_classify::Profile;
    /// use buttress_core::{Kind, Outcome};
    ///
    /// let overloaded = Outcome::new(Kind::Overloaded);
    /// assert_eq!(
    ///     Profile::ANTHROPIC.error_json(&overloaded, "busy"),
    ///     r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#
    /// );
    /// ```
    #[must_use]
    pub fn error_json(&self, outcome: &Outcome, message: &str) -> String {
        let said = said::said(outcome);
        let json = match self.error_shape() {
            Shape::OpenAi => said::openai,
            Shape::Anthropic => said::anthropic,
            Shape::Google => said::google,
            Shape::Problem => said::problem,
        };
        json(&said, outcome, message)
    }

    /// The same as an event of a stream, named `error`: for an answer whose head is gone already.
    ///
    /// ```
    /// use buttress_classify::Profile;
    /// use buttress_core::{Kind, Outcome};
    ///
    /// let event = Profile::GEMINI.error_event(&Outcome::new(Kind::Transient), "try again");
    /// assert_eq!(event, "event: error\ndata: {\"error\":{\"code\":500,\
    ///     \"message\":\"try again\",\"status\":\"INTERNAL\"}}\n\n");
    /// ```
    #[must_use]
    pub fn error_event(&self, outcome: &Outcome, message: &str) -> String {
        as_error_event(&self.error_json(outcome, message))
    }
}

/// An event named `error` with this data.
#[expect(
    clippy::missing_panics_doc,
    reason = "no name that is a literal is refused"
)]
#[must_use]
pub fn as_error_event(json: &str) -> String {
    let mut event = Encoder::new();
    event
        .name("error")
        .expect("there is no line break in it")
        .data(json);
    event.take()
}
