//! What is known about an upstream, as data.

use std::error::Error;
use std::fmt;

use buttress_core::{Kind, Outcome};
use http::StatusCode;

use crate::grpc;
use crate::status::{self, CONTEXT_WINDOW, Row, UNPAID_BILL};

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

/// The part of a profile that is the provider's, not the user's.
struct Data {
    name: &'static str,
    statuses: &'static [Row],
    dialect: Dialect,
    phrases: &'static [Phrase],
    idempotency_header: Option<&'static str>,
}

/// A phrase in the message of a 400, where the provider has no better word for it.
pub(crate) type Phrase = (&'static str, Outcome);

/// Where an upstream says what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// In the status alone.
    Plain,
    /// In `grpc-status`, in headers or trailers, under HTTP 200.
    Grpc,
    /// In the words of `{"error": {"type", "code", "message"}}` and its many cousins.
    Words,
    /// In `{"error": {"code", "status", "message", "details"}}`: `google.rpc.Status` as JSON.
    Google,
    /// In the name of an exception, in a header or in the body.
    Aws,
}

impl Profile {
    /// The `OpenAI` API.
    pub const OPENAI: Self = Self::of(&OPENAI);
    /// `OpenAI` models on Azure.
    pub const AZURE: Self = Self::of(&AZURE);
    /// The Anthropic API.
    pub const ANTHROPIC: Self = Self::of(&ANTHROPIC);
    /// Gemini, on Google's AI Studio or on Vertex.
    pub const GEMINI: Self = Self::of(&GEMINI);
    /// Amazon Bedrock.
    pub const BEDROCK: Self = Self::of(&BEDROCK);
    /// The Mistral API.
    pub const MISTRAL: Self = Self::of(&MISTRAL);
    /// The Groq API.
    pub const GROQ: Self = Self::of(&GROQ);
    /// `OpenRouter`, which stands in front of many providers.
    pub const OPENROUTER: Self = Self::of(&OPENROUTER);
    /// A vLLM server.
    pub const VLLM: Self = Self::of(&VLLM);
    /// Any HTTP upstream, read by RFC 9110.
    pub const HTTP: Self = Self::of(&HTTP);
    /// Any gRPC upstream.
    pub const GRPC: Self = Self::of(&GRPC);

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

/// There is no profile of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownProfile {
    name: Box<str>,
}

impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no profile {:?}; there are", self.name)?;
        let mut separator = " ";
        for profile in &Profile::ALL {
            write!(f, "{separator}{}", profile.name())?;
            separator = ", ";
        }
        Ok(())
    }
}

impl Error for UnknownProfile {}

/// Why a status cannot be given that meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidStatus {
    /// It is not between 400 and 999.
    Range {
        /// The status.
        status: u16,
    },
    /// The kind says that there was no answer.
    Kind {
        /// The kind.
        kind: Kind,
    },
    /// The profile has [`Profile::MAX_OWN`] such statuses already.
    TooMany,
}

impl fmt::Display for InvalidStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { status } => {
                write!(
                    f,
                    "only statuses 400 to 999 can be given a meaning, not {status}"
                )
            }
            Self::Kind { kind } => write!(f, "no answer can mean {}", kind.as_str()),
            Self::TooMany => write!(
                f,
                "at most {} statuses can be given a meaning of their own",
                Profile::MAX_OWN
            ),
        }
    }
}

impl Error for InvalidStatus {}

/// A free place: no status is 0.
const UNUSED: (u16, Kind) = (0, Kind::Success);

const OPENAI: Data = llm("openai", status::OPENAI, Dialect::Words, &[]);
const AZURE: Data = llm("azure", status::OPENAI, Dialect::Words, &[]);
const ANTHROPIC: Data = llm("anthropic", status::ANTHROPIC, Dialect::Words, {
    &[
        ("prompt is too long", CONTEXT_WINDOW),
        ("credit balance is too low", UNPAID_BILL),
    ]
});
const GEMINI: Data = llm("gemini", status::LLM, Dialect::Google, {
    &[("exceeds the maximum number of tokens", CONTEXT_WINDOW)]
});
const BEDROCK: Data = llm("bedrock", status::BEDROCK, Dialect::Aws, {
    &[("Input is too long for requested model", CONTEXT_WINDOW)]
});
const MISTRAL: Data = llm("mistral", status::LLM, Dialect::Words, CONTEXT_LENGTH);
const GROQ: Data = llm("groq", status::GROQ, Dialect::Words, &[]);
const OPENROUTER: Data = llm("openrouter", status::LLM, Dialect::Words, CONTEXT_LENGTH);
const VLLM: Data = llm("vllm", status::LLM, Dialect::Words, CONTEXT_LENGTH);
const HTTP: Data = Data {
    name: "generic",
    statuses: &[],
    dialect: Dialect::Plain,
    phrases: &[],
    // draft-ietf-httpapi-idempotency-key-header
    idempotency_header: Some("idempotency-key"),
};
const GRPC: Data = Data {
    name: "grpc",
    statuses: &[],
    dialect: Dialect::Grpc,
    phrases: &[],
    idempotency_header: None,
};

const CONTEXT_LENGTH: &[Phrase] = &[("maximum context length", CONTEXT_WINDOW)];

const fn llm(
    name: &'static str,
    statuses: &'static [Row],
    dialect: Dialect,
    phrases: &'static [Phrase],
) -> Data {
    Data {
        name,
        statuses,
        dialect,
        phrases,
        // None of them documents a header of which it says that a repeated key is not billed.
        idempotency_header: None,
    }
}
