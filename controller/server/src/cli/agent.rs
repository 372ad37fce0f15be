//! `agent invite|list|show|revoke|forget`.

use super::output::{Output, ago, ahead};
use super::{CliError, Place, open};
use crate::clock;
use crate::enrolment::Token;
use crate::pki::Pki;
use clap::{Args, Subcommand};
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_store::{Agent, Labels, NewToken, Store, Withheld};
use serde::Serialize;
use serde_json::Value;

/// Longest label and value.
const MAX_LABEL: usize = 64;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a one-time token by which an agent enrols.
    Invite(Invite),
    /// All agents.
    List(List),
    /// One agent with its capabilities.
    Show(Show),
    /// Shut an agent out, at once and for good.
    Revoke(Show),
    /// Shut an agent out and delete all it sent, for a household that asks for it in another way than by its agent.
    Forget(Show),
}

#[derive(Debug, Args)]
pub(super) struct Invite {
    #[command(flatten)]
    place: Place,
    /// Group of the new agent, for instructions.
    #[arg(long, value_name = "GROUP", conflicts_with = "agent")]
    group: Option<String>,
    /// Label of the new agent; `isp` and `region` make its place in ALTO maps.
    #[arg(long = "label", value_name = "KEY=VALUE", conflicts_with = "agent")]
    labels: Vec<String>,
    /// Let this agent come back, for instance after its certificate expired while it was off.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Seconds until the token expires.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400,
          value_parser = clap::value_parser!(u32).range(1..))]
    ttl: u32,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    place: Place,
    /// Id of the agent.
    id: String,
}

impl Command {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        match self {
            Self::Invite(invite) => invite.run(output).await,
            Self::List(list) => list.run(output).await,
            Self::Show(show) => show.run(output).await,
            Self::Revoke(show) => show.revoke(output).await,
            Self::Forget(show) => show.forget(output).await,
        }
    }
}

pub(super) fn agent_id(text: &str) -> Result<AgentId, CliError> {
    AgentId::new(text).map_err(|reason| CliError::Usage(format!("agent id {text:?}: {reason}")))
}

/// A group's name keeps the rules of an id.
pub(super) fn group_name(text: String) -> Result<String, CliError> {
    match AgentId::new(&text) {
        Ok(_) => Ok(text),
        Err(reason) => Err(CliError::Usage(format!("group {text:?}: {reason}"))),
    }
}

fn labels(words: &[String]) -> Result<Labels, CliError> {
    let mut labels = Labels::new();
    for word in words {
        let fits = |text: &str| {
            (1..=MAX_LABEL).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        match word.split_once('=') {
            Some((key, value)) if fits(key) && fits(value) => {
                labels.insert(key.to_owned(), value.to_owned());
            }
            _ => {
                return Err(CliError::Usage(format!(
                    "label {word:?}: must have the form key=value, each of 1 to {MAX_LABEL} bytes"
                )));
            }
        }
    }
    Ok(labels)
}

#[derive(Serialize)]
struct Invitation<'a> {
    token: &'a str,
    expires: Timestamp,
    agent: Option<&'a AgentId>,
    group: Option<&'a str>,
    labels: &'a Labels,
    ca_fingerprint: &'a str,
}

impl Invite {
    async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let config = self.place.load()?;
        let now = clock::now();
        let agent = self.agent.as_deref().map(agent_id).transpose()?;
        let new = NewToken {
            hash: [0; 32],
            group: self.group.map(group_name).transpose()?,
            labels: labels(&self.labels)?,
            agent,
            created: now,
            expires: now.plus_micros(i64::from(self.ttl) * SECOND),
        };
        let store = open(&config).await?;
        if let Some(id) = &new.agent {
            let known = found(store.agent(id).await?, id)?;
            if known.revoked.is_some() {
                return Err(CliError::hinting(
                    &format!("agent {id} was revoked"),
                    "a revoked agent does not come back: invite a new one",
                ));
            }
        }
        let fingerprint = Pki::load(&config.pki)
            .map_err(CliError::failed)?
            .fingerprint();
        let token = Token::random().map_err(CliError::failed)?;
        let new = NewToken {
            hash: token.hash(),
            ..new
        };
        store.add_token(new.clone()).await?;
        store.close().await?;
        if output.json {
            return Ok(output.json(&Invitation {
                token: token.reveal(),
                expires: new.expires,
                agent: new.agent.as_ref(),
                group: new.group.as_deref(),
                labels: &new.labels,
                ca_fingerprint: &fingerprint,
            })?);
        }
        // Alone on standard output, so that it can be piped to where it is needed.
        writeln!(output.out, "{}", token.reveal())?;
        writeln!(
            output.err,
            "Shown this once; good for one enrolment until {}.\nCA fingerprint: {fingerprint}",
            new.expires
        )?;
        Ok(())
    }
}

fn found(agent: Option<Agent>, id: &AgentId) -> Result<Agent, CliError> {
    agent.ok_or_else(|| {
        CliError::hinting(
            &format!("there is no agent {id}"),
            "glimpse-controller agent list names them all",
        )
    })
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a AgentId,
    group: Option<&'a str>,
    labels: &'a Labels,
    created: Timestamp,
    last_seen: Option<Timestamp>,
    certificate_serial: &'a str,
    certificate_not_after: Timestamp,
    revoked: Option<Timestamp>,
    forgotten: Option<Timestamp>,
}

