#![allow(clippy::unwrap_used)]

use super::open::migrations;
use super::*;
use crate::suite::{self, agent_id, enrol, newcomers, now, result};
use crate::{AltoStore, Audience, Error, NewInstruction};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::sync::Arc;
use std::time::Duration;

async fn fresh(directory: &tempfile::TempDir, options: &Options) -> Sqlite {
    let path = directory.path().join("glimpse.db");
    Sqlite::create(&path, options).await.unwrap()
}

async fn second_process(directory: &tempfile::TempDir) -> sqlx::SqliteConnection {
    SqliteConnectOptions::new()
        .filename(directory.path().join("glimpse.db"))
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn does_what_a_store_must_do() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        judge: newcomers::judge(),
        ..Options::default()
    };
    suite::all(&fresh(&directory, &options).await).await;
}

fn for_everybody(id: &str) -> NewInstruction {
    NewInstruction {
        id: InstructionId::new(id).unwrap(),
        document: "{}".into(),
        audience: Audience::default(),
        created: now(),
    }
}

#[tokio::test]
async fn without_a_judge_newcomers_are_told_nothing_that_was_there_before() {
    let directory = tempfile::tempdir().unwrap();
    let store = fresh(&directory, &Options::default()).await;
    let add = |id| store.add_instructions(vec![for_everybody(id)], Box::new(|_| Ok(())));
    add("before").await.unwrap();
    enrol(&store, 1, "a").await;
    add("after").await.unwrap();
    assert!(store.revoke(agent_id("b"), now()).await.unwrap().is_none());
    assert_eq!(store.release_withheld(now()).await.unwrap(), 0);
    let told = store.visible_to(&agent_id("a")).await.unwrap();
    assert_eq!(told.documents.len(), 1);
    let withheld = store.withheld_from(&agent_id("a")).await.unwrap();
    assert_eq!(withheld.len(), 1);
    assert_eq!(withheld[0].instruction.as_str(), "before");
}

#[tokio::test]
async fn older_databases_are_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("glimpse.db");
    let mut old = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    Migrator::with_migrations(migrations().iter().take(1).cloned().collect())
        .run_direct(None, &mut old, false)
        .await
        .unwrap();
    for row in [
        "INSERT INTO agents (id, labels, created_us, serial, not_after_us) VALUES ('a', '{}', 1, '', 1)",
        "INSERT INTO instructions (id, document, for_all, created_us) VALUES ('i', '{}', 1, 1)",
    ] {
        sqlx::query(row).execute(&mut old).await.unwrap();
    }
    old.close().await.unwrap();
    let store = Sqlite::open(&path, &Options::default()).await.unwrap();
    let told = store.visible_to(&agent_id("a")).await.unwrap();
    assert_eq!(told.documents, ["{}"], "what was told stays told");
    let kept = store.instructions(false).await.unwrap();
    assert_eq!((kept[0].reach, kept[0].withheld), (1, 0));
}

