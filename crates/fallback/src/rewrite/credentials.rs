//! What must not cross to another provider.

use http::header::HeaderValue;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, Uri};

/// Headers that say nothing about who asks, and that another provider may have use for. All others stay behind:
/// no list of credentials is ever whole.
const PASSES: [&str; 37] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "anthropic-beta",
    "anthropic-version",
    "b3",
    "baggage",
    "content-digest",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "correlation-id",
    "digest",
    "host",
    "idempotency-key",
    "mime-version",
    "openai-beta",
    "repr-digest",
    "request-id",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "user-agent",
    "x-client-request-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-upstream-rq-timeout-ms",
    "x-idempotency-key",
    "x-request-deadline",
    "x-request-id",
    "x-trace-id",
];

/// Those that begin like this pass as well, unless their name speaks of a credential.
const PASSES_PREFIXES: [&str; 3] = ["grpc-", "x-b3-", "x-stainless-"];

/// A name with one of these words in it speaks of a credential.
const WORDS: [&str; 28] = [
    "apikey",
    "assertion",
    "auth",
    "authentication",
    "authorization",
    "bearer",
    "cert",
    "code",
    "credential",
    "credentials",
    "dpop",
    "jwt",
    "key",
    "oauth",
    "otp",
    "pass",
    "passwd",
    "password",
    "pwd",
    "sas",
    "secret",
    "session",
    "sessionid",
    "sid",
    "sig",
    "signature",
    "subscription",
    "token",
];

/// So does one that has one of these anywhere.
const STEMS: [&str; 10] = [
    "accesskey",
    "apikey",
    "authoriz",
    "cookie",
    "credential",
    "jwt",
    "password",
    "secret",
    "signature",
    "token",
];

/// A name with one of these words in it speaks of an account or a person.
const IDENTITY: [&str; 15] = [
    "account",
    "client",
    "email",
    "from",
    "groups",
    "identity",
    "oidc",
    "org",
    "organization",
    "principal",
    "project",
    "roles",
    "subject",
    "tenant",
    "user",
];

/// All of a presigned URL's.
const QUERY_PREFIXES: [&str; 2] = ["x-amz-", "x-goog-"];

/// Takes off a request whatever may be a credential, except for the headers of these names.
pub(crate) fn take_off(head: &mut Parts, kept: &[HeaderName]) {
    let stays = |(name, value): (&HeaderName, &HeaderValue)| {
        (!passes(name, value) && !kept.contains(name)).then(|| name.clone())
    };
    let names: Vec<HeaderName> = head.headers.iter().filter_map(stays).collect();
    for name in names {
        head.headers.remove(name);
    }
    let in_query = head
        .uri
        .query()
        .is_some_and(|query| pairs(query).any(is_query));
    let in_authority = head
        .uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'));
    if in_query || in_authority {
        head.uri = without(&head.uri);
    }
}

/// Whether a header goes to another provider.
fn passes(name: &HeaderName, value: &HeaderValue) -> bool {
    let name = name.as_str();
    let begins = || PASSES_PREFIXES.iter().any(|start| name.starts_with(start));
    !value.is_sensitive() && (PASSES.binary_search(&name).is_ok() || (begins() && !is_secret(name)))
}

/// Whether a header carries a credential, as far as its name tells.
pub(crate) fn is_header(name: &HeaderName, value: &HeaderValue) -> bool {
    let name = name.as_str();
    value.is_sensitive() || (is_secret(name) && PASSES.binary_search(&name).is_err())
}

/// Whether a header says in whose name a request is made.
pub(crate) fn is_identity(name: &HeaderName) -> bool {
    let name = name.as_str();
    name != "user-agent" && has_word(name, &IDENTITY)
}

/// The pairs of a query, by either of the marks between them that are in use.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = &str> {
    query.split(['&', ';'])
}

/// Whether a pair of a query, `name=value`, carries a credential.
pub(crate) fn is_query(pair: &str) -> bool {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    let name = decoded(name);
    let lower = name.to_ascii_lowercase();
    is_secret(&lower)
        || is_secret(&apart(&name))
        || QUERY_PREFIXES
            .iter()
            .any(|prefix| lower.starts_with(prefix))
}

/// Whether a name, in lower case, speaks of a credential.
fn is_secret(name: &str) -> bool {
    has_word(name, &WORDS) || STEMS.iter().any(|stem| name.contains(stem))
}

fn has_word(name: &str, sorted: &[&str]) -> bool {
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| sorted.binary_search(&word).is_ok())
}

/// In lower case, with the words apart that are told by their capitals: `appKey`.
fn apart(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && after_lower {
            words.push('-');
        }
        after_lower = c.is_ascii_lowercase();
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// The address without the credentials in its query, and without a user.
fn without(uri: &Uri) -> Uri {
    let path = uri.path();
    let kept = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|run| {
            let kept: Vec<&str> = run.split(';').filter(|pair| !is_query(pair)).collect();
            (!kept.is_empty()).then(|| kept.join(";"))
        });
    let kept = kept.collect::<Vec<_>>().join("&");
    let path = if kept.is_empty() {
        PathAndQuery::try_from(path)
    } else {
        PathAndQuery::try_from(format!("{path}?{kept}"))
    };
    let host = |authority: &Authority| {
        let (_, host) = authority.as_str().rsplit_once('@')?;
        Authority::try_from(host).ok()
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = parts
        .authority
        .map(|authority| host(&authority).unwrap_or(authority));
    parts.path_and_query = path.ok().or(Some(PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_default()
}

/// As whoever reads the query will read it.
fn decoded(name: &str) -> String {
    let mut bytes = name.bytes();
    let mut read = String::new();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut ahead = bytes.clone();
                match (ahead.next().and_then(hex), ahead.next().and_then(hex)) {
                    (Some(high), Some(low)) => {
                        bytes = ahead;
                        high << 4 | low
                    }
                    _ => b'%',
                }
            }
            byte => byte,
        };
        read.push(char::from(byte));
    }
    read
}

pub(super) fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
