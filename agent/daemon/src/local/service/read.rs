//! Questions as they come from outside, bounded and checked.

use super::MOST_RESULTS;
use super::request::{
    Complaint, Enrol, ExportFormat, Own, Request, ResultsQuery, SeriesQuery, Survey, Token,
};
use crate::local::series::{Figure, Range};
use glimpse_model::id::ResultId;
use glimpse_model::read::{self, Cursor, Members, Refused};
use glimpse_model::record::Status;
use glimpse_model::time::Timestamp;
use serde_json::{Map, Value};

/// Most results asked for by `limit`.
pub(super) const MOST_AT_A_TIME: usize = 100;
/// Most points of a graph.
const MOST_POINTS: i64 = 400;
/// Longest token, in bytes.
const TOKEN_BYTES: usize = 1024;
/// Longest URL, in bytes.
const URL_BYTES: usize = 512;
/// Longest name of a target, in bytes.
const TARGET_BYTES: usize = 255;
/// What rpcd adds to the arguments of whoever calls through it.
const SESSION: &str = "ubus_rpc_session";
/// Names of all requests, for the refusal of others.
const OPS: &str = "status, results, series, run, run_status, cancel, budget, schedules, \
    capabilities, enrol, diagnose, survey_get, survey_answer, export, erase, own, nacm-reset";

impl Request {
    /// Parses `{"op": …}`, a line of the control socket.
    ///
    /// # Errors
    /// [`Refused`] naming the member.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let document = read::json(bytes)?;
        let members = Cursor::root(&document).object()?;
        let op = members.required("op")?;
        let name = op.text(32)?;
        match name {
            "own" => {
                members.only(&["op", "bytes"])?;
                Ok(Self::Own {
                    bytes: members.required("bytes")?.unsigned()?,
                })
            }
            "nacm-reset" => Ok(Self::ResetAccess),
            _ => Self::read(name, &members, true)
                .unwrap_or_else(|| Err(op.refuse(format_args!("must be one of {OPS}")))),
        }
    }

    /// Reads a call of the object's method `name`; `None` when there is no such method.
    ///
    /// # Errors
    /// [`Refused`] naming the argument.
    pub fn of_call(name: &str, arguments: &Map<String, Value>) -> Option<Result<Self, Refused>> {
        let document = Value::Object(arguments.clone());
        match Cursor::root(&document).object() {
            Ok(members) => Self::read(name, &members, false),
            Err(refused) => Some(Err(refused)),
        }
    }

    /// `None` when there is no such request; `socket` knows words that ubus does not.
    fn read(name: &str, members: &Members<'_>, socket: bool) -> Option<Result<Self, Refused>> {
        let arguments = Arguments { members, socket };
        Some(match name {
            "status" => arguments.none(Self::Status),
            "budget" => arguments.none(Self::Budget),
            "schedules" => arguments.none(Self::Schedules),
            "survey_get" => arguments.none(Self::SurveyGet),
            "results" => arguments.results().map(Self::Results),
            "series" => arguments.series().map(Self::Series),
            "run" => arguments.run().map(Self::Run),
            "run_status" => arguments.id().map(Self::RunStatus),
            "cancel" => arguments.id().map(Self::Cancel),
            "capabilities" => arguments.capabilities(),
            "enrol" => arguments.enrol().map(Self::Enrol),
            "diagnose" => arguments.diagnose(),
            "survey_answer" => arguments.survey().map(Self::SurveyAnswer),
            "export" => arguments.export(),
            "erase" => arguments.erase(),
            _ => return None,
        })
    }
}

struct Arguments<'a> {
    members: &'a Members<'a>,
    socket: bool,
}

