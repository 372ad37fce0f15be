//! What may be asked.

use crate::local::series::{Figure, Range};
use glimpse_model::id::ResultId;
use glimpse_model::record::Status;
use glimpse_model::time::Timestamp;
use serde_json::{Map, Value, json};
use std::fmt;
use std::net::IpAddr;

/// A question or a notice.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// How the agent stands.
    Status,
    /// Results, newest first.
    Results(ResultsQuery),
    /// One figure over time, for a graph.
    Series(SeriesQuery),
    /// A measurement of the household's own is to be made.
    Run(Own),
    /// How a job of the household's stands.
    RunStatus(ResultId),
    /// A job of the household's is to end.
    Cancel(ResultId),
    /// The monthly accounts.
    Budget,
    /// What is measured when, and for whom.
    Schedules,
    /// What can be measured.
    Capabilities {
        /// Of this method alone.
        method: Option<String>,
    },
    /// The agent is to become known to a controller.
    Enrol(Enrol),
    /// The line is to be looked through.
    Diagnose {
        /// What the household complains of.
        complaint: Complaint,
        /// Address of the device that asks, for its own Wi-Fi.
        client: Option<IpAddr>,
    },
    /// What the household told of its line.
    SurveyGet,
    /// The household tells of its line.
    SurveyAnswer(Survey),
    /// The household's data, piece by piece.
    Export {
        /// As what.
        format: ExportFormat,
        /// Where the piece before ended.
        cursor: Option<String>,
    },
    /// Identity, history and what waits to be sent are to go; only for the owner of this machine.
    Erase,
    /// The household made a measurement of its own, outside the daemon, that used so many bytes.
    Own {
        /// Bytes in both directions.
        bytes: u64,
    },
    /// Access control of the LMAP door is to be the factory's again; only for the owner of this machine.
    ResetAccess,
}

/// Which results; what is not given does not narrow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultsQuery {
    /// Measured at or after.
    pub since: Option<Timestamp>,
    /// Measured before.
    pub until: Option<Timestamp>,
    /// Older than this one: the last of the page before.
    pub before: Option<ResultId>,
    /// How many at most.
    pub limit: usize,
    /// Of this method.
    pub method: Option<String>,
    /// Of this status.
    pub status: Option<Status>,
    /// Of the household's own measurements, or of the others.
    pub own: Option<bool>,
    /// This one.
    pub id: Option<ResultId>,
}

impl ResultsQuery {
    /// The newest so many.
    pub fn newest(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }
}

/// Which graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesQuery {
    /// What is shown.
    pub figure: Figure,
    /// Of how much time.
    pub range: Range,
    /// To this target; else to the one that was measured most.
    pub target: Option<String>,
    /// Points at most.
    pub points: usize,
}

/// A measurement of the household's own.
#[derive(Debug, Clone, PartialEq)]
pub enum Own {
    /// This one.
    Method {
        /// Name of the method.
        method: String,
        /// Its options.
        options: Map<String, Value>,
    },
    /// What the household's schedule of this name would do.
    Schedule(String),
}

/// What the household complains of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint {
    /// Nothing: how fast is it?
    Speed,
    /// The Internet does not work.
    Down,
    /// The Internet is slow.
    Slow,
}

impl Complaint {
    /// The word in questions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::Down => "down",
            Self::Slow => "slow",
        }
    }
}

/// A one-time token, which stands in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub(super) String);

impl Token {
    /// The token, for the controller alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// By what the agent becomes known to a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrol {
    /// The one-time token.
    pub token: Token,
    /// URL of the controller; that of the settings where it is not given.
    pub controller: Option<String>,
    /// Fingerprint of its authority; the system's roots where it is not given.
    pub fingerprint: Option<String>,
}

/// What the household tells of its line.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// The answers as they came; the survey judges them.
    pub answers: Map<String, Value>,
    /// They may leave the house as a record.
    pub share: bool,
}

/// As what data are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One record a line.
    Json,
    /// RFC 4180, one row a record.
    Csv,
}

impl ExportFormat {
    /// The word in questions, and the end of the file's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

impl Request {
    /// Its name on ubus, and the `op` of the control socket.
    pub const fn op(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Results(_) => "results",
            Self::Series(_) => "series",
            Self::Run(_) => "run",
            Self::RunStatus(_) => "run_status",
            Self::Cancel(_) => "cancel",
            Self::Budget => "budget",
            Self::Schedules => "schedules",
            Self::Capabilities { .. } => "capabilities",
            Self::Enrol(_) => "enrol",
            Self::Diagnose { .. } => "diagnose",
            Self::SurveyGet => "survey_get",
            Self::SurveyAnswer(_) => "survey_answer",
            Self::Export { .. } => "export",
            Self::Erase => "erase",
            Self::Own { .. } => "own",
            Self::ResetAccess => "nacm-reset",
        }
    }

    /// The request as a document of the control socket.
    pub fn to_json(&self) -> Value {
        let mut document = match self {
            Self::Status | Self::Budget | Self::Schedules | Self::SurveyGet | Self::ResetAccess => {
                json!({})
            }
            Self::Results(query) => query.to_json(),
            Self::Series(query) => json!({"figure": query.figure.as_str(),
                "range": query.range.as_str(), "target": query.target, "points": query.points}),
            Self::Run(Own::Method { method, options }) => {
                json!({"method": method, "options": options})
            }
            Self::Run(Own::Schedule(name)) => json!({"schedule": name}),
            Self::RunStatus(id) | Self::Cancel(id) => json!({"id": id}),
            Self::Capabilities { method } => json!({"method": method}),
            Self::Enrol(enrol) => json!({"token": enrol.token.reveal(),
                "controller": enrol.controller, "fingerprint": enrol.fingerprint}),
            Self::Diagnose { complaint, client } => {
                json!({"kind": complaint.as_str(), "client": client})
            }
            Self::SurveyAnswer(survey) => {
                json!({"answers": survey.answers, "share": survey.share})
            }
            Self::Export { format, cursor } => {
                json!({"format": format.as_str(), "cursor": cursor})
            }
            Self::Erase => json!({"confirm": "erase"}),
            Self::Own { bytes } => json!({"bytes": bytes}),
        };
        document["op"] = self.op().into();
        document
    }

    /// Whether only root, or the user of the agent, may ask for it, and not whoever else may use the socket.
    pub fn is_of_owner(&self) -> bool {
        matches!(self, Self::ResetAccess | Self::Erase | Self::Enrol(_))
    }
}

impl ResultsQuery {
    fn to_json(&self) -> Value {
        let mut document = json!({"since": self.since, "until": self.until, "before": self.before,
            "method": self.method, "status": self.status.map(Status::as_str), "own": self.own,
            "id": self.id});
        // Above what one message holds, it is the socket's own word.
        let limit = if self.limit > super::read::MOST_AT_A_TIME {
            "last"
        } else {
            "limit"
        };
        document[limit] = self.limit.into();
        document
    }
}
