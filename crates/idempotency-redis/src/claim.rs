//! Asking for a call, and reading its answer.

use std::sync::Arc;
use std::time::Duration;

use buttress_idempotency::{CallId, Claim, Lease, Stored};
use bytes::{Bytes, BytesMut};

use crate::error::StoreUnavailable;
use crate::event;
use crate::link::WhileDown;
use crate::record;
use crate::script::{Finished, Found, Names, PIECE};
use crate::store::RedisStore;

impl RedisStore {
    pub(crate) async fn claim_now(self, call: CallId, lease: Duration) -> Claim {
        let names = self.names(&call);
        match self.claim_or_fail(&names, call, lease).await {
            Ok(claim) => claim,
            Err(error) if self.settings.fails_closed => Claim::Refused(error.into()),
            Err(error) => Claim::Unkept(error.reason()),
        }
    }

    /// Every question has the whole of the patience: a long answer is not given up because the line is slow.
    async fn claim_or_fail(
        &self,
        names: &Names,
        call: CallId,
        lease: Duration,
    ) -> Result<Claim, StoreUnavailable> {
        let token = token()?;
        let claim = names.claim(token, lease);
        let mut is_second = false;
        loop {
            let found = Found::read(self.within(self.ask(&claim, WhileDown::Fail)).await?);
            let (unreadable, size) = match found {
                Found::Ours => return Ok(Claim::Run(Lease::new(call, token))),
                Found::InFlight => return Ok(Claim::InFlight),
                Found::Unreadable { token } => (token, 0),
                Found::Finished(finished) => match self.read(names, &finished).await? {
                    Some(answer) => return Ok(Claim::Finished(Arc::new(answer))),
                    None => (finished.token, finished.size.min(self.settings.max_bytes)),
                },
            };
            event::unreadable(&call);
            if self.settings.fails_closed || is_second {
                return Err(StoreUnavailable::unreadable());
            }
            let discard = names.release(&unreadable);
            let _: i64 = self.within(self.ask(&discard, WhileDown::Fail)).await?;
            if size > PIECE {
                let unlink = names.unlink(&unreadable, size);
                let _: i64 = self.within(self.ask(&unlink, WhileDown::Fail)).await?;
            }
            is_second = true;
        }
    }

    /// The whole answer, or nothing if it is not one, or not whole.
    async fn read(
        &self,
        names: &Names,
        finished: &Finished,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        let Finished { token, size, front } = finished;
        if *size > self.settings.max_bytes {
            return Ok(None);
        }
        let mut whole = BytesMut::from(&**front);
        for number in 1..size.div_ceil(PIECE) {
            let get = names.get(token, number);
            let piece: Vec<u8> = self.within(self.ask(&get, WhileDown::Fail)).await?;
            if piece.is_empty() {
                return Ok(None);
            }
            whole.extend_from_slice(&piece);
        }
        let is_whole = whole.len() == *size;
        let whole = Bytes::from(whole);
        Ok(is_whole.then(|| record::decode(whole).ok()).flatten())
    }
}

/// Told from all others, and guessed by nobody.
fn token() -> Result<u128, StoreUnavailable> {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(u128::from_be_bytes(bytes)),
        Err(_) => Err(StoreUnavailable::no_token()),
    }
}
