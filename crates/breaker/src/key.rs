//! What tells circuits apart.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, Request};

/// A key that holds no secret: a hash of what was put in, under a key of this process.
///
/// Origins, headers and credentials become 64 bits that fit in a register, so that finding the circuit
/// of a request allocates nothing. Two different keys are one circuit by a chance of 1 in 2^64. `Debug`
/// shows eight hex digits. It means nothing to another process, nor to this one after a restart.
///
/// ```
/// use buttress_breaker::CircuitKey;
/// use http::Request;
///
/// let ours = Request::get("https://api.example/v1/models").header("x-api-key", "ours").body(())?;
/// let theirs = Request::get("https://api.example/v1/files").header("x-api-key", "theirs").body(())?;
///
/// assert_eq!(CircuitKey::origin(&ours), CircuitKey::origin(&theirs));
/// let account = |request| CircuitKey::origin(request).and(CircuitKey::credential(request));
/// assert_ne!(account(&ours), account(&theirs));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CircuitKey(u64);

impl CircuitKey {
    /// The key of any value.
    #[must_use]
    pub fn of(value: impl Hash) -> Self {
        Self(PROCESS.hash_one(value))
    }

    /// Where a request goes: scheme, host and port of its URI, in upper or lower case.
    ///
    /// A request that names no host (as servers receive them) goes where all others of its kind go.
    #[must_use]
    pub fn origin<B>(request: &Request<B>) -> Self {
        let uri = request.uri();
        let mut hasher = PROCESS.build_hasher();
        lower_case(uri.scheme_str().unwrap_or_default()).for_each(|byte| hasher.write_u8(byte));
        hasher.write_u8(0); // no byte of a scheme or a host
        lower_case(uri.host().unwrap_or_default()).for_each(|byte| hasher.write_u8(byte));
        uri.port_u16()
            .or(default_port(uri.scheme_str()))
            .hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The values of a header: a model, a tenant, an account.
    #[must_use]
    pub fn header<B>(request: &Request<B>, name: &HeaderName) -> Self {
        let mut hasher = PROCESS.build_hasher();
        hash_values(request.headers(), name, &mut hasher);
        Self(hasher.finish())
    }

    /// On whose account a request is made: `authorization`, `x-api-key`, `api-key`, `x-goog-api-key` and the
    /// parameter `key` of the query, as many as there are.
    ///
    /// Of an `authorization` that signs the request (AWS Signature Version 4) the access key, region and service
    /// count: the rest is another one for each request.
    ///
    /// A layer with such a key sets
    /// [`single_credential`](crate::Policy::single_credential): then, and only then, what an upstream
    /// says of a credential counts for its circuit.
    #[must_use]
    pub fn credential<B>(request: &Request<B>) -> Self {
        let mut hasher = PROCESS.build_hasher();
        for name in &CREDENTIALS {
            let mut count = 0_u32;
            for value in request.headers().get_all(name) {
                match signed_by(value.as_bytes()) {
                    Some(parts) => parts.for_each(|part| part.hash(&mut hasher)),
                    None => value.as_bytes().hash(&mut hasher),
                }
                count += 1;
            }
            hasher.write_u32(count);
        }
        let query = request.uri().query().unwrap_or_default();
        for parameter in query.split('&') {
            if let Some(key) = parameter.strip_prefix("key=") {
                key.hash(&mut hasher);
            }
        }
        Self(hasher.finish())
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::of((self, other))
    }
}

/// Eight hex digits, which another process writes otherwise.
impl fmt::Display for CircuitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0 >> 32)
    }
}

impl fmt::Debug for CircuitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CircuitKey({self})")
    }
}

/// Keyed at random, once per process: nobody can choose values that collide, or find out what was hashed.
static PROCESS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

static CREDENTIALS: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// Each value with its length, and how many there are: no two sets of values run into one another.
fn hash_values(headers: &HeaderMap, name: &HeaderName, hasher: &mut impl Hasher) {
    let mut count = 0_u32;
    for value in headers.get_all(name) {
        value.as_bytes().hash(hasher);
        count += 1;
    }
    hasher.write_u32(count);
}

