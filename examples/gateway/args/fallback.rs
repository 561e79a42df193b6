//! The flags about who answers when the first upstream does not.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use buttress::classify::Profile;
use buttress::fallback::Rewrite;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response};

use crate::upstream::Upstream;

/// The names of tiers that are no upstreams.
pub(crate) const LARGER_MODEL: &str = "larger-model";
pub(crate) const STATIC: &str = "static";

#[derive(Debug, Clone, clap::Args)]
pub(super) struct FallbackArgs {
    /// The model that the first upstream is asked for where a prompt is too long for the one in the request
    #[arg(long, value_name = "MODEL")]
    pub(super) larger_model: Option<String>,

    /// What is answered when nobody else answers: JSON, or text if its name does not end in .json
    #[arg(long, value_name = "FILE", value_parser = StaticAnswer::read)]
    pub(super) static_fallback: Option<StaticAnswer>,
}

/// An answer that is always there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StaticAnswer {
    content_type: HeaderValue,
    body: Bytes,
}

impl StaticAnswer {
    fn read(path: &str) -> Result<Self, String> {
        let path = PathBuf::from(path);
        let body =
            fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Ok(Self {
            content_type: content_type(&path),
            body: body.into(),
        })
    }

    pub(crate) fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        response
    }
}

fn content_type(path: &Path) -> HeaderValue {
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    HeaderValue::from_static(if is_json {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    })
}

/// The upstreams' names; those without one are called by their place.
pub(crate) fn names(upstreams: &[Upstream]) -> impl Iterator<Item = String> {
    upstreams
        .iter()
        .enumerate()
        .map(|(place, upstream)| match (upstream.name(), place) {
            (Some(name), _) => name.to_owned(),
            (None, 0) => "upstream".to_owned(),
            (None, place) => format!("upstream-{}", place + 1),
        })
}

/// The environment variable that holds the key for the upstream of this name.
pub(crate) fn key_variable(name: &str) -> String {
    let mut variable: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    variable.push_str("_API_KEY");
    variable
}

/// Sets the key that the environment holds for this upstream, in the header where its API looks for it.
/// `None` if it holds none.
pub(crate) fn own_key(name: &str, profile: Profile) -> Result<Option<Rewrite>, String> {
    let variable = key_variable(name);
    let key = match env::var(&variable) {
        Ok(key) => key,
        Err(env::VarError::NotPresent) => return Ok(None),
        Err(env::VarError::NotUnicode(_)) => return Err(format!("{variable} is not a key")),
    };
    let (header, key) = match profile.name() {
        "anthropic" => (HeaderName::from_static("x-api-key"), key),
        "azure" => (HeaderName::from_static("api-key"), key),
        "gemini" => (HeaderName::from_static("x-goog-api-key"), key),
        _ => (AUTHORIZATION, format!("Bearer {key}")),
    };
    // Its text is nobody's business, in an error either.
    let key = HeaderValue::try_from(key)
        .ok()
        .ok_or(format!("{variable} is not a key"))?;
    Ok(Some(Rewrite::new().header(header, key)))
}

#[cfg(test)]
mod tests {
    use super::{StaticAnswer, key_variable};

    #[test]
    fn a_key_is_looked_for_under_the_name_of_its_upstream() {
        assert_eq!(key_variable("openai"), "OPENAI_API_KEY");
        assert_eq!(key_variable("eu-1.b"), "EU_1_B_API_KEY");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let wrong = StaticAnswer::read("no/such/file.json").unwrap_err();
        assert!(wrong.contains("no/such/file.json"), "{wrong}");
    }
}
