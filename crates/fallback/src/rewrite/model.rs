//! Where a provider looks for the model.

use buttress_classify::Profile;
use http::uri::PathAndQuery;

/// Where a provider looks for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the member `model` of the JSON body.
    Body,
    /// In a segment of the path.
    Path(Segment),
}

/// The segment of a path that names the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// The segment before it.
    behind: &'static str,
    /// What ends the name within its segment.
    until: Option<char>,
}

impl Place {
    pub(super) fn of(profile: Profile) -> Self {
        let (behind, until) = match profile.name() {
            "azure" => ("deployments", None),
            "gemini" => ("models", Some(':')),
            "bedrock" => ("model", None),
            _ => return Self::Body,
        };
        Self::Path(Segment { behind, until })
    }
}

impl Segment {
    /// The path with another model in it; `None` if it has no place for one.
    pub(super) fn put(self, path: &str, model: &str) -> Option<PathAndQuery> {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let mark = format!("/{}/", self.behind);
        let start = path.find(&mark)? + mark.len();
        let segment = path[start..].split('/').next()?;
        let name = self.until.map_or(segment, |until| {
            segment.split_once(until).map_or(segment, |(name, _)| name)
        });
        if name.is_empty() {
            return None;
        }
        let (before, after) = (&path[..start], &path[start + name.len()..]);
        let mut changed = format!("{before}{}{after}", escaped(model));
        if let Some(query) = query {
            changed.push('?');
            changed.push_str(query);
        }
        changed.try_into().ok()
    }
}

/// As one segment of a path: a model may be named by an ARN, with slashes and colons.
fn escaped(model: &str) -> String {
    let mut segment = String::with_capacity(model.len());
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push('%');
            for digit in [byte >> 4, byte & 15] {
                segment.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::{Place, Profile};

    fn put(profile: Profile, path: &str, model: &str) -> Option<String> {
        match Place::of(profile) {
            Place::Body => panic!("its model stands in the body"),
            Place::Path(segment) => segment.put(path, model).map(|path| path.to_string()),
        }
    }

    #[test]
    fn the_model_is_put_where_the_provider_looks_for_it() {
        for (profile, path, changed) in [
            (
                Profile::AZURE,
                "/openai/deployments/large/chat/completions?api-version=2024-06-01",
                "/openai/deployments/m/chat/completions?api-version=2024-06-01",
            ),
            (
                Profile::GEMINI,
                "/v1beta/models/large:streamGenerateContent?alt=sse",
                "/v1beta/models/m:streamGenerateContent?alt=sse",
            ),
            (
                Profile::BEDROCK,
                "/model/large%3A0/invoke-with-response-stream",
                "/model/m/invoke-with-response-stream",
            ),
            (Profile::BEDROCK, "/model/large", "/model/m"),
        ] {
            assert_eq!(put(profile, path, "m").as_deref(), Some(changed));
        }
        for profile in [Profile::OPENAI, Profile::ANTHROPIC, Profile::VLLM] {
            assert_eq!(Place::of(profile), Place::Body);
        }
    }

    #[test]
    fn a_name_is_one_segment_whatever_it_holds() {
        let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/m?x#y";
        let path = put(Profile::BEDROCK, "/model/large/invoke", arn).unwrap();
        assert_eq!(
            path,
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fm%3Fx%23y/invoke"
        );
    }

    #[test]
    fn a_path_without_a_place_for_a_model_is_left_alone() {
        assert_eq!(put(Profile::GEMINI, "/v1/chat/completions", "m"), None);
        assert_eq!(put(Profile::GEMINI, "/v1beta/models/", "m"), None);
        assert_eq!(put(Profile::AZURE, "/x?a=/deployments/b/", "m"), None);
    }
}
