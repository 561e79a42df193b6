//! Where a tier's requests go.

use std::error::Error;
use std::fmt;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use super::climbs::climbs;

/// A scheme, an authority and the beginning of a path, from configuration.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Base {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end.
    prefix: String,
}

/// Why something is no base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidBase {
    /// It is no URL.
    Uri,
    /// It does not begin with `http://` or `https://`.
    Scheme,
    /// It names a user: credentials belong in a header.
    User,
    /// It has a query.
    Query,
}

impl Base {
    pub(super) fn parse(url: &str) -> Result<Self, InvalidBase> {
        // A fragment would be dropped in silence.
        if url.contains('#') {
            return Err(InvalidBase::Uri);
        }
        let uri: Uri = url.parse().ok().ok_or(InvalidBase::Uri)?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or(InvalidBase::Scheme)?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(InvalidBase::Scheme);
        }
        let authority = parts.authority.ok_or(InvalidBase::Uri)?;
        if authority.as_str().contains('@') {
            return Err(InvalidBase::User);
        }
        let path = parts.path_and_query;
        if path.as_ref().is_some_and(|path| path.query().is_some()) {
            return Err(InvalidBase::Query);
        }
        let prefix = path.as_ref().map_or("", PathAndQuery::path);
        Ok(Self {
            scheme,
            authority,
            prefix: prefix.trim_end_matches('/').to_owned(),
        })
    }

    /// The path and query of a request, behind this base.
    pub(super) fn join(&self, uri: &Uri) -> Option<Uri> {
        let path = uri.path();
        // `OPTIONS *` asks a server, not something on it.
        // And a path that climbs would leave the prefix, which may be what separates one customer from another.
        if !path.starts_with('/') || climbs(path) {
            return None;
        }
        let mut joined = format!("{}{path}", self.prefix);
        if let Some(query) = uri.query() {
            joined.push('?');
            joined.push_str(query);
        }
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(joined)
            .build()
            .ok()
    }
}

/// Without the path, in which keys have been seen.
impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl fmt::Display for InvalidBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uri => "the base is no URL",
            Self::Scheme => "the base URL begins with neither http:// nor https://",
            Self::User => "the base URL names a user",
            Self::Query => "the base URL has a query",
        })
    }
}

impl Error for InvalidBase {}

#[cfg(test)]
mod tests {
    use super::{Base, InvalidBase, Uri};

    fn join(base: &str, uri: &'static str) -> String {
        let joined = Base::parse(base).unwrap().join(&Uri::from_static(uri));
        joined.unwrap().to_string()
    }

    #[test]
    fn authority_and_prefix_come_from_the_base_path_and_query_from_the_request() {
        assert_eq!(
            join("https://b.example", "/v1/chat?x=1"),
            "https://b.example/v1/chat?x=1"
        );
        assert_eq!(
            join("https://b.example/openai/", "/v1"),
            "https://b.example/openai/v1"
        );
        assert_eq!(
            join("http://127.0.0.1:8080/a", "https://evil.example/v1"),
            "http://127.0.0.1:8080/a/v1"
        );
        // What looks like an authority in a path stays a path.
        assert_eq!(
            join("https://b.example", "//evil.example/v1"),
            "https://b.example//evil.example/v1"
        );
    }

    #[test]
    fn what_is_no_base_says_why() {
        for (url, why) in [
            ("api.example/v1", InvalidBase::Uri),
            ("api.example", InvalidBase::Scheme),
            ("/v1", InvalidBase::Scheme),
            ("ftp://api.example", InvalidBase::Scheme),
            ("https://user:key@api.example", InvalidBase::User),
            ("https://api.example?key=1", InvalidBase::Query),
            ("https://api.example/#a", InvalidBase::Uri),
            ("", InvalidBase::Uri),
        ] {
            assert_eq!(Base::parse(url), Err(why), "{url}");
        }
    }

    #[test]
    fn a_path_that_climbs_does_not_leave_the_base() {
        // With a slash at its end, or without.
        for base in ["https://b.example/tenant-1", "https://b.example/tenant-1/"] {
            let base = Base::parse(base).unwrap();
            for path in [
                "/../tenant-2",
                "/a/..",
                "/.",
                "/./",
                "/%2e%2E/x",
                "/.%2e/x",
                "/%2e./x",
                "//../x",
                "/..//x",
                "/a/..%2fx",
                "/a%2F..",
                "/a%5C..%5Cx",
                "/a\\..\\x",
                "/..;/x",
                "/..;a=b/x",
                "/..%3Ba=b/x",
                "/%2e%2e;/x",
                "/.;",
                "/%252e%252e/x",
                "/%25252E./x",
                "/a%252f..%255cx",
                "/%25%32%65%2%65/x",
                "/%%32e%2%65/x",
                "/..?x=1",
                "https://a.example/..",
            ] {
                let uri = Uri::from_static(path);
                assert_eq!(base.join(&uri), None, "{path}");
            }
        }
        for path in [
            "/...",
            "/a.b/..c?x=/../&y=%2e%2e/",
            "/v1/models/gpt-4.1",
            "/.well-known",
            "/a..;b",
            "/;..",
            "/%2e%2e%2e",
            "/a%2eb/100%25/%25",
            "/%",
            "/%2",
            "/%25%",
            "/\u{e9}%\u{e9}",
        ] {
            let uri = Uri::from_static(path);
            let joined = join("https://b.example/tenant-1/", path);
            let own = uri.path_and_query().unwrap();
            assert_eq!(joined, format!("https://b.example/tenant-1{own}"));
        }
    }

    #[test]
    fn a_path_of_many_escapes_is_read_once() {
        let base = Base::parse("https://b.example/a").unwrap();
        let long: Uri = format!("/%{}2e", "25".repeat(30_000)).parse().unwrap();
        assert_eq!(base.join(&long), None);
    }

    #[test]
    fn empty_segments_stay_and_a_query_needs_no_path() {
        assert_eq!(
            join("https://b.example/a//", "//v1//x/"),
            "https://b.example/a//v1//x/"
        );
        assert_eq!(join("https://b.example", "/"), "https://b.example/");
        assert_eq!(
            join("https://b.example/a", "https://a.example?x=1"),
            "https://b.example/a/?x=1"
        );
        assert_eq!(
            join("https://b.example/a/", "/?x=//c.example/"),
            "https://b.example/a/?x=//c.example/"
        );
    }

    #[test]
    fn what_asks_the_server_itself_has_no_place_behind_a_base() {
        let base = Base::parse("https://b.example/a").unwrap();
        assert_eq!(base.join(&Uri::from_static("*")), None);
    }
}
