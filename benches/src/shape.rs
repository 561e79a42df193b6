//! The requests that are sent, and their answers.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;

/// A kind of request, with the kind of answer that belongs to it.
pub trait Shape: Copy + Send + Sync + 'static {
    /// Its name in the table.
    const NAME: &'static str;
    /// The request; a clone of it shares all buffers.
    type Request: Read + Clone + Send + Sync + 'static;
    /// The answer.
    type Response: Send + 'static;

    /// The request of which each call sends a clone.
    fn request() -> Self::Request;

    /// What the inner service answers.
    ///
    /// # Errors
    /// Where `failed`, for shapes whose failures are errors.
    fn answer(failed: bool) -> Result<Self::Response, Broken>;

    /// The one question that every retry layer here asks of a result.
    fn is_failure(result: Result<&Self::Response, &Broken>) -> bool;
}

/// A request that a service can take in, whole.
pub trait Read {
    /// Reads it to its end.
    fn read(self);
}

/// The error of a service that does not work.
#[derive(Debug, Clone, Copy)]
pub struct Broken;

/// A number, which costs nothing: what is left is the layer.
#[derive(Debug, Clone, Copy)]
pub struct U64;

/// A small `PUT`, which may be repeated.
#[derive(Debug, Clone, Copy)]
pub struct Http;

/// A prompt: `POST`, seven headers, 4 KiB.
#[derive(Debug, Clone, Copy)]
pub struct Llm;

// ===== impl U64 =====

impl Shape for U64 {
    const NAME: &'static str = "u64";
    type Request = u64;
    type Response = u64;

    fn request() -> u64 {
        7
    }

    #[inline]
    fn answer(failed: bool) -> Result<u64, Broken> {
        if failed { Err(Broken) } else { Ok(8) }
    }

    #[inline]
    fn is_failure(result: Result<&u64, &Broken>) -> bool {
        result.is_err()
    }
}

impl Read for u64 {
    #[inline]
    fn read(self) {
        black_box(self);
    }
}

// ===== impl Http =====

impl Shape for Http {
    const NAME: &'static str = "http";
    type Request = Request<Full<Bytes>>;
    type Response = Response<Full<Bytes>>;

    fn request() -> Self::Request {
        request(
            Method::PUT,
            "/items/1",
            &[("content-type", "text/plain")],
            16,
        )
    }

    #[inline]
    fn answer(failed: bool) -> Result<Self::Response, Broken> {
        Ok(response(if failed {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        }))
    }

    #[inline]
    fn is_failure(result: Result<&Self::Response, &Broken>) -> bool {
        is_failure(result)
    }
}

// ===== impl Llm =====

impl Shape for Llm {
    const NAME: &'static str = "llm";
    type Request = Request<Full<Bytes>>;
    type Response = Response<Full<Bytes>>;

    fn request() -> Self::Request {
        let headers = [
            (
                "authorization",
                "Bearer sk-0123456789abcdef0123456789abcdef",
            ),
            ("content-type", "application/json"),
            ("accept", "text/event-stream"),
            ("user-agent", "buttress-benches/0.1"),
            ("x-request-id", "8b0d3f0e-1c1a-4a52-9d0c-0a6f1d1f8f6e"),
            ("openai-organization", "org-0123456789"),
            ("x-stainless-retry-count", "0"),
        ];
        request(Method::POST, "/v1/chat/completions", &headers, 4096)
    }

    #[inline]
    fn answer(failed: bool) -> Result<Self::Response, Broken> {
        Ok(response(if failed {
            StatusCode::TOO_MANY_REQUESTS
        } else {
            StatusCode::OK
        }))
    }

    #[inline]
    fn is_failure(result: Result<&Self::Response, &Broken>) -> bool {
        is_failure(result)
    }
}

impl<B> Read for Request<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// As a client does: the head is looked at, the body is polled to its end.
    #[inline]
    fn read(self) {
        let (head, mut body) = self.into_parts();
        black_box(&head);
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) {
            black_box(frame.data_ref());
        }
    }
}

fn request(
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
    bytes: usize,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(Bytes::from(vec![b'x'; bytes])));
    *request.method_mut() = method;
    *request.uri_mut() = format!("https://api.example{path}")
        .parse()
        .expect("a valid URI");
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("visible ASCII");
        request
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    // The first clone makes each buffer a shared one, as those are that hyper hands out.
    drop(request.clone());
    request
}

#[inline]
fn response(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"an answer")));
    *response.status_mut() = status;
    response
}

#[inline]
fn is_failure<B>(result: Result<&Response<B>, &Broken>) -> bool {
    result.map_or(true, |response| {
        let status = response.status();
        status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
    })
}

// ===== impl Broken =====

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of order")
    }
}

impl Error for Broken {}

impl From<Infallible> for Broken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
