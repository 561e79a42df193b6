//! On whose account a call is made: two accounts never share a key.

use http::header::{AUTHORIZATION, COOKIE, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri};

/// On whose account a call is made.
///
/// Two requests with the same key are duplicates only within one scope. It holds what it was made of, for as long
/// as it takes to hash that; `Debug` shows nothing of it.
///
/// ```
/// use buttress_idempotency::Scope;
/// use http::{HeaderName, Request};
///
/// let tenant = HeaderName::from_static("x-tenant");
/// let (head, ()) = Request::post("/v1/charges").header(&tenant, "7").body(())?.into_parts();
/// assert!(Scope::header(&head, &tenant).is_some());
/// assert!(Scope::credentials(&head).is_none());
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Scope(Vec<u8>);

impl Scope {
    /// A scope of any name: a tenant, an account.
    #[must_use]
    pub fn of(value: impl AsRef<[u8]>) -> Self {
        let mut scope = Self(Vec::new());
        scope.add(value.as_ref());
        scope
    }

    /// The values of a header, if it has any that is not empty.
    #[must_use]
    pub fn header(head: &Parts, name: &HeaderName) -> Option<Self> {
        let mut scope = Self(Vec::new());
        let values = head.headers.get_all(name).iter();
        for value in values.filter(|value| !value.is_empty()) {
            scope.add(value.as_bytes());
        }
        (!scope.0.is_empty()).then_some(scope)
    }

    /// The credentials of a request: `authorization`, `x-api-key`, `api-key`, `x-goog-api-key`, `cookie` and the
    /// parameter `key` of the query, as many as there are. `None` if there are none.
    ///
    /// All of them, since one may be an application's and another its user's. Where clients keep cookies that a load
    /// balancer sets, the retry of a first call is another caller's: name the [header](Self::header) that tells callers
    /// apart.
    #[must_use]
    pub fn credentials(head: &Parts) -> Option<Self> {
        let mut scope = Self(Vec::new());
        let any = credentials(&head.headers, &head.uri, |part| scope.add(part));
        any.then_some(scope)
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.add(&other.0);
        self
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Behind its length, so that no two lists of parts run into one another.
    fn add(&mut self, part: &[u8]) {
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part);
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scope(..)")
    }
}

/// Hands out a mark and the values of each credential, in one order whatever that of the headers is. No value is a mark:
/// they are control characters. Returns whether there are any.
pub(crate) fn credentials(headers: &HeaderMap, uri: &Uri, mut part: impl FnMut(&[u8])) -> bool {
    let mut found: [Option<&HeaderValue>; CREDENTIALS.len()] = [None; CREDENTIALS.len()];
    let (mut any, mut repeated) = (false, false);
    // One pass: a lookup for each would cost five hashes.
    for (name, value) in headers {
        if let Some(at) = CREDENTIALS.iter().position(|known| known == name) {
            if !value.is_empty() {
                repeated |= found[at].replace(value).is_some();
                any = true;
            }
        }
    }
    for (mark, (name, value)) in (0..).zip(CREDENTIALS.iter().zip(found)) {
        if let Some(value) = value {
            part(&[mark]);
            if !repeated {
                part(value.as_bytes());
                continue;
            }
            for value in headers.get_all(name) {
                part(value.as_bytes());
            }
        }
    }
    for parameter in uri.query().unwrap_or_default().split('&') {
        if let Some(key) = parameter.strip_prefix("key=") {
            if !key.is_empty() {
                part(&[PARAMETER]);
                part(key.as_bytes());
                any = true;
            }
        }
    }
    any
}

/// The mark of the parameter `key`.
const PARAMETER: u8 = 5;

static CREDENTIALS: [HeaderName; 5] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    COOKIE,
];

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Parts;

    use super::Scope;

    fn head(uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::post(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn credentials_are_found_wherever_they_stand() {
        let mut seen = vec![None];
        for name in [
            "authorization",
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "cookie",
        ] {
            for value in ["one", "two"] {
                seen.push(Scope::credentials(&head("/", &[(name, value)])));
            }
        }
        seen.push(Scope::credentials(&head("/?a=b&key=one", &[])));
        for (at, scope) in seen.iter().enumerate() {
            assert!(!seen[..at].contains(scope), "number {at}");
        }
    }

    #[test]
    fn the_order_of_headers_says_nothing() {
        let one = head("/", &[("api-key", "a"), ("authorization", "b")]);
        let other = head(
            "/",
            &[("authorization", "b"), ("x-trace", "1"), ("api-key", "a")],
        );
        assert_eq!(Scope::credentials(&one), Scope::credentials(&other));
    }

    #[test]
    fn an_empty_credential_is_none() {
        assert!(Scope::credentials(&head("/?key=&monkey=1", &[("authorization", "")])).is_none());
        let tenant = http::HeaderName::from_static("x-tenant");
        assert!(Scope::header(&head("/", &[("x-tenant", "")]), &tenant).is_none());
    }

    #[test]
    fn values_do_not_run_into_one_another() {
        let two = Scope::of("a").and(&Scope::of("b"));
        assert_ne!(two, Scope::of("ab"));
        assert!(!format!("{two:?}").contains('a'));
    }
}
