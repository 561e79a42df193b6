//! The connection pool upstream: HTTP/1.1, or HTTP/2 where TLS negotiates it.

use std::io;
use std::time::Duration;

use axum::body::HttpBody;
use buttress::core::BoxError;
use http::Uri;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::crypto::ring;
use tokio::net::TcpStream;
use tower::ServiceBuilder;
use tower::timeout::error::Elapsed;
use tower::util::BoxCloneSyncService;

/// Finds a peer that vanished during a silence; pings of the system's own, no bytes of ours.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

type Connector = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;

/// The pool, for requests with bodies of this type; clones share it.
pub(crate) type Client<B> = legacy::Client<Connector, B>;

/// A client that follows no redirect and asks no environment variable for a proxy.
pub(crate) fn client<B>(connect_timeout: Duration) -> Result<Client<B>, rustls::Error>
where
    B: HttpBody + Send,
    B::Data: Send,
{
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false); // https is the next connector's matter
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(TCP_KEEPALIVE));
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(tcp);
    // One limit over the name's look-up, TCP and TLS together.
    let connector = ServiceBuilder::new()
        .map_err(in_time)
        .timeout(connect_timeout)
        .service(tls);
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .build(BoxCloneSyncService::new(connector)))
}

/// A limit of tower's, as connectors of the system say it.
fn in_time(error: BoxError) -> BoxError {
    match error.downcast::<Elapsed>() {
        Ok(elapsed) => io::Error::new(io::ErrorKind::TimedOut, elapsed).into(),
        Err(error) => error,
    }
}