/// Pings as they were stored before there was the column `measured`.
#[tokio::test]
async fn old_pings_are_read_by_their_old_columns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("glimpse.db");
    let mut old = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    Migrator::with_migrations(migrations().iter().take(4).cloned().collect())
        .run_direct(None, &mut old, false)
        .await
        .unwrap();
    // Times of 30, 10 and 20 ms; none; one.
    for (id, target, kind, loss_ppm, rtts) in [
        (
            "01",
            "'anchor'",
            "'Icmp'",
            "250000",
            "x'3075000010270000204e0000'",
        ),
        ("02", "NULL", "'Udp'", "1000000", "NULL"),
        ("03", "'anchor'", "'Tcp'", "500000", "x'10270000'"),
        ("04", "'anchor'", "'Peer'", "0", "x'10270000'"),
        ("05", "'anchor'", "NULL", "0", "x'10270000'"),
    ] {
        let row = format!(
            "INSERT INTO results (id, agent, method, status, start_us, received_us, clock_suspect, target, ping_type, \
             destination, loss_ppm, rtts_us, document) \
             VALUES (x'{id}', 'a', 'ping', 'ok', {id}, 9, 1, {target}, {kind}, '192.0.2.1', {loss_ppm}, {rtts}, '{{}}')"
        );
        sqlx::query(sqlx::AssertSqlSafe(row))
            .execute(&mut old)
            .await
            .unwrap();
    }
    old.close().await.unwrap();
    let store = Sqlite::open(&path, &Options::default()).await.unwrap();
    let mut rows = store.measurements(Timestamp::from_micros(0), Timestamp::from_micros(9));
    let mut found = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        assert!(row.clock_suspect && row.cpu_percent.is_none() && row.isp.is_none());
        assert_eq!(row.received, Timestamp::from_micros(9));
        found.push((row.start.as_micros(), row.target, row.figures));
    }
    found.sort();
    let expected = [
        (
            1,
            "anchor",
            vec![
                (3, vec![250_000]),
                (4, vec![20_000, 0, 10_000]),
                (0, vec![30_000, 10_000, 20_000]),
            ],
        ),
        (2, "192.0.2.1", vec![(3, vec![1_000_000])]),
        (3, "anchor", vec![(1, vec![10_000])]),
    ];
    assert_eq!(
        found,
        expected.map(|(start, target, figures)| (start, target.to_owned(), figures))
    );
}

#[tokio::test]
async fn what_is_acknowledged_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = fresh(&directory, &Options::default()).await;
    enrol(&store, 1, "a").await;
    let batch = vec![result(1), result(2)];
    store.ingest(agent_id("a"), batch, now()).await.unwrap();
    // As after a kill: nothing is closed in order, the log was not folded in.
    let copy = tempfile::tempdir().unwrap();
    for name in ["glimpse.db", "glimpse.db-wal"] {
        std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let path = copy.path().join("glimpse.db");
    let again = Sqlite::open(&path, &Options::default()).await.unwrap();
    assert_eq!(again.count_results(None).await.unwrap(), 2);
    assert!(again.agent(&agent_id("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn the_writer_is_durable_before_it_answers() {
    let directory = tempfile::tempdir().unwrap();
    let store = fresh(&directory, &Options::default()).await;
    let settings = store
        .writer
        .write(|c| {
            Box::pin(async move {
                use sqlx::Row;
                let row = sqlx::query("SELECT j.journal_mode, s.synchronous FROM pragma_journal_mode j, pragma_synchronous s")
                    .fetch_one(c)
                    .await?;
                Ok((row.try_get::<String, _>(0)?, row.try_get::<i64, _>(1)?))
            })
        })
        .await
        .unwrap();
    assert_eq!(settings, ("wal".to_owned(), 2), "2 is FULL");
}

#[tokio::test]
async fn jobs_that_wait_together_share_a_commit_and_fail_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = fresh(&directory, &Options::default()).await;
    let mut other = second_process(&directory).await;
    // Hold the lock so that all of them wait for the same transaction.
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let good = |n: u32| store.ingest(agent_id("a"), vec![result(n)], now());
    let bad = store.writer.write(|c| {
        Box::pin(async move {
            sqlx::query("INSERT INTO meta (name, value) VALUES ('half', 1)")
                .execute(&mut *c)
                .await?;
            sqlx::query("INSERT INTO meta (name, value) VALUES ('revision', 1)")
                .execute(c)
                .await?;
            Ok(())
        })
    });
    let (first, bad, second, ()) = tokio::join!(good(1), bad, good(2), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    });
    assert!(first.is_ok() && second.is_ok());
    assert!(matches!(bad, Err(Error::Other(_))), "{bad:?}");
    assert_eq!(store.count_results(None).await.unwrap(), 2);
    let half = sqlx::query("SELECT 1 FROM meta WHERE name = 'half'")
        .fetch_optional(&mut other)
        .await
        .unwrap();
    assert!(half.is_none(), "half a job was stored");
}

#[tokio::test]
async fn a_full_database_refuses_and_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        max_bytes: Some(400_000),
        ..Options::default()
    };
    let store = fresh(&directory, &options).await;
    let big = |n: u32| {
        let mut result = result(n);
        result.document = format!("{{\"n\":\"{}\"}}", "x".repeat(20_000));
        result
    };
    let mut stored = 0;
    let refused = loop {
        let two = vec![big(stored), big(stored + 1)];
        match store.ingest(agent_id("a"), two, now()).await {
            Ok(_) => stored += 2,
            Err(error) => break error,
        }
        assert!(stored < 100, "never full");
    };
    assert!(matches!(refused, Error::Full), "{refused:?}");
    assert!(refused.is_passing());
    assert!(stored > 0);
    assert_eq!(
        store.count_results(None).await.unwrap(),
        u64::from(stored),
        "no half batch"
    );
    store.close().await.unwrap();
    // With room again, the same file goes on.
    let store = fresh(&directory, &Options::default()).await;
    let batch = vec![big(stored), big(stored + 1)];
    store.ingest(agent_id("a"), batch, now()).await.unwrap();
    assert_eq!(
        store.count_results(None).await.unwrap(),
        u64::from(stored) + 2
    );
}

