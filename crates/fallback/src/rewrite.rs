//! What a tier changes about a request before it goes elsewhere.

mod base;
mod climbs;
pub(crate) mod credentials;
mod json;
mod model;

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;

use buttress_body::ReplayBody;
use buttress_classify::Profile;
use buttress_core::BoxError;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, InvalidHeaderValue, TRAILER,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body::Body;

use self::base::Base;
pub use self::base::InvalidBase;
pub use self::climbs::climbs;
use self::model::Place;
use crate::hop_by_hop;

/// What a tier changes about an HTTP request: where it goes, which model it asks for, whose credentials it
/// carries.
///
/// In this order: what concerns the connection to the primary alone is taken off (RFC 9110 §7.6.1; `te: trailers`
/// stays); so are the caller's credentials, unless the tier shares the [account](crate::Tier::same_account); the
/// model is put in its place; the base URL is set; the headers are set. What cannot be changed as told makes the tier be passed over, with an [`Unrewritable`].
///
/// ```
/// use buttress_classify::Profile;
/// use buttress_fallback::Rewrite;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let rewrite = Rewrite::new()
///     .base("https://api.mistral.ai")?
///     .model(Profile::MISTRAL, "mistral-small-latest")
///     .bearer("key-from-the-environment")?;
/// # let _ = rewrite;
/// # Ok(())
/// # }
/// ```
///
/// # Credentials
/// Nobody knows all the names that credentials have, so only those headers cross to another account that are
/// known to hold none: what describes the body and the answer that is wanted (`content-*`, `accept*`,
/// `user-agent`, `te`), versions (`anthropic-version`, `anthropic-beta`, `openai-beta`), what belongs to the call
/// (`idempotency-key`, `x-request-id`, `traceparent`, `tracestate`, `baggage`, how long the caller waits) and,
/// unless their names speak of a credential, `grpc-*`, `x-b3-*` and `x-stainless-*`. None of them crosses if it is
/// marked [sensitive], and all others do only if you [say so](Self::keep_header).
///
/// Out of the query goes what one of the words in its name gives away (`key`, `token`, `sig`, `session`, …), and all
/// of a presigned URL's; so does a user before the host. A credential in the path or in the body is not seen.
///
/// The tier's own goes wherever the request goes. Say the [base](Self::base), unless the service knows for itself
/// where that is: a client that asks the request would take it to whomever the caller has named.
///
/// # What it costs
/// Nothing on a call that the primary serves. A model that stands in the body makes the tier wait for the whole
/// of it, and copies it once: what is held for that is not part of the
/// [pool](crate::FallbackLayer::replay_pool), and as much as [`max_body`](Self::max_body) for each call that asks the
/// tier. A limit of calls in front of the tier bounds it.
///
/// [sensitive]: HeaderValue::is_sensitive
#[derive(Clone)]
pub struct Rewrite {
    base: Option<Base>,
    path: Option<PathAndQuery>,
    model: Option<(Place, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    kept: Vec<HeaderName>,
    max_body: usize,
}

/// Why a request could not be changed as a tier asks for. Nothing was sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unrewritable {
    /// Its body is longer than may be held for it.
    TooLong {
        /// The most that may be held, in bytes.
        max: usize,
    },
    /// Its body is no JSON object as far as its members go.
    NotJson {
        /// Where, in bytes from its start.
        at: usize,
    },
    /// Its body is compressed.
    Encoded,
    /// Its path has no place for a model.
    NoPlaceForModel,
    /// Its path does not fit behind the base URL.
    Uri,
    /// It has so many headers that there is no room for another.
    TooManyHeaders,
    /// Its body broke off.
    Body(BoxError),
}

/// What speaks of the body that was there before, or of the request as it was signed.
const OF_THE_BODY: [HeaderName; 9] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("signature"),
    HeaderName::from_static("signature-input"),
    TRAILER,
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("x-ms-content-sha256"),
];

impl Rewrite {
    /// The longest body that is held in order to change it, in bytes.
    pub const DEFAULT_MAX_BODY: usize = 16 * 1024 * 1024;

