//! One body for many readers.

mod bell;
mod error;
mod reader;
mod run;
mod tape;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use http_body::Body;

use self::run::Run;

pub use self::error::{FellBehind, SharedError};
pub use self::reader::{Finish, SharedBody};

/// A body that is read once and handed to many, from its first byte on, to each at its own pace.
///
/// What arrives is kept by reference count. Up to `max_bytes` nobody waits for anybody, and whoever
/// [joins](Self::join) gets everything. Once the body is longer than that, its beginning is let go of: nobody
/// joins any more, and the fastest reader may be `max_bytes` ahead of the slowest. Then it waits, for as
/// long as the [`Patience`] lasts; whoever has held it back and is then still more than half of `max_bytes`
/// behind ends with [`FellBehind`], and the others go on. A slow reader who holds nobody back is only waited for.
///
/// Nobody is spawned: the inner body is polled by whichever reader comes first after it has woken them. There
/// are two polls per frame, however many readers there are.
///
/// # Clone
/// Clones are handles of one body. The body is dropped, which cancels the upstream's work on it, when the
/// last of its handles and readers is.
///
/// # Errors
/// Readers fail with [`SharedError`], which has the one error of the inner body as its source, or with
/// [`FellBehind`] in a [`Failure`](buttress_core::Failure).
///
/// # Cancel safety
/// A reader that is dropped leaves nothing behind. If it was the one to poll the inner body, the others have
/// been woken and one of them takes over.
///
/// # Examples
/// ```
/// use buttress_body::Shared;
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, Full};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let shared = Shared::new(Full::<Bytes>::from("once"), 8 << 20, || Box::pin(std::future::ready(())));
/// let (one, other) = (shared.join(), shared.join());
/// for reader in [one, other] {
///     let body = reader.ok_or("it is too long")?;
///     assert_eq!(body.collect().await?.to_bytes(), "once");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Shared<B>(Arc<Run<B>>);

/// A handle that does not keep the body alive.
pub struct WeakShared<B>(Weak<Run<B>>);

/// How long readers that are far behind are waited for: a future that is made whenever somebody is.
pub type Patience = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes a [`Patience`] whenever one is needed.
pub type BePatient = Arc<dyn Fn() -> Patience + Send + Sync>;

impl<B> Shared<B> {
    /// Shares `inner`, of which up to `max_bytes` are kept. A chunk counts for at least 64 bytes.
    ///
    /// `be_patient` makes the future for which readers that are far behind are waited for, such as
    /// `|| Box::pin(tokio::time::sleep(Duration::from_secs(5)))`.
    #[must_use]
    pub fn new(
        inner: B,
        max_bytes: usize,
        be_patient: impl Fn() -> Patience + Send + Sync + 'static,
    ) -> Self
    where
        B: Body,
    {
        Self::with_patience(inner, max_bytes, Arc::new(be_patient))
    }

    /// As [`new`](Self::new), with a patience that many bodies have in common.
    #[must_use]
    pub fn with_patience(inner: B, max_bytes: usize, be_patient: BePatient) -> Self
    where
        B: Body,
    {
        Self(Arc::new(Run::new(inner, max_bytes, be_patient)))
    }

    /// A reader that gets everything, unless the beginning is gone.
    #[must_use]
    pub fn join(&self) -> Option<SharedBody<B>> {
        SharedBody::join(&self.0)
    }

    /// Reads it to its end whether anybody else does or not.
    pub fn finish(&self) -> Finish<B> {
        Finish::new(&self.0)
    }

    /// A handle that does not keep it alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakShared<B> {
        WeakShared(Arc::downgrade(&self.0))
    }

    /// Whether it has come to its own end, and whoever joins gets all of it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.0.tape().is_complete()
    }

    /// Whether it has ended, well or not.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.0.tape().ending().is_some()
    }

    /// Whether the inner body has panicked: whoever asks next fails, and nothing else can come of it.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.0.is_broken()
    }

    /// What is kept at this moment counts for so many bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.0.tape().weight()
    }
}

impl<B> WeakShared<B> {
    /// The handle, if the body is still alive.
    #[must_use]
    pub fn upgrade(&self) -> Option<Shared<B>> {
        self.0.upgrade().map(Shared)
    }
}

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> Clone for WeakShared<B> {
    fn clone(&self) -> Self {
        Self(Weak::clone(&self.0))
    }
}

impl<B> fmt::Debug for Shared<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe("Shared", f)
    }
}

impl<B> fmt::Debug for WeakShared<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakShared").finish_non_exhaustive()
    }
}