/// On whose behalf a request is signed: `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`
/// without the date.
fn signed_by(value: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let signed = value.strip_prefix(b"AWS4-")?;
    let mut parts = signed.split(|byte| matches!(byte, b' ' | b','));
    let scope = parts.find_map(|part| part.strip_prefix(b"Credential="))?;
    let mut parts = scope.split(|byte| *byte == b'/');
    let key = parts.next().filter(|key| !key.is_empty())?;
    Some(std::iter::once(key).chain(parts.skip(1)))
}

fn lower_case(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|byte| byte.to_ascii_lowercase())
}

fn default_port(scheme: Option<&str>) -> Option<u16> {
    match scheme {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Request};

    use super::CircuitKey;

    fn to(uri: &str) -> Request<()> {
        Request::get(uri).body(()).unwrap()
    }

    fn with(name: &str, value: &str) -> Request<()> {
        let request = Request::get("https://api.example/v1");
        request.header(name, value).body(()).unwrap()
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_however_they_are_written() {
        let origin = |uri| CircuitKey::origin(&to(uri));
        assert_eq!(
            origin("https://a.example/x"),
            origin("HTTPS://A.EXAMPLE:443/y?z")
        );
        for other in [
            "http://a.example/",
            "https://b.example/",
            "https://a.example:8443/",
        ] {
            assert_ne!(origin("https://a.example/"), origin(other), "{other}");
        }
        // The one ends where the other begins.
        assert_ne!(
            origin("http://sa.example:443/"),
            origin("https://a.example:443/")
        );
    }

    #[test]
    fn a_credential_counts_wherever_it_stands() {
        let none = CircuitKey::credential(&to("https://api.example/v1"));
        let mut seen = vec![none];
        for name in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
            seen.push(CircuitKey::credential(&with(name, "secret")));
            seen.push(CircuitKey::credential(&with(name, "other")));
        }
        seen.push(CircuitKey::credential(&to(
            "https://api.example/v1?a=b&key=secret",
        )));
        for (at, one) in seen.iter().enumerate() {
            assert!(!seen[..at].contains(one), "number {at}");
        }
        assert_eq!(
            CircuitKey::credential(&to("https://other.example/?monkey=1")),
            none
        );
    }

    #[test]
    fn who_signs_his_requests_has_one_credential_however_often_he_does() {
        let signed = |scope: &str, signature: &str| {
            let value = format!(
                "AWS4-HMAC-SHA256 Credential={scope}/aws4_request, SignedHeaders=host, \
                 Signature={signature}"
            );
            CircuitKey::credential(&with("authorization", &value))
        };
        let one = signed("AKIDEXAMPLE/20250101/us-east-1/bedrock", "aaaa");
        assert_eq!(
            one,
            signed("AKIDEXAMPLE/20250102/us-east-1/bedrock", "bbbb")
        );
        for other in [
            "AKIDOTHER/20250101/us-east-1/bedrock",
            "AKIDEXAMPLE/20250101/eu-west-1/bedrock",
            "AKIDEXAMPLE/20250101/us-east-1/s3",
        ] {
            assert_ne!(one, signed(other, "aaaa"), "{other}");
        }
        // What is not as it should be counts as it stands.
        for broken in [
            "AWS4-",
            "AWS4-HMAC-SHA256 Credential=",
            "AWS4-x Credentials=a/b",
        ] {
            let other = format!("{broken} ");
            let [one, other] =
                [broken, &other].map(|value| CircuitKey::credential(&with("authorization", value)));
            assert_ne!(one, other, "{broken}");
        }
    }

    #[test]
    fn values_do_not_run_into_one_another() {
        let model = HeaderName::from_static("x-model");
        let two = Request::get("/").header(&model, "a").header(&model, "b");
        let two = two.body(()).unwrap();
        let one = with("x-model", "ab");
        assert_ne!(
            CircuitKey::header(&one, &model),
            CircuitKey::header(&two, &model)
        );
        assert_eq!(
            CircuitKey::header(&one, &model),
            CircuitKey::header(&with("x-model", "ab"), &model)
        );
    }

    #[test]
    fn debug_shows_eight_hex_digits_and_nothing_of_what_was_put_in() {
        let shown = format!("{:?}", CircuitKey::of("secret"));
        let digits = shown.strip_prefix("CircuitKey(").unwrap();
        let digits = digits.strip_suffix(')').unwrap();
        assert_eq!(digits.len(), 8);
        assert!(digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}