impl Arguments<'_> {
    /// Refuses what is not in `known`: a filter that is not understood must not be dropped.
    fn only(&self, known: &[&str]) -> Result<(), Refused> {
        let mut known = known.to_vec();
        known.push(if self.socket { "op" } else { SESSION });
        self.members.only(&known)
    }

    fn none(&self, request: Request) -> Result<Request, Refused> {
        self.only(&[]).map(|()| request)
    }

    fn text(&self, name: &str, limit: usize) -> Result<Option<String>, Refused> {
        self.members
            .optional(name)
            .map(|text| text.text(limit).map(str::to_owned))
            .transpose()
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, Refused> {
        self.members
            .optional(name)
            .map(|at| Timestamp::read(&at))
            .transpose()
    }

    fn result_id(&self, name: &str) -> Result<Option<ResultId>, Refused> {
        self.members
            .optional(name)
            .map(|id| ResultId::read(&id))
            .transpose()
    }

    fn count(&self, name: &str, most: i64, default: usize) -> Result<usize, Refused> {
        let count = self.members.optional(name);
        let count = count.map(|count| count.integer(1, most)).transpose()?;
        Ok(count
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(default))
    }

    /// One of a few words.
    fn word<T: Copy, const N: usize>(
        &self,
        name: &str,
        words: [(&str, T); N],
    ) -> Result<Option<T>, Refused> {
        let Some(cursor) = self.members.optional(name) else {
            return Ok(None);
        };
        let text = cursor.text(32)?;
        let found = words.iter().find(|(word, _)| *word == text);
        let all = || words.map(|(word, _)| word).join(", ");
        match found {
            Some((_, value)) => Ok(Some(*value)),
            None => Err(cursor.refuse(format_args!("must be one of {}", all()))),
        }
    }

    fn must<T>(&self, name: &str, value: Option<T>) -> Result<T, Refused> {
        value.ok_or_else(|| Refused::new(self.members.path_of(name), "is missing"))
    }

    fn id(&self) -> Result<ResultId, Refused> {
        self.only(&["id"])?;
        self.must("id", self.result_id("id")?)
    }

    fn results(&self) -> Result<ResultsQuery, Refused> {
        let mut known = vec![
            "since", "until", "before", "limit", "method", "status", "own", "id",
        ];
        let most = i64::try_from(MOST_AT_A_TIME).unwrap_or(i64::MAX);
        let mut limit = self.count("limit", most, 20)?;
        if self.socket {
            known.push("last");
            let most = i64::try_from(MOST_RESULTS).unwrap_or(i64::MAX);
            limit = self.count("last", most, limit)?;
        }
        self.only(&known)?;
        Ok(ResultsQuery {
            since: self.time("since")?,
            until: self.time("until")?,
            before: self.result_id("before")?,
            limit,
            method: self.text("method", 64)?,
            status: self
                .members
                .optional("status")
                .map(|status| Status::read(&status))
                .transpose()?,
            own: self
                .members
                .optional("own")
                .map(|own| own.boolean())
                .transpose()?,
            id: self.result_id("id")?,
        })
    }

    fn series(&self) -> Result<SeriesQuery, Refused> {
        self.only(&["figure", "range", "target", "points"])?;
        let figure = self.word("figure", Figure::ALL.map(|it| (it.as_str(), it)))?;
        let range = self.word("range", Range::ALL.map(|it| (it.as_str(), it)))?;
        Ok(SeriesQuery {
            figure: self.must("figure", figure)?,
            range: range.unwrap_or_default(),
            target: self.text("target", TARGET_BYTES)?,
            points: self.count("points", MOST_POINTS, 200)?,
        })
    }

    fn run(&self) -> Result<Own, Refused> {
        self.only(&["method", "options", "schedule"])?;
        let options = self.members.optional("options");
        match (self.text("method", 64)?, self.text("schedule", 64)?) {
            (Some(method), None) => Ok(Own::Method {
                method,
                options: match options {
                    Some(options) => options.object()?.map().clone(),
                    None => Map::new(),
                },
            }),
            (None, Some(name)) if options.is_none() => Ok(Own::Schedule(name)),
            (None, Some(_)) => Err(Refused::new(
                self.members.path_of("options"),
                "must not stand beside schedule, which has its own",
            )),
            (Some(_), Some(_)) => Err(Refused::new(
                self.members.path_of("schedule"),
                "must not stand beside method",
            )),
            (None, None) => Err(Refused::new(self.members.path_of("method"), "is missing")),
        }
    }

    fn capabilities(&self) -> Result<Request, Refused> {
        self.only(&["method"])?;
        let method = self.text("method", 64)?;
        Ok(Request::Capabilities { method })
    }

    fn enrol(&self) -> Result<Enrol, Refused> {
        self.only(&["token", "controller", "fingerprint"])?;
        let token = self.text("token", TOKEN_BYTES)?;
        Ok(Enrol {
            token: Token(self.must("token", token)?.trim().to_owned()),
            controller: self.text("controller", URL_BYTES)?,
            fingerprint: self.text("fingerprint", 128)?,
        })
    }

    fn diagnose(&self) -> Result<Request, Refused> {
        self.only(&["kind", "client"])?;
        let complaint = self.word(
            "kind",
            [Complaint::Speed, Complaint::Down, Complaint::Slow].map(|it| (it.as_str(), it)),
        )?;
        let client = match self.members.optional("client") {
            None => None,
            Some(client) => {
                let address = client.text(45)?.parse();
                Some(address.map_err(|_| client.refuse("must be an IP address"))?)
            }
        };
        Ok(Request::Diagnose {
            complaint: self.must("kind", complaint)?,
            client,
        })
    }

    fn survey(&self) -> Result<Survey, Refused> {
        self.only(&["answers", "share"])?;
        let answers = self.members.required("answers")?.object()?.map().clone();
        let share = self.members.required("share")?.boolean()?;
        Ok(Survey { answers, share })
    }

    fn export(&self) -> Result<Request, Refused> {
        self.only(&["format", "cursor"])?;
        let format = self.word(
            "format",
            [ExportFormat::Json, ExportFormat::Csv].map(|it| (it.as_str(), it)),
        )?;
        Ok(Request::Export {
            format: self.must("format", format)?,
            cursor: self.text("cursor", 64)?,
        })
    }

    fn erase(&self) -> Result<Request, Refused> {
        self.only(&["confirm"])?;
        let confirm = self.members.required("confirm")?;
        if confirm.text(16)? == "erase" {
            Ok(Request::Erase)
        } else {
            Err(confirm.refuse("must be the word erase"))
        }
    }
}
