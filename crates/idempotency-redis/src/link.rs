//! The way to the server: one connection for all, made when it is needed and made anew when it is lost.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError};
use tokio::time::{Instant, sleep_until};

use crate::event;

/// ```text
///            connect                     lost
///   Idle ─────────────► Up(era) ─────────────────► Idle
///    │                    ▲                         │
///    │ refused            │ connect, by one         │ refused, silent, or lost again at once
///    └──────────────► Down(until) ◄─────────────────┘
/// ```
///
/// While it is down a question fails at once, so that an outage costs callers nothing; one of them finds out now
/// and then whether it still is.
pub(crate) struct Link {
    client: Client,
    state: Mutex<State>,
    /// Held by whoever connects: the others wait for what it comes to.
    turn: tokio::sync::Mutex<()>,
}

enum State {
    Idle,
    Up(Connection),
    Down { until: Instant, error: RedisError },
}

#[derive(Clone)]
struct Connection {
    connection: MultiplexedConnection,
    /// Tells it from its predecessors.
    era: Instant,
}

/// What to do while the server is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhileDown {
    /// Say so.
    Fail,
    /// Ask again and again; whoever asks has a limit.
    Persist,
}

impl Link {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            state: Mutex::new(State::Idle),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Sends a command, and once more if the connection turns out to be lost. The command may be run twice.
    ///
    /// `limit` is that of a connection attempt, and that of an answer.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        command: &Cmd,
        limit: Duration,
        while_down: WhileDown,
    ) -> Result<T, RedisError> {
        let mut has_failed = false;
        loop {
            let mut up = match self.connection(limit).await {
                Ok(up) => up,
                Err((_, until)) if while_down == WhileDown::Persist => {
                    sleep_until(until).await;
                    continue;
                }
                Err((error, _)) => return Err(error),
            };
            let error = match command.query_async(&mut up.connection).await {
                Ok(answer) => return Ok(answer),
                Err(error) if is_of_the_command(&error) => return Err(error),
                Err(error) => error,
            };
            // A connection that was idle may have been lost long ago. One that does not answer has cost enough.
            let is_down = has_failed || error.is_timeout();
            self.lose(up.era, is_down.then_some(&error));
            if is_down && while_down == WhileDown::Fail {
                return Err(error);
            }
            has_failed = true;
        }
    }

    async fn connection(&self, limit: Duration) -> Result<Connection, (RedisError, Instant)> {
        if let Some(known) = self.known() {
            return known;
        }
        let _turn = self.turn.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        // Until this has an outcome, one who has seen it down does not wait for it. Dropped, it has none.
        if let State::Down { until, .. } = &mut *self.state() {
            *until = Instant::now() + limit;
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(Some(limit));
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        match connecting.await {
            Ok(connection) => {
                let up = Connection {
                    connection,
                    era: Instant::now(),
                };
                let before = std::mem::replace(&mut *self.state(), State::Up(up.clone()));
                if matches!(before, State::Down { .. }) {
                    event::up();
                }
                Ok(up)
            }
            Err(error) => {
                let until = self.fail(&error);
                Err((error, until))
            }
        }
    }

    /// What there is, unless it is time to connect.
    fn known(&self) -> Option<Result<Connection, (RedisError, Instant)>> {
        match &*self.state() {
            State::Idle => None,
            State::Up(up) => Some(Ok(up.clone())),
            State::Down { until, error } => {
                (Instant::now() < *until).then(|| Err((error.clone(), *until)))
            }
        }
    }

    /// The connection of that era is of no use any more. With an error: nor would the next one be.
    fn lose(&self, era: Instant, error: Option<&RedisError>) {
        let mut state = self.state();
        if matches!(&*state, State::Up(up) if up.era == era) {
            *state = State::Idle;
            drop(state);
            if let Some(error) = error {
                self.fail(error);
            }
        }
    }

    fn fail(&self, error: &RedisError) -> Instant {
        let until = Instant::now() + PAUSE;
        let mut state = self.state();
        let was_down = matches!(&*state, State::Down { .. });
        *state = State::Down {
            until,
            error: error.clone(),
        };
        drop(state);
        if !was_down {
            event::down(error);
        }
        until
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server has understood the question and does not like it. If it cannot write it may be the wrong server
/// by now, and it is looked for again; one that is busy, or is reading what it has written down, counts as down.
pub(crate) fn is_of_the_command(error: &RedisError) -> bool {
    use redis::ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly, TryAgain};

    match error.kind() {
        ErrorKind::Server(kind) => !matches!(
            kind,
            ReadOnly | MasterDown | ClusterDown | BusyLoading | TryAgain
        ),
        ErrorKind::Extension => error.code() != Some("BUSY"),
        ErrorKind::UnexpectedReturnType => true,
        _ => false,
    }
}

/// How long a server that is down is left alone: less than anybody would notice.
const PAUSE: Duration = Duration::from_millis(200);
