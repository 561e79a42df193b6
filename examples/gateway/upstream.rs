//! Where requests go: an origin and perhaps a path, from the configuration alone.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use buttress::fallback::climbs;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri};

use crate::respond::Refusal;

/// An upstream as given by `--upstream`: `URL` or `NAME=URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upstream {
    name: Option<String>,
    scheme: Scheme,
    authority: Authority,
    /// What goes before each request's path: empty, or `/…` without a slash at its end.
    base: String,
}

impl Upstream {
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The scheme, host and port that credentials belong to.
    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.authority == other.authority
    }

    /// Sends a request here, whose target is the client's.
    pub(crate) fn aim<B>(&self, mut request: Request<B>) -> Result<Request<B>, Refusal> {
        *request.uri_mut() = self
            .locate(request.method(), request.uri())
            .ok_or(Refusal::bad_request("the request target names no resource"))?;
        Ok(request)
    }

    /// Where a request for `target` goes: path and query byte for byte, everything else ours.
    ///
    /// `None` if the target names nothing an origin server has: `CONNECT`'s bare authority, or a
    /// `*` that is not of an `OPTIONS` request. Nor does it, behind a base, if it climbs: it would leave the
    /// base, which may be what separates one customer from another.
    pub(crate) fn locate(&self, method: &Method, target: &Uri) -> Option<Uri> {
        // Whatever authority the target has is the client's idea and goes no further.
        let path = target.path_and_query()?;
        let path = match path.as_str() {
            "*" if method == Method::OPTIONS => path.clone(), // asks about the server as a whole
            "*" => return None,
            whole if whole.starts_with('/') && self.base.is_empty() => path.clone(),
            whole if whole.starts_with('/') => joined(&self.base, whole)?,
            query => joined(&self.base, &format!("/{query}"))?, // `http://host?query`
        };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .ok()
    }
}

fn joined(base: &str, target: &str) -> Option<PathAndQuery> {
    let path = target.split('?').next().unwrap_or_default();
    let leaves = !base.is_empty() && climbs(path);
    (!leaves).then(|| PathAndQuery::try_from(format!("{base}{target}")).ok())?
}

impl FromStr for Upstream {
    type Err = InvalidUpstream;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, url) = match text.split_once('=') {
            Some((name, url)) if !name.contains(['/', ':']) => (Some(name), url),
            _ => (None, text),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let wrong = |name: &str| !(1..=32).contains(&name.len()) || !name.chars().all(plain);
        if name.is_some_and(wrong) {
            return Err(InvalidUpstream(
                "a name is made of up to 32 letters, digits, `-`, `_` and `.`",
            ));
        }
        if url.contains('#') {
            return Err(InvalidUpstream("an upstream has no fragment"));
        }
        let url: Uri = url
            .parse()
            .ok()
            .ok_or(InvalidUpstream("this is not a URL"))?;
        let scheme = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => scheme.clone(),
            _ => return Err(InvalidUpstream("a URL begins with http:// or https://")),
        };
        let authority = match url.authority() {
            Some(authority) if !authority.host().is_empty() => authority.clone(),
            _ => return Err(InvalidUpstream("there is no host")),
        };
        if authority.as_str().contains('@') {
            return Err(InvalidUpstream("credentials do not belong into a URL"));
        }
        let port = authority.as_str().strip_prefix(authority.host());
        if port.is_some_and(|port| !port.is_empty()) && authority.port_u16().is_none() {
            return Err(InvalidUpstream("a port is a number up to 65535"));
        }
        if url.query().is_some() {
            return Err(InvalidUpstream("an upstream has no query"));
        }
        Ok(Self {
            name: name.map(str::to_owned),
            scheme,
            authority,
            base: url.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            scheme,
            authority,
            base,
        } = self;
        if let Some(name) = name {
            write!(f, "{name}=")?;
        }
        write!(f, "{scheme}://{authority}{base}")
    }
}

/// What is wrong with an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidUpstream(&'static str);

impl fmt::Display for InvalidUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; write URL or NAME=URL, as in http://127.0.0.1:8000",
            self.0
        )
    }
}

impl Error for InvalidUpstream {}

#[cfg(test)]
mod tests {
    use http::{Method, Uri};

    use super::Upstream;

    fn located(upstream: &str, method: &Method, target: &str) -> Option<String> {
        let upstream: Upstream = upstream.parse().unwrap();
        let target: Uri = target.parse().unwrap();
        Some(upstream.locate(method, &target)?.to_string())
    }

    #[test]
    fn path_and_query_go_on_byte_for_byte() {
        for target in [
            "/",
            "/?",
            "//",
            "//a//b",
            "/a.b/..c/.../.d?../e",
            "/%2F%2f%00%zz",
            "/a?",
            "/a?b=c&b=d&&=?x",
            "/a;v=1,2/@:!$'()*+",
            "/v1/models/a%20b?q=%E2%82%AC",
        ] {
            let url = located("http://up:1", &Method::GET, target).unwrap();
            assert_eq!(url, format!("http://up:1{target}"));
            let url = located("https://up/base/v1/", &Method::POST, target).unwrap();
            assert_eq!(url, format!("https://up/base/v1{target}"));
        }
    }

    #[test]
    fn a_target_that_climbs_does_not_leave_the_base() {
        for target in [
            "/..",
            "/a/../b",
            "/./b",
            "/a/..?b",
            "/%2e%2E/b",
            "/.%2e",
            "/a/..%2fb",
            "/a%5C..%5cb",
            "/..;/b",
            "/..;a=b",
            "/%2e.%3b/b",
            "/%252e%252E/b",
            "/%%32e%25%32%65/b",
        ] {
            let base = located("http://up/tenant-1", &Method::GET, target);
            assert_eq!(base, None, "{target}");
            let url = located("http://up", &Method::GET, target).unwrap();
            assert_eq!(url, format!("http://up{target}"));
        }
    }

    #[test]
    fn an_authority_in_the_target_is_ignored() {
        for (target, expected) in [
            ("http://evil/a?b", "http://up/a?b"),
            ("https://evil:9", "http://up/"),
            ("http://evil?b", "http://up/?b"),
        ] {
            assert_eq!(
                located("http://up", &Method::GET, target).unwrap(),
                expected
            );
        }
    }

    #[test]
    fn a_target_that_names_nothing_goes_nowhere() {
        assert_eq!(located("http://up", &Method::GET, "evil:443"), None);
        assert_eq!(located("http://up", &Method::GET, "*"), None);
    }

    #[test]
    fn names_and_urls_are_told_apart() {
        for (text, shown) in [
            ("http://up", "http://up"),
            ("a=http://up/", "a=http://up"),
            ("eu-1=https://up:8443/v1", "eu-1=https://up:8443/v1"),
            ("http://[::1]:80/x", "http://[::1]:80/x"),
            ("http://up/a=b", "http://up/a=b"),
        ] {
            assert_eq!(text.parse::<Upstream>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_wrong_url_is_refused() {
        for text in [
            "",
            "up",
            "up:80",
            "/v1",
            "ftp://up",
            "http://",
            "http:///v1",
            "http://u:p@up",
            "http://up?q",
            "http://up?",
            "http://up#f",
            "=http://up",
            "a b=http://up",
            "http://up:99999",
            "http://up:x",
        ] {
            assert!(text.parse::<Upstream>().is_err(), "{text}");
        }
    }
}
