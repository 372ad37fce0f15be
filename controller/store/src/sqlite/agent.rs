//! Agents.

use super::{changes, withheld};
use crate::{Agent, Certificate, Error, Judge, Labels};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

pub(super) fn labels_to_text(labels: &Labels) -> Result<String, Error> {
    serde_json::to_string(labels).map_err(|error| Error::row("label", &error))
}

fn read(row: &SqliteRow) -> Result<Agent, Error> {
    let labels: String = row.try_get("labels")?;
    let time = |name| -> Result<Option<Timestamp>, Error> {
        Ok(row
            .try_get::<Option<i64>, _>(name)?
            .map(Timestamp::from_micros))
    };
    Ok(Agent {
        id: AgentId::new(row.try_get("id")?).map_err(|reason| Error::row("agent", &reason))?,
        group: row.try_get("group_name")?,
        labels: serde_json::from_str(&labels).map_err(|error| Error::row("label", &error))?,
        created: Timestamp::from_micros(row.try_get("created_us")?),
        last_seen: time("last_seen_us")?,
        certificate: Certificate {
            serial: row.try_get("serial")?,
            not_after: Timestamp::from_micros(row.try_get("not_after_us")?),
        },
        revoked: time("revoked_us")?,
        forgotten: time("forgotten_us")?,
    })
}

pub(super) async fn by_id(
    connection: &mut SqliteConnection,
    id: &AgentId,
) -> Result<Option<Agent>, Error> {
    let row = sqlx::query("SELECT * FROM agents WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Agent>, Error> {
    let rows = sqlx::query("SELECT * FROM agents ORDER BY id")
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

pub(super) async fn renew(
    connection: &mut SqliteConnection,
    id: &AgentId,
    certificate: &Certificate,
) -> Result<bool, Error> {
    let done = sqlx::query(
        "UPDATE agents SET serial = $2, not_after_us = $3 WHERE id = $1 AND revoked_us IS NULL",
    )
    .bind(id.as_str())
    .bind(&certificate.serial)
    .bind(certificate.not_after.as_micros())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn revoke(
    connection: &mut SqliteConnection,
    id: &AgentId,
    at: Timestamp,
    judge: &Judge,
) -> Result<Option<Agent>, Error> {
    sqlx::query("UPDATE agents SET revoked_us = $2 WHERE id = $1 AND revoked_us IS NULL")
        .bind(id.as_str())
        .bind(at.as_micros())
        .execute(&mut *connection)
        .await?;
    withheld::release(connection, judge, at).await?;
    changes::count_up(connection).await?;
    by_id(connection, id).await
}

pub(super) async fn seen(
    connection: &mut SqliteConnection,
    id: &AgentId,
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE agents SET last_seen_us = max(coalesce(last_seen_us, $2), $2) WHERE id = $1",
    )
    .bind(id.as_str())
    .bind(at.as_micros())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn announce(
    connection: &mut SqliteConnection,
    id: &AgentId,
    document: &str,
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO capabilities (agent, document, received_us) VALUES ($1, $2, $3) \
         ON CONFLICT (agent) DO UPDATE SET document = excluded.document, received_us = excluded.received_us",
    )
    .bind(id.as_str())
    .bind(document)
    .bind(at.as_micros())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn capabilities(
    connection: &mut SqliteConnection,
    id: &AgentId,
) -> Result<Option<(String, Timestamp)>, Error> {
    let row = sqlx::query("SELECT document, received_us FROM capabilities WHERE agent = $1")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok((
            row.try_get(0)?,
            Timestamp::from_micros(row.try_get::<i64, _>(1)?),
        ))
    })
    .transpose()
}

pub(super) async fn announcements(
    connection: &mut SqliteConnection,
) -> Result<Vec<(AgentId, String)>, Error> {
    let rows = sqlx::query("SELECT agent, document FROM capabilities ORDER BY agent")
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let agent = AgentId::new(row.try_get(0)?);
            let agent = agent.map_err(|reason| Error::row("agent", &reason))?;
            Ok((agent, row.try_get(1)?))
        })
        .collect()
}

pub(super) async fn label(
    connection: &mut SqliteConnection,
    labels: &[(AgentId, Labels)],
) -> Result<bool, Error> {
    // Asked first: of a refusal nothing may stay.
    for (id, _) in labels {
        if by_id(connection, id).await?.is_none() {
            return Ok(false);
        }
    }
    for (id, labels) in labels {
        sqlx::query("UPDATE agents SET labels = $2 WHERE id = $1")
            .bind(id.as_str())
            .bind(labels_to_text(labels)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(true)
}

pub(super) async fn found(
    connection: &mut SqliteConnection,
    id: &AgentId,
    labels: &Labels,
) -> Result<bool, Error> {
    let done = sqlx::query("UPDATE agents SET found = $2 WHERE id = $1 AND forgotten_us IS NULL")
        .bind(id.as_str())
        .bind(labels_to_text(labels)?)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}
