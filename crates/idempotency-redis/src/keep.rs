//! What the holder of a lease may do.

use std::time::Duration;

use buttress_idempotency::{Lease, Stored};

use crate::error::StoreUnavailable;
use crate::event;
use crate::link::WhileDown;
use crate::record;
use crate::script::{Names, PIECE};
use crate::store::RedisStore;

impl RedisStore {
    pub(crate) async fn renew_now(self, lease: Lease, time: Duration) -> bool {
        let renew = self.names(lease.call()).renew(lease.token(), time);
        match self.within(self.ask(&renew, WhileDown::Fail)).await {
            Ok(is_held) => is_held,
            Err(error) => {
                event::failed(lease.call(), "renew", &error);
                // It may have been lost, and the server will say so when the call has ended.
                true
            }
        }
    }

    pub(crate) async fn finish_now(self, lease: Lease, answer: Stored, ttl: Duration) -> bool {
        let names = self.names(lease.call());
        let record = record::encode(&answer);
        if record.len() > self.settings.max_bytes {
            self.release_now(lease).await;
            return false;
        }
        match self.put(&names, lease.token(), &record, ttl).await {
            Ok(is_kept) => {
                if !is_kept {
                    event::fenced(lease.call());
                }
                is_kept
            }
            Err(error) => {
                event::failed(lease.call(), "finish", &error);
                // Otherwise it may be there all the same, and the lease runs out if it is not.
                if error.is_refusal() {
                    self.release_now(lease).await;
                }
                false
            }
        }
    }

    async fn put(
        &self,
        names: &Names,
        token: u128,
        record: &[u8],
        ttl: Duration,
    ) -> Result<bool, StoreUnavailable> {
        // Longer than all questions of one who writes or reads it.
        let questions = u32::try_from(record.len().div_ceil(PIECE)).unwrap_or(u32::MAX);
        let moment = self
            .settings
            .patience
            .saturating_mul(questions.saturating_add(1));
        for (number, piece) in record.chunks(PIECE).enumerate().skip(1) {
            let put = names.put(token, number, piece, moment);
            let () = self.within(self.ask(&put, WhileDown::Persist)).await?;
        }
        let finish = names.finish(token, record, ttl, moment);
        self.within(self.ask(&finish, WhileDown::Persist)).await
    }

    pub(crate) async fn release_now(self, lease: Lease) {
        let release = self
            .names(lease.call())
            .release(&lease.token().to_be_bytes());
        let released = self
            .within(self.ask::<i64>(&release, WhileDown::Fail))
            .await;
        if let Err(error) = released {
            event::failed(lease.call(), "release", &error);
        }
    }
}
