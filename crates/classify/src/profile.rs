//! What is known about an upstream, as data.

use std::fmt;

use buttress_core::{Kind, Outcome};
use http::StatusCode;

use crate::data::{self, Data, Dialect, Phrase};
use crate::error::{InvalidStatus, UnknownProfile};
use crate::render::Shape;
use crate::{grpc, status};

/// What is known about the answers of one upstream API.
///
/// It is data: the meaning of each status (exceptions to one common reading), the statuses that
/// prove that a request was not taken on, the shape of its error bodies. It classifies
/// `http::Response`, and with the feature `reqwest` also `reqwest::Response`.
///
/// ```
/// use buttress_classify::Profile;
/// use buttress_core::Kind;
///
/// // This upstream answers 409 while another request holds a lock.
/// const LEDGER: Profile = Profile::HTTP.status(409, Kind::Transient);
/// # let _ = LEDGER;
/// ```
#[derive(Clone, Copy)]
pub struct Profile {
    data: &'static Data,
    own: [(u16, Kind); Self::MAX_OWN],
}

impl Profile {
    /// The `OpenAI` API.
    pub const OPENAI: Self = Self::of(&data::OPENAI);
    /// `OpenAI` models on Azure.
    pub const AZURE: Self = Self::of(&data::AZURE);
    /// The Anthropic API.
    pub const ANTHROPIC: Self = Self::of(&data::ANTHROPIC);
    /// Gemini, on Google's AI Studio or on Vertex.
    pub const GEMINI: Self = Self::of(&data::GEMINI);
    /// Amazon Bedrock.
    pub const BEDROCK: Self = Self::of(&data::BEDROCK);
    /// The Mistral API.
    pub const MISTRAL: Self = Self::of(&data::MISTRAL);
    /// The Groq API.
    pub const GROQ: Self = Self::of(&data::GROQ);
    /// `OpenRouter`, which stands in front of many providers.
    pub const OPENROUTER: Self = Self::of(&data::OPENROUTER);
    /// A vLLM server.
    pub const VLLM: Self = Self::of(&data::VLLM);
    /// Any HTTP upstream, read by RFC 9110.
    pub const HTTP: Self = Self::of(&data::HTTP);
    /// Any gRPC upstream.
    pub const GRPC: Self = Self::of(&data::GRPC);

    /// Every profile, in the order in which the documentation lists them.
    pub const ALL: [Self; 11] = [
        Self::OPENAI,
        Self::AZURE,
        Self::ANTHROPIC,
        Self::GEMINI,
        Self::BEDROCK,
        Self::MISTRAL,
        Self::GROQ,
        Self::OPENROUTER,
        Self::VLLM,
        Self::HTTP,
        Self::GRPC,
    ];

    /// How many statuses a user may give a meaning of their own.
    pub const MAX_OWN: usize = 8;

    /// The profile of that name, in upper or lower case; for flags and files.
    ///
    /// # Errors
    /// [`UnknownProfile`], whose text lists the names that there are.
    pub fn by_name(name: &str) -> Result<Self, UnknownProfile> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownProfile { name: name.into() })
    }

    /// Gives a status a meaning of the user's own, whatever the answer's body says. In a `const`
    /// a bad value does not compile.
    ///
    /// Whether the status proves that the request was not taken on stays as the profile has it.
    ///
    /// # Panics
    /// For what [`try_status`](Self::try_status) refuses.
    #[must_use]
    pub const fn status(self, status: u16, kind: Kind) -> Self {
        match self.try_status(status, kind) {
            Ok(profile) => profile,
            Err(InvalidStatus::Range { .. }) => panic!("only 400 to 999 can be given a meaning"),
            Err(InvalidStatus::Kind { .. }) => panic!("no answer can mean this kind"),
            Err(InvalidStatus::TooMany) => panic!("too many statuses with a meaning of their own"),
        }
    }

    /// As [`status`](Self::status), for values from files and flags.
    ///
    /// # Errors
    /// [`InvalidStatus`] for a status outside 400 to 999 (lower ones are successes and are not
    /// looked at any closer), for a kind that no answer can mean, and for the ninth status.
    pub const fn try_status(mut self, status: u16, kind: Kind) -> Result<Self, InvalidStatus> {
        if status < 400 || status > 999 {
            return Err(InvalidStatus::Range { status });
        }
        // Both say that there was no answer.
        if matches!(kind, Kind::Unavailable | Kind::Abandoned) {
            return Err(InvalidStatus::Kind { kind });
        }
        let mut i = 0;
        while i < self.own.len() {
            if self.own[i].0 == status || self.own[i].0 == UNUSED.0 {
                self.own[i] = (status, kind);
                return Ok(self);
            }
            i += 1;
        }
        Err(InvalidStatus::TooMany)
    }

    /// Its name, as [`by_name`](Self::by_name) takes it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.data.name
    }

    /// The request header in which this upstream honours an idempotency key; `None` where it
    /// documents none.
    #[must_use]
    pub const fn idempotency_header(&self) -> Option<&'static str> {
        self.data.idempotency_header
    }

    /// The names of the events of a stream that say no more than that the connection lives. Comments say
    /// no more than that in any stream, and have no name.
    #[must_use]
    pub const fn pings(&self) -> &'static [&'static str] {
        self.data.pings
    }

    /// What a status means by itself, before headers and body have been looked at.
    #[must_use]
    pub fn meaning(&self, status: StatusCode) -> Outcome {
        let built_in = self.built_in(status);
        match self.own(status.as_u16()) {
            Some(Kind::Success) => Outcome::SUCCESS,
            Some(kind) => Outcome::new(kind).accepted(built_in.acceptance),
            None => built_in,
        }
    }

    /// The user's own word on a status.
    pub(crate) fn own(&self, status: u16) -> Option<Kind> {
        let own = self.own.iter().take_while(|own| **own != UNUSED);
        own.into_iter()
            .find(|(own, _)| *own == status)
            .map(|(_, kind)| *kind)
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        self.data.dialect
    }

    pub(crate) const fn error_shape(&self) -> Shape {
        self.data.error_shape
    }

    pub(crate) const fn may_abort(&self) -> bool {
        self.data.may_abort
    }

    pub(crate) const fn phrases(&self) -> &'static [Phrase] {
        self.data.phrases
    }

    fn built_in(&self, status: StatusCode) -> Outcome {
        if self.dialect() == Dialect::Grpc {
            return grpc::of_http(status);
        }
        let status = status.as_u16();
        let mut exceptions = self.data.statuses.iter();
        match exceptions.find(|(exception, _)| *exception == status) {
            Some((_, meaning)) => *meaning,
            None => status::common(status),
        }
    }

    const fn of(data: &'static Data) -> Self {
        Self {
            data,
            own: [UNUSED; Self::MAX_OWN],
        }
    }
}

/// Its name, and what the user changed.
impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.own.iter().filter(|own| **own != UNUSED);
        f.debug_struct("Profile")
            .field("name", &self.name())
            .field("own", &own.collect::<Vec<_>>())
            .finish()
    }
}

/// A free place: no status is 0.
const UNUSED: (u16, Kind) = (0, Kind::Success);
