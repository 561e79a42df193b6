//! Where a human looks when nobody else knew.

use std::sync::{Arc, Mutex, PoisonError};

use buttress::body::ReplayBody;
use buttress::core::{BoxError, Failure, Outcome};
use buttress::fallback::HandOver;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::rules;

/// Tickets in memory. A real one keeps them on a disk before it says that it has them.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<Mutex<Vec<String>>>);

/// More than a human can look at.
const ROOM: usize = 100;

impl Inbox {
    pub(crate) fn tickets(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl HandOver<Request<ReplayBody<Full<Bytes>>>> for Inbox {
    type Response = Response<Full<Bytes>>;

    async fn hand_over(
        &self,
        request: Request<ReplayBody<Full<Bytes>>>,
        _why: Outcome,
    ) -> Result<Self::Response, BoxError> {
        let body = request.into_body().collect().await?.to_bytes();
        let order = rules::order(&body)?.to_owned();
        let ticket = {
            let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if tickets.len() == ROOM {
                return Err(Failure::new(Outcome::QUEUE_FULL, "the inbox is full").into());
            }
            tickets.push(order);
            tickets.len()
        };
        let answer = format!(r#"{{"ticket":{ticket}}}"#);
        let mut response = Response::new(answer.into());
        *response.status_mut() = StatusCode::ACCEPTED;
        Ok(response)
    }
}