    /// Changes nothing but the credentials.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            base: None,
            path: None,
            model: None,
            headers: Vec::new(),
            kept: Vec::new(),
            max_body: Self::DEFAULT_MAX_BODY,
        }
    }

    /// Sends the request to this scheme and authority, with this path before its own. Default: where the
    /// request or the service says.
    ///
    /// # Errors
    /// [`InvalidBase`], unless it is an `http` or `https` URL without user, query and fragment.
    pub fn base(mut self, url: &str) -> Result<Self, InvalidBase> {
        self.base = Some(Base::parse(url)?);
        Ok(self)
    }

    /// Sends the request to this path, with what it says of a query, in place of its own. Default: its own.
    #[must_use]
    pub fn path(mut self, path: PathAndQuery) -> Self {
        self.path = Some(path);
        self
    }

    /// Asks for this model, in the place where the provider looks for it: the member `model` of a JSON body; the
    /// path with Azure, Gemini and Bedrock. Default: the model that the caller asked for.
    #[must_use]
    pub fn model(mut self, profile: Profile, model: &str) -> Self {
        self.model = Some((Place::of(profile), model.to_owned()));
        self
    }

    /// Sets a header, in place of whatever the caller sent by that name. It counts as sensitive.
    #[must_use]
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.push((name, value));
        self
    }

    /// Lets a header of the caller's cross to this tier, whatever it holds. Default: those that are known to hold
    /// [no credential](Self#credentials).
    #[must_use]
    pub fn keep_header(mut self, name: HeaderName) -> Self {
        self.kept.push(name);
        self
    }

    /// Sets `authorization: Bearer …`.
    ///
    /// # Errors
    /// If the key cannot stand in a header.
    pub fn bearer(self, key: &str) -> Result<Self, InvalidHeaderValue> {
        let value = HeaderValue::try_from(format!("Bearer {key}"))?;
        Ok(self.header(AUTHORIZATION, value))
    }

    /// The longest body that is held in order to change it, in bytes. Default: 16 MiB.
    #[must_use]
    pub const fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Changes a request.
    pub(crate) async fn apply<Q>(
        self,
        request: Request<ReplayBody<Q>>,
        same_account: bool,
    ) -> Result<Request<ReplayBody<Q>>, Unrewritable>
    where
        Q: Body + Unpin,
        Q::Error: Into<BoxError>,
    {
        let Self {
            base,
            path,
            model,
            headers,
            kept,
            max_body,
        } = self;
        let (mut head, mut body) = request.into_parts();
        hop_by_hop::take_off(&mut head.headers);
        if !same_account {
            credentials::take_off(&mut head, &kept);
        }
        if let Some(path) = path {
            set_path(&mut head, path)?;
        }
        match model {
            Some((Place::Body, model)) => {
                if head.headers.contains_key(CONTENT_ENCODING) {
                    return Err(Unrewritable::Encoded);
                }
                let whole = read(body, max_body).await?;
                let changed = json::set_member(&whole, "model", &model)
                    .map_err(|at| Unrewritable::NotJson { at })?;
                body = replace_body(&mut head, changed.into())?;
            }
            Some((Place::Path(place), model)) => {
                let path = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                let path = place
                    .put(path, &model)
                    .ok_or(Unrewritable::NoPlaceForModel)?;
                set_path(&mut head, path)?;
            }
            None => {}
        }
        if let Some(base) = base {
            head.uri = base.join(&head.uri).ok_or(Unrewritable::Uri)?;
            head.headers.remove(HOST);
        }
        for (name, value) in headers {
            set_header(&mut head, name, value)?;
        }
        Ok(Request::from_parts(head, body))
    }
}

fn set_path(head: &mut Parts, path: PathAndQuery) -> Result<(), Unrewritable> {
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    uri.path_and_query = Some(path);
    head.uri = Uri::from_parts(uri).ok().ok_or(Unrewritable::Uri)?;
    Ok(())
}

/// Puts a body in the place of another, and says so in the head.
fn replace_body<Q>(head: &mut Parts, body: Bytes) -> Result<ReplayBody<Q>, Unrewritable> {
    for name in OF_THE_BODY {
        head.headers.remove(name);
    }
    let length = HeaderValue::from(body.len());
    set_header(head, CONTENT_LENGTH, length)?;
    Ok(ReplayBody::whole(body))
}

fn set_header(head: &mut Parts, name: HeaderName, value: HeaderValue) -> Result<(), Unrewritable> {
    let set = head.headers.try_insert(name, value);
    set.map(|_| ()).ok().ok_or(Unrewritable::TooManyHeaders)
}

/// Holds a body whole.
async fn read<Q>(mut body: ReplayBody<Q>, max: usize) -> Result<Vec<u8>, Unrewritable>
where
    Q: Body + Unpin,
    Q::Error: Into<BoxError>,
{
    let too_long = Unrewritable::TooLong { max };
    if usize::try_from(body.size_hint().lower()).is_ok_and(|size| size <= max) {
        let mut whole = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.map_err(Unrewritable::Body)?;
            if let Some(data) = frame.data_ref() {
                if whole.len().saturating_add(data.len()) > max {
                    return Err(too_long);
                }
                whole.extend_from_slice(data);
            }
        }
        return Ok(whole);
    }
    Err(too_long)
}

impl Default for Rewrite {
    fn default() -> Self {
        Self::new()
    }
}

/// Without paths and values: keys are among them.
impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Rewrite")
            .field("base", &self.base)
            .field("model", &self.model.as_ref().map(|(_, model)| model))
            .field("headers", &names)
            .field("kept", &self.kept)
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Unrewritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { max } => write!(
                f,
                "the body is longer than the {max} bytes that may be held"
            ),
            Self::NotJson { at } => write!(f, "the body is no JSON object at byte {at}"),
            Self::Encoded => f.write_str("the body is compressed"),
            Self::NoPlaceForModel => f.write_str("the path has no place for a model"),
            Self::Uri => f.write_str("the path does not fit behind the base URL"),
            Self::TooManyHeaders => f.write_str("there is no room for another header"),
            Self::Body(_) => f.write_str("the body broke off"),
        }
    }
}

impl Error for Unrewritable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Body(error) => Some(&**error),
            _ => None,
        }
    }
}
