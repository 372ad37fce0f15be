//! One-time tokens and enrolment by them.

use super::{agent, instruction, withheld};
use crate::{Enrolled, Enrolment, Error, Grant, Judge, NewToken, TokenFault, TokenHash};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use sqlx::{Row, SqliteConnection};

pub(super) async fn add(connection: &mut SqliteConnection, token: &NewToken) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO tokens (hash, agent, group_name, labels, created_us, expires_us) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(token.hash.as_slice())
    .bind(token.agent.as_ref().map(AgentId::as_str))
    .bind(token.group.as_deref())
    .bind(agent::labels_to_text(&token.labels)?)
    .bind(token.created.as_micros())
    .bind(token.expires.as_micros())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn look(
    connection: &mut SqliteConnection,
    hash: TokenHash,
    now: Timestamp,
) -> Result<Result<Grant, TokenFault>, Error> {
    Ok(find(connection, hash, now)
        .await?
        .map(|token| Grant { agent: token.agent }))
}

struct Token {
    agent: Option<AgentId>,
    group: Option<String>,
    labels: String,
}

async fn find(
    connection: &mut SqliteConnection,
    hash: TokenHash,
    now: Timestamp,
) -> Result<Result<Token, TokenFault>, Error> {
    let row = sqlx::query(
        "SELECT t.agent, t.group_name, t.labels, t.expires_us, t.used_us, a.revoked_us \
         FROM tokens t LEFT JOIN agents a ON a.id = t.agent WHERE t.hash = $1",
    )
    .bind(hash.as_slice())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else {
        return Ok(Err(TokenFault::Unknown));
    };
    if row.try_get::<Option<i64>, _>("used_us")?.is_some() {
        return Ok(Err(TokenFault::Used));
    }
    if row.try_get::<i64, _>("expires_us")? <= now.as_micros() {
        return Ok(Err(TokenFault::Expired));
    }
    if row.try_get::<Option<i64>, _>("revoked_us")?.is_some() {
        return Ok(Err(TokenFault::Revoked));
    }
    let agent = row
        .try_get::<Option<String>, _>("agent")?
        .map(|id| AgentId::new(&id))
        .transpose()
        .map_err(|reason| Error::row("token", &reason))?;
    Ok(Ok(Token {
        agent,
        group: row.try_get("group_name")?,
        labels: row.try_get("labels")?,
    }))
}

pub(super) async fn enrol(
    connection: &mut SqliteConnection,
    enrolment: &Enrolment,
    judge: &Judge,
) -> Result<Result<Enrolled, TokenFault>, Error> {
    let token = match find(connection, enrolment.hash, enrolment.at).await? {
        Ok(token) => token,
        Err(fault) => return Ok(Err(fault)),
    };
    if token
        .agent
        .as_ref()
        .is_some_and(|id| *id != enrolment.agent)
    {
        return Ok(Err(TokenFault::Unknown));
    }
    // The writer holds the only write lock, so nobody comes between the look and this.
    sqlx::query("UPDATE tokens SET used_us = $2 WHERE hash = $1")
        .bind(enrolment.hash.as_slice())
        .bind(enrolment.at.as_micros())
        .execute(&mut *connection)
        .await?;
    let known = agent::by_id(connection, &enrolment.agent).await?;
    let before = match known {
        Some(_) => None,
        None => Some(instruction::standing(connection, enrolment.at).await?),
    };
    // An agent that comes back keeps its group, its labels and what it is told.
    sqlx::query(
        "INSERT INTO agents (id, group_name, labels, created_us, serial, not_after_us) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (id) DO UPDATE SET serial = excluded.serial, not_after_us = excluded.not_after_us",
    )
    .bind(enrolment.agent.as_str())
    .bind(token.group.as_deref())
    .bind(token.labels)
    .bind(enrolment.at.as_micros())
    .bind(&enrolment.certificate.serial)
    .bind(enrolment.certificate.not_after.as_micros())
    .execute(&mut *connection)
    .await?;
    let Enrolment { agent: id, at, .. } = enrolment;
    let withheld = match before {
        Some(standing) => {
            let group = token.group.as_deref();
            withheld::offer(connection, judge, &standing, id, group, *at).await?
        }
        None => Vec::new(),
    };
    let agent = agent::by_id(connection, id)
        .await?
        .ok_or_else(|| Error::row("agent", &"is gone after it was written"))?;
    Ok(Ok(Enrolled { agent, withheld }))
}