#[tokio::test]
async fn a_locked_database_is_busy_and_not_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        busy_timeout: Duration::from_millis(50),
        queue: 2,
        ..Options::default()
    };
    let store = fresh(&directory, &options).await;
    let mut other = second_process(&directory).await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let refused = store.ingest(agent_id("a"), vec![result(1)], now()).await;
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    // Readers are not stopped by a writer.
    assert_eq!(store.count_results(None).await.unwrap(), 0);
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    store
        .ingest(agent_id("a"), vec![result(1)], now())
        .await
        .unwrap();
    assert_eq!(store.count_results(None).await.unwrap(), 1);
}

#[tokio::test]
async fn more_than_the_queue_holds_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        queue: 1,
        ..Options::default()
    };
    let store = fresh(&directory, &options).await;
    // On one thread the writer cannot run between the two.
    let first = store.ingest(agent_id("a"), vec![result(1)], now());
    let second = store.ingest(agent_id("a"), vec![result(2)], now());
    assert!(matches!(second.await, Err(Error::Busy)));
    assert!(first.await.is_ok());
}

#[tokio::test]
async fn writes_of_another_process_wake() {
    let directory = tempfile::tempdir().unwrap();
    let server = Arc::new(fresh(&directory, &Options::default()).await);
    enrol(server.as_ref(), 1, "a").await;
    let told = server.visible_to(&agent_id("a")).await.unwrap();
    let waiter = {
        let server = Arc::clone(&server);
        tokio::spawn(async move { server.changed(told.revision).await })
    };
    let path = directory.path().join("glimpse.db");
    let program = Sqlite::open(&path, &Options::default()).await.unwrap();
    program
        .add_instructions(vec![for_everybody("i")], Box::new(|_| Ok(())))
        .await
        .unwrap();
    let revision = tokio::time::timeout(Duration::from_secs(2), waiter).await;
    assert!(revision.unwrap().unwrap().unwrap() > told.revision);
    assert_eq!(
        server.visible_to(&agent_id("a")).await.unwrap().documents,
        ["{}"]
    );
}

#[tokio::test]
async fn files_that_are_no_database_are_named_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("glimpse.db");
    let missing = Sqlite::open(&path, &Options::default()).await.unwrap_err();
    assert!(matches!(missing, Error::Unusable(_)), "{missing:?}");
    std::fs::write(
        &path,
        "not a database, but long enough to be looked at".repeat(100),
    )
    .unwrap();
    let foreign = Sqlite::open(&path, &Options::default()).await.unwrap_err();
    assert!(matches!(foreign, Error::Corrupt(_)), "{foreign:?}");
}

#[tokio::test]
async fn streams_end_with_their_reader() {
    let directory = tempfile::tempdir().unwrap();
    let store = fresh(&directory, &Options::default()).await;
    let batch: Vec<_> = (0..2000).map(result).collect();
    store.ingest(agent_id("a"), batch, now()).await.unwrap();
    for _ in 0..20 {
        let mut rows = store.results(Filter::default());
        assert!(rows.next().await.unwrap().is_some());
    }
    // With four readers, the twenty queries must have ended for this to be answered.
    assert_eq!(store.count_results(None).await.unwrap(), 2000);
}
