//! What is no profile, and what no profile can say.

use std::error::Error;
use std::fmt;

use buttress_core::Kind;

use crate::profile::Profile;

/// There is no profile of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownProfile {
    pub(crate) name: Box<str>,
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
