use http::{HeaderName, HeaderValue, Request};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::{collection, sample};

use super::{IDENTITY, PASSES, STEMS, WORDS, is_header, take_off};

/// Seen at providers, gateways and proxies.
const HEADERS: &str = "authorization proxy-authorization cookie cookie2 api-key apikey x-api-key \
    x-goog-api-key ocp-apim-subscription-key x-functions-key private-token x-amz-security-token \
    xi-api-key x-litellm-api-key x-portkey-api-key helicone-auth x-openai-api-key x-rapidapi-key \
    x-subscription-token cf-access-client-secret cf-access-jwt-assertion cf-aig-authorization \
    x-forwarded-access-token x-forwarded-client-cert x-amzn-oidc-accesstoken x-goog-iap-jwt-assertion \
    x-ms-token-aad-access-token x-vault-token x-authorization authentication dpop x-session-token \
    x-id-token x-github-token x-hub-signature-256 signature api_key token access-token x-secret \
    x-cookie secret-key x-groq-key x-stainless-custom-auth x-nvidia-api-key grpc-auth-token x-jwt";

/// They name an account or a person, and are nobody else's business.
const OTHERS: &str = "openai-organization openai-project x-goog-user-project x-forwarded-user \
    x-forwarded-for x-real-ip referer origin x-amzn-oidc-data x-amz-date from x-own if-none-match";

const QUERY: [&str; 40] = [
    "key",
    "access_token",
    "id_token",
    "refresh_token",
    "auth_token",
    "api_token",
    "apitoken",
    "oauth_token",
    "authorization",
    "bearer",
    "access_key",
    "accesskey",
    "app_key",
    "appKey",
    "jwt",
    "pwd",
    "passwd",
    "password",
    "session_id",
    "code",
    "subscription_key",
    "subscription-key",
    "clientsecret",
    "clientSecret",
    "api.key",
    "x-token",
    "credential",
    "private_key",
    "sas",
    "sig",
    "Signature",
    "AWSAccessKeyId",
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Goog-Signature",
    "auth",
    "token",
    "secret",
    "secret_key",
    "client_secret",
];

#[test]
fn the_lists_are_sorted_and_in_lower_case() {
    assert!(IDENTITY.is_sorted() && PASSES.is_sorted() && WORDS.is_sorted() && STEMS.is_sorted());
    for name in PASSES.iter().chain(&WORDS).chain(&STEMS).chain(&IDENTITY) {
        assert_eq!(*name, name.to_ascii_lowercase());
    }
}

fn left(uri: &str) -> String {
    let (mut head, ()) = Request::get(uri).body(()).unwrap().into_parts();
    take_off(&mut head, &[]);
    head.uri.to_string()
}

#[test]
fn of_the_headers_only_those_pass_that_are_known_to_be_harmless() {
    let names = || HEADERS.split_whitespace().chain(OTHERS.split_whitespace());
    let mut request = Request::post("/");
    for name in names() {
        request = request.header(name, "SECRET").header(name, "another");
    }
    let harmless = [
        ("accept", "text/event-stream"),
        ("anthropic-version", "2023-06-01"),
        ("content-type", "application/json"),
        ("grpc-timeout", "1S"),
        ("idempotency-key", "k"),
        ("traceparent", "00-1-1-00"),
        ("x-stainless-lang", "rust"),
    ];
    for (name, value) in harmless {
        request = request.header(name, value);
    }
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    take_off(&mut head, &[]);
    for name in names() {
        assert!(!head.headers.contains_key(name), "{name}");
    }
    for (name, value) in harmless {
        assert_eq!(head.headers[name], value);
    }
}

#[test]
fn what_is_marked_as_sensitive_does_not_pass_by_whatever_name() {
    let mut secret = HeaderValue::from_static("SECRET");
    secret.set_sensitive(true);
    let request = Request::post("/").header("accept", secret);
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    take_off(&mut head, &[]);
    assert!(head.headers.is_empty());
}

#[test]
fn a_credential_is_known_by_the_words_of_its_header() {
    let value = HeaderValue::from_static("x");
    let is = |name: &str| is_header(&HeaderName::try_from(name).unwrap(), &value);
    for name in HEADERS.split_whitespace() {
        assert!(is(name), "{name}");
    }
    for name in [
        "accept",
        "idempotency-key",
        "user-agent",
        "x-keyboard",
        "x-author",
    ] {
        assert!(!is(name), "{name}");
    }
}

#[test]
fn credentials_in_the_address_go_and_the_rest_stays_as_it_was() {
    assert_eq!(left("/v1?key=secret"), "/v1");
    assert_eq!(left("/v1?alt=sse&key=secret&x=%20"), "/v1?alt=sse&x=%20");
    assert_eq!(left("/v1?K%65y=secret"), "/v1");
    assert_eq!(left("/v1?b=1;key=secret;c=2&d"), "/v1?b=1;c=2&d");
    assert_eq!(left("/v1?a=1&X-Amz-Expires=9"), "/v1?a=1");
    assert_eq!(
        left("https://user:pw@a.example/v1?a=b"),
        "https://a.example/v1?a=b"
    );
    assert_eq!(left("https://user@a.example"), "https://a.example/");
    assert_eq!(left("/v1?keys=all&monkey=1;a"), "/v1?keys=all&monkey=1;a");
    assert_eq!(left("/v1?"), "/v1?");
}

/// As it is, or with each of its letters in any case and perhaps encoded.
fn spelled() -> impl Strategy<Value = String> {
    let styles = collection::vec(any::<(bool, bool)>(), 20);
    (sample::select(&QUERY[..]), styles, any::<bool>()).prop_map(|(name, styles, plain)| {
        let spell = |(c, (upper, encode)): (char, &(bool, bool))| {
            let c = if *upper {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            };
            if *encode {
                format!("%{:02x}", u32::from(c))
            } else {
                c.to_string()
            }
        };
        if plain {
            return name.to_owned();
        }
        // The capitals that keep two words apart are part of the name.
        name.to_ascii_lowercase()
            .replace("appkey", "app-key")
            .chars()
            .zip(&styles)
            .map(spell)
            .collect()
    })
}

proptest! {
    #[test]
    fn no_spelling_of_a_credential_is_left_and_everything_else_is(
        secrets in collection::vec((spelled(), any::<(bool, bool)>()), 1..6)
    ) {
        let mut query = "alt=sse".to_owned();
        for (n, (name, (first, second))) in secrets.iter().enumerate() {
            let mark = |semicolon: bool| if semicolon { ';' } else { '&' };
            query += &format!("{}{name}=SECRET{}a{n}=b", mark(*first), mark(*second));
        }
        let left = left(&format!("/v1?{query}"));
        prop_assert!(!left.contains("SECRET"), "{query} left {left}");
        prop_assert!(left.starts_with("/v1?alt=sse"));
        prop_assert_eq!(left.matches("=b").count(), secrets.len());
    }

    #[test]
    fn no_query_panics(query in "[ -~&&[^# <>\"`{}|^\\\\]]{0,40}") {
        if let Ok(request) = Request::get(format!("/v1?{query}&key=SECRET")).body(()) {
            let (mut head, ()) = request.into_parts();
            take_off(&mut head, &[]);
            prop_assert!(!head.uri.to_string().contains("SECRET"));
        }
    }
}
