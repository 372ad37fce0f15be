//! The one task that writes.
//!
//! ```text
//!  callers ──bounded channel──▶ all that wait, up to MAX_GROUP
//!                               BEGIN IMMEDIATE
//!                                 SAVEPOINT job; job; RELEASE     (or ROLLBACK TO: the others stand)
//!                               COMMIT                            (one fsync for all)
//!          ◀──oneshot────────── answers, only now
//! ```

use crate::{Error, Pending};
use sqlx::{Connection, SqliteConnection};
use std::future::Future;
use std::pin::Pin;
use tokio::sync::{mpsc, oneshot};

/// Most jobs that share one transaction: bounds how long the first of them waits.
const MAX_GROUP: usize = 64;

pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'c>>;

trait Job: Send {
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> Work<'c, ()>;
    fn settle(self: Box<Self>, commit: Result<(), Error>);
}

struct Call<F, T> {
    work: Option<F>,
    outcome: Option<Result<T, Error>>,
    answer: oneshot::Sender<Result<T, Error>>,
}

impl<F, T> Job for Call<F, T>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send,
    T: Send,
{
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> Work<'c, ()> {
        Box::pin(async move {
            let Some(work) = self.work.take() else {
                return Ok(());
            };
            let outcome = work(connection).await;
            let ending = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
            self.outcome = Some(outcome);
            ending
        })
    }

    fn settle(self: Box<Self>, commit: Result<(), Error>) {
        let answer = match (commit, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(Error::Closed),
            (Err(error), _) => Err(error),
        };
        // Nobody may be waiting any more; the write stands all the same.
        let _ = self.answer.send(answer);
    }
}

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// The callers' end of the writer.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    sender: mpsc::Sender<Message>,
}

impl Writer {
    pub(super) fn start(connection: SqliteConnection, queue: usize) -> Self {
        let (sender, receiver) = mpsc::channel(queue);
        tokio::spawn(serve(connection, receiver));
        Self { sender }
    }

    /// Hands work over; the answer comes after COMMIT.
    pub(super) fn hand_over<F, T>(
        &self,
        work: F,
    ) -> Result<oneshot::Receiver<Result<T, Error>>, Error>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        let (answer, receiver) = oneshot::channel();
        let job = Message::Job(Box::new(Call {
            work: Some(work),
            outcome: None,
            answer,
        }));
        match self.sender.try_send(job) {
            Ok(()) => Ok(receiver),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Error::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Error::Closed),
        }
    }

    /// Hands work over and waits for the answer.
    pub(super) fn write<'a, F, T>(&'a self, work: F) -> Pending<'a, T>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        let receiver = self.hand_over(work);
        Box::pin(async move { receiver?.await.unwrap_or(Err(Error::Closed)) })
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(super) fn queued(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }

    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.sender.send(Message::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

async fn serve(mut connection: SqliteConnection, mut receiver: mpsc::Receiver<Message>) {
    let mut closing = Vec::new();
    while let Some(first) = receiver.recv().await {
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Job(job) => group.push(job),
                Message::Close(done) => {
                    receiver.close();
                    closing.push(done);
                }
            }
            next = (group.len() < MAX_GROUP)
                .then(|| receiver.try_recv().ok())
                .flatten();
        }
        if !group.is_empty() {
            commit_together(&mut connection, group).await;
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(error = %error, "closing the database");
    }
    for done in closing {
        let _ = done.send(());
    }
}

async fn commit_together(connection: &mut SqliteConnection, mut group: Vec<Box<dyn Job>>) {
    let ending = transact(connection, &mut group).await;
    if let Err(error) = &ending {
        tracing::warn!(error = %error, jobs = group.len(), "a transaction failed");
        // Fails where SQLite has rolled back by itself, which is as good.
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
    }
    for job in group {
        job.settle(ending.clone());
    }
}

async fn transact(
    connection: &mut SqliteConnection,
    group: &mut [Box<dyn Job>],
) -> Result<(), Error> {
    execute(connection, "BEGIN IMMEDIATE").await?;
    for job in group {
        execute(connection, "SAVEPOINT job").await?;
        if let Err(error) = job.run(connection).await {
            // A full disk may have ended the whole transaction: then the savepoint is gone too.
            execute(connection, "ROLLBACK TO job")
                .await
                .map_err(|_| error)?;
        }
        execute(connection, "RELEASE job").await?;
    }
    execute(connection, "COMMIT").await
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), Error> {
    sqlx::query(sql).execute(connection).await?;
    Ok(())
}