impl<'a> From<&'a Agent> for Row<'a> {
    fn from(agent: &'a Agent) -> Self {
        Self {
            id: &agent.id,
            group: agent.group.as_deref(),
            labels: &agent.labels,
            created: agent.created,
            last_seen: agent.last_seen,
            certificate_serial: &agent.certificate.serial,
            certificate_not_after: agent.certificate.not_after,
            revoked: agent.revoked,
            forgotten: agent.forgotten,
        }
    }
}

fn state(agent: &Agent, now: Timestamp) -> String {
    match agent.revoked {
        Some(_) if agent.forgotten.is_some() => "forgotten".to_owned(),
        Some(_) => "revoked".to_owned(),
        None => match ahead(agent.certificate.not_after, now).as_str() {
            "expired" => "certificate expired".to_owned(),
            rest => format!("good for {rest}"),
        },
    }
}

fn label_words(labels: &Labels) -> String {
    let words: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    words.join(" ")
}

impl List {
    async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let store = open(&self.place.load()?).await?;
        let agents = store.agents().await?;
        store.close().await?;
        if output.json {
            let rows: Vec<Row<'_>> = agents.iter().map(Row::from).collect();
            return Ok(output.json(&rows)?);
        }
        if agents.is_empty() {
            writeln!(
                output.err,
                "No agents yet. Run glimpse-controller agent invite."
            )?;
            return Ok(());
        }
        let now = clock::now();
        let rows: Vec<Vec<String>> = agents
            .iter()
            .map(|agent| {
                vec![
                    agent.id.to_string(),
                    agent.group.clone().unwrap_or_default(),
                    label_words(&agent.labels),
                    ago(agent.last_seen, now),
                    state(agent, now),
                ]
            })
            .collect();
        output.table(&["AGENT", "GROUP", "LABELS", "LAST SEEN", "STATE"], &rows)?;
        Ok(())
    }
}

#[derive(Serialize)]
struct Detail<'a> {
    agent: Row<'a>,
    results: u64,
    capabilities: Option<Value>,
    capabilities_time: Option<Timestamp>,
    withheld: Vec<WithheldRow<'a>>,
}

#[derive(Serialize)]
struct WithheldRow<'a> {
    instruction: &'a InstructionId,
    target: &'a str,
    reason: &'a str,
    since: Timestamp,
}

impl<'a> From<&'a Withheld> for WithheldRow<'a> {
    fn from(withheld: &'a Withheld) -> Self {
        Self {
            instruction: &withheld.instruction,
            target: &withheld.target,
            reason: &withheld.reason,
            since: withheld.at,
        }
    }
}

impl Show {
    async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let id = agent_id(&self.id)?;
        let store = open(&self.place.load()?).await?;
        let agent = found(store.agent(&id).await?, &id)?;
        let announced = store.capabilities(&id).await?;
        let results = store.count_results(Some(&id)).await?;
        let withheld = store.withheld_from(&id).await?;
        store.close().await?;
        let (capabilities, capabilities_time) = match announced {
            Some((text, at)) => (serde_json::from_str::<Value>(&text).ok(), Some(at)),
            None => (None, None),
        };
        if output.json {
            return Ok(output.json(&Detail {
                agent: Row::from(&agent),
                results,
                capabilities,
                capabilities_time,
                withheld: withheld.iter().map(WithheldRow::from).collect(),
            })?);
        }
        let now = clock::now();
        let methods = capabilities.as_ref().map_or_else(
            || "not announced yet".to_owned(),
            |document| {
                let list = document["methods"].as_array().cloned().unwrap_or_default();
                let names: Vec<&str> = list.iter().filter_map(|m| m["name"].as_str()).collect();
                names.join(", ")
            },
        );
        for (name, value) in [
            ("agent", agent.id.to_string()),
            ("group", agent.group.clone().unwrap_or_default()),
            ("labels", label_words(&agent.labels)),
            ("state", state(&agent, now)),
            ("enrolled", agent.created.to_string()),
            ("last seen", ago(agent.last_seen, now)),
            ("certificate", agent.certificate.serial.clone()),
            ("results", results.to_string()),
            ("methods", methods),
        ] {
            writeln!(output.out, "{name:12} {value}")?;
        }
        for row in &withheld {
            let since = ago(Some(row.at), now);
            writeln!(
                output.out,
                "{:12} {} since {since}: {}",
                "withheld", row.instruction, row.reason
            )?;
        }
        Ok(())
    }

    async fn revoke(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let id = agent_id(&self.id)?;
        let store = open(&self.place.load()?).await?;
        let agent = found(store.revoke(id.clone(), clock::now()).await?, &id)?;
        store.close().await?;
        if output.json {
            return Ok(output.json(&Row::from(&agent))?);
        }
        writeln!(
            output.out,
            "Agent {id} is shut out; its results stay. A running server cuts it off within a second."
        )?;
        Ok(())
    }

    async fn forget(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let id = agent_id(&self.id)?;
        let store = open(&self.place.load()?).await?;
        found(store.agent(&id).await?, &id)?;
        let wish = "by the operator".to_owned();
        store.forget(id.clone(), wish, clock::now()).await?;
        let mut rows = 0;
        loop {
            match store.delete_forgotten().await? {
                0 => break,
                some => rows += some,
            }
        }
        store.close().await?;
        if output.json {
            return Ok(output.json(&serde_json::json!({"agent": id, "deleted": rows}))?);
        }
        writeln!(
            output.out,
            "Agent {id} is shut out and forgotten; {rows} results and reports are deleted."
        )?;
        Ok(())
    }
}
