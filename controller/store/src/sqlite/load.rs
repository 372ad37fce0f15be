//! What agents send by their own configuration, as far as it was let pass here, and what counts beside it.

use super::edit::{self, Text};
use super::instruction;
use crate::{
    AdmitLoads, Error, ForeignLoad, Intention, LoadChange, Remains, Standing, StandingLoad,
    Withholding,
};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use sqlx::{Row, SqliteConnection};
use std::collections::HashMap;

/// What ran once counts for the hour in which it ran.
const STILL_COUNTS_US: i64 = 3_600_000_000;

/// Documents, each as often as it is there: equal loads of one agent are as many loads.
struct Heap<'a>(HashMap<&'a str, usize>);

impl<'a> Heap<'a> {
    fn new(documents: &'a [String]) -> Self {
        let mut heap: HashMap<&str, usize> = HashMap::new();
        for document in documents {
            *heap.entry(document).or_default() += 1;
        }
        Self(heap)
    }

    /// Takes one out, if it is there.
    fn take(&mut self, document: &str) -> bool {
        match self.0.get_mut(document) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// `documents` without those of `other`.
fn without(documents: &[String], other: &[String]) -> Vec<String> {
    let mut other = Heap::new(other);
    let rest = documents.iter().filter(|document| !other.take(document));
    rest.cloned().collect()
}

/// A load that is counted for an agent.
struct Counted {
    row: i64,
    document: String,
    given: Timestamp,
}

async fn counted(
    connection: &mut SqliteConnection,
    agent: &AgentId,
) -> Result<Vec<Counted>, Error> {
    let rows =
        sqlx::query("SELECT rowid, document, given_us FROM loads WHERE agent = $1 AND NOT once")
            .bind(agent.as_str())
            .fetch_all(connection)
            .await?;
    rows.iter()
        .map(|row| {
            Ok(Counted {
                row: row.try_get(0)?,
                document: row.try_get(1)?,
                given: Timestamp::from_micros(row.try_get(2)?),
            })
        })
        .collect()
}

/// Those that are counted beyond `wanted`, and those of `wanted` that are not counted.
fn compare(counted: Vec<Counted>, wanted: &[String]) -> (Vec<Counted>, Vec<String>) {
    let mut left = Heap::new(wanted);
    let (mut beyond, mut kept) = (Vec::new(), Vec::new());
    for load in counted {
        if left.take(&load.document) {
            kept.push(load.document);
        } else {
            beyond.push(load);
        }
    }
    (beyond, without(wanted, &kept))
}

async fn end(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    load: &Counted,
    at: Timestamp,
    remains: Option<Remains>,
) -> Result<(), Error> {
    sqlx::query("DELETE FROM loads WHERE rowid = $1")
        .bind(load.row)
        .execute(&mut *connection)
        .await?;
    let run = remains.and_then(|remains| remains(&load.document, load.given, at));
    match run {
        Some((document, since)) => insert(connection, agent, &document, since, true).await,
        None => Ok(()),
    }
}

/// Ends what an agent no longer has, as it says; gives what it has though it was not let pass here.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    told: &[String],
    at: Timestamp,
    remains: Remains,
) -> Result<Vec<String>, Error> {
    sqlx::query("DELETE FROM loads WHERE agent = $1 AND once AND given_us <= $2")
        .bind(agent.as_str())
        .bind(at.as_micros().saturating_sub(STILL_COUNTS_US))
        .execute(&mut *connection)
        .await?;
    let (beyond, foreign) = compare(counted(connection, agent).await?, told);
    for load in &beyond {
        end(connection, agent, load, at, Some(remains)).await?;
    }
    Ok(foreign)
}

/// Ends those of these loads that are counted.
pub(super) async fn take_back(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    documents: &[String],
    at: Timestamp,
    remains: Option<Remains>,
) -> Result<(), Error> {
    let mut left = Heap::new(documents);
    for load in counted(connection, agent).await? {
        if left.take(&load.document) {
            end(connection, agent, &load, at, remains).await?;
        }
    }
    Ok(())
}

/// Exchanges what counts for an agent without having been let pass.
pub(super) async fn put_foreign(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    foreign: &[ForeignLoad],
) -> Result<(), Error> {
    sqlx::query("DELETE FROM foreign_loads WHERE agent = $1")
        .bind(agent.as_str())
        .execute(&mut *connection)
        .await?;
    for load in foreign {
        sqlx::query(
            "INSERT INTO foreign_loads (agent, target, runs, packets) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING",
        )
        .bind(agent.as_str())
        .bind(&load.target)
        .bind(i64::try_from(load.runs_per_hour_millionths).unwrap_or(i64::MAX))
        .bind(i64::try_from(load.packets_per_second_millionths).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// What counts for an agent without having been let pass, by target.
pub(super) async fn foreign_of(
    connection: &mut SqliteConnection,
    agent: &AgentId,
) -> Result<Vec<ForeignLoad>, Error> {
    let rows = sqlx::query(
        "SELECT target, runs, packets FROM foreign_loads WHERE agent = $1 ORDER BY target",
    )
    .bind(agent.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_foreign).collect()
}

fn read_foreign(row: &sqlx::sqlite::SqliteRow) -> Result<ForeignLoad, Error> {
    Ok(ForeignLoad {
        target: row.try_get(0)?,
        runs_per_hour_millionths: instruction::unsigned(row, 1)?,
        packets_per_second_millionths: instruction::unsigned(row, 2)?,
    })
}

async fn insert(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    document: &str,
    at: Timestamp,
    once: bool,
) -> Result<(), Error> {
    sqlx::query("INSERT INTO loads (agent, document, given_us, once) VALUES ($1, $2, $3, $4)")
        .bind(agent.as_str())
        .bind(document)
        .bind(at.as_micros())
        .bind(once)
        .execute(connection)
        .await?;
    Ok(())
}

/// What agents send by their own configuration, and have sent lately; revoked ones left out.
pub(super) async fn standing(
    connection: &mut SqliteConnection,
    since_us: i64,
) -> Result<Vec<StandingLoad>, Error> {
    let rows = sqlx::query(
        "SELECT document, count(*), max(given_us) FROM loads \
         WHERE (NOT once OR given_us > $1) AND agent NOT IN \
         (SELECT id FROM agents WHERE revoked_us IS NOT NULL) GROUP BY document, given_us > $1",
    )
    .bind(since_us)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(StandingLoad {
                document: row.try_get(0)?,
                agents: instruction::unsigned(row, 1)?,
                given: Timestamp::from_micros(row.try_get(2)?),
            })
        })
        .collect()
}

/// What counts of all agents without having been let pass, by target; revoked ones left out.
pub(super) async fn foreign(connection: &mut SqliteConnection) -> Result<Vec<ForeignLoad>, Error> {
    let rows = sqlx::query(
        "SELECT target, sum(runs), sum(packets) FROM foreign_loads WHERE agent NOT IN \
         (SELECT id FROM agents WHERE revoked_us IS NOT NULL) GROUP BY target",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_foreign).collect()
}

/// A change, and the rows of what it begins.
struct Planned {
    change: LoadChange,
    begin: Vec<i64>,
}

async fn plan(connection: &mut SqliteConnection, intention: &Intention) -> Result<Planned, Error> {
    let mut planned = Planned {
        change: LoadChange::default(),
        begin: Vec::new(),
    };
    let Some(loads) = &intention.loads else {
        return Ok(planned);
    };
    if intention.once {
        planned.change.new.clone_from(loads);
        return Ok(planned);
    }
    let (_, foreign) = compare(
        counted(connection, &intention.agent).await?,
        &intention.before,
    );
    let all = counted(connection, &intention.agent).await?;
    let mut begins = without(loads, &intention.before);
    if !intention.delivered {
        begins.clear();
    }
    let mut begins = Heap::new(&begins);
    for load in &all {
        if begins.take(&load.document) {
            planned.begin.push(load.row);
            let begun = (load.document.clone(), load.given);
            planned.change.begin.push(begun);
        }
    }
    let (gone, new) = compare(all, loads);
    let gone = gone.into_iter().map(|load| (load.document, load.given));
    planned.change.gone = gone.collect();
    // What the agent had before, though nobody here has let it pass, is not this change's.
    planned.change.new = without(&new, &foreign);
    Ok(planned)
}

/// Judges what agents are to be, and notes what is let pass. What goes by it counts until the agent has it so.
pub(super) async fn intend(
    connection: &mut SqliteConnection,
    intentions: &[Intention],
    at: Timestamp,
    admit: AdmitLoads,
) -> Result<Vec<Result<(), Withholding>>, Error> {
    let mut changes = Vec::with_capacity(intentions.len());
    let mut begins = Vec::with_capacity(intentions.len());
    for intention in intentions {
        let planned = plan(connection, intention).await?;
        changes.push(planned.change);
        begins.push(planned.begin);
    }
    // Nothing is read of the fleet where nothing is added to it.
    let adds = |change: &LoadChange| !change.new.is_empty() || !change.begin.is_empty();
    let standing = if changes.iter().any(adds) {
        instruction::standing(connection, at).await?
    } else {
        Standing::default()
    };
    let mut verdicts = admit(&standing, &changes);
    let judged = intentions.iter().zip(changes.iter().zip(&begins));
    for ((intention, (change, begin)), verdict) in judged.zip(&mut verdicts) {
        if verdict.is_err() {
            continue;
        }
        let agent = &intention.agent;
        let text = intention.edit.as_ref().map(|edit| Text::Own(&edit.request));
        if let Some(text) = text
            && !edit::has_room(connection, agent, text).await?
        {
            *verdict = Err(Withholding {
                target: agent.to_string(),
                reason: edit::NO_ROOM.to_owned(),
            });
            continue;
        }
        for row in begin {
            sqlx::query("UPDATE loads SET given_us = $2 WHERE rowid = $1")
                .bind(row)
                .bind(at.as_micros())
                .execute(&mut *connection)
                .await?;
        }
        for document in &change.new {
            insert(connection, agent, document, at, intention.once).await?;
        }
        if let Some(new) = &intention.edit {
            let text = Text::Own(&new.request);
            edit::add(connection, agent, &new.operator, text, at).await?;
        }
    }
    Ok(verdicts)
}
