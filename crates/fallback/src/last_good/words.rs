//! In which words an answer was asked for.

use http::header::VARY;
use http::{HeaderMap, HeaderName, HeaderValue};

/// What a request said in the fields by which its answer was chosen (RFC 9111 §4.1).
#[derive(Debug, Default)]
pub(super) struct Words(Vec<(HeaderName, Vec<HeaderValue>)>);

impl Words {
    /// `None` if the answer was chosen by more than the request says, or nobody can tell by what.
    pub(super) fn of(request: &HeaderMap, answer: &HeaderMap) -> Option<Self> {
        let mut words = Vec::new();
        for line in answer.get_all(VARY) {
            for name in line.to_str().ok()?.split(',').map(str::trim) {
                if name == "*" {
                    return None;
                }
                if !name.is_empty() {
                    let name = HeaderName::try_from(name).ok()?;
                    let said = request.get_all(&name).into_iter().cloned().collect();
                    words.push((name, said));
                }
            }
        }
        Some(Self(words))
    }

    /// Whether another request says the same.
    pub(super) fn are_of(&self, request: &HeaderMap) -> bool {
        let mut words = self.0.iter();
        words.all(|(name, said)| request.get_all(name).into_iter().eq(said))
    }

    /// What they hold, in bytes.
    pub(super) fn weight(&self) -> usize {
        let field = |(name, said): &(HeaderName, Vec<HeaderValue>)| {
            let said = said.iter().map(|value| value.len() + OVERHEAD);
            name.as_str().len() + OVERHEAD + said.sum::<usize>()
        };
        self.0.iter().map(field).sum()
    }
}

/// What a name or a value holds besides its bytes.
const OVERHEAD: usize = 64;
