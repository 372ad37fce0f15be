//! Who is with the responder by UDP, and what for.

use std::net::SocketAddr;

use glimpse_model::outcome::{Ending, Outcome};
use glimpse_model::token::MeasureId;
use glimpse_net::stream::Tally;
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::super::{Place, Recall};
use crate::context::Meter;
use crate::peer::datagram::Tag;
use crate::peer::plan::{Request, TrainPlan};
use crate::peer::session::Session;
use crate::peer::{Limits, trains};

/// What a session is doing.
pub(super) enum Work {
    /// The owner is being asked.
    Asking(oneshot::Receiver<Result<(), String>>, Request),
    Trains(Box<Session>, TrainPlan),
    Echo {
        echoed: u32,
        dropped: u32,
        bytes: u64,
    },
}

/// A session and whom it is with.
pub(super) struct Guest {
    pub(super) id: MeasureId,
    pub(super) token: MeasureId,
    pub(super) socket: usize,
    pub(super) from: SocketAddr,
    pub(super) tag: Tag,
    pub(super) limits: Limits,
    pub(super) tally: Tally,
    pub(super) meter: Meter,
    pub(super) recall: Recall,
    pub(super) work: Work,
    pub(super) began_ns: u64,
    pub(super) heard_ns: u64,
    /// Whatever happens, it ends by then.
    pub(super) until_ns: u64,
    /// `None` once the next may come.
    pub(super) place: Option<Place>,
}

impl Guest {
    /// What its record says.
    pub(super) fn outcome(&self, ending: Result<(), String>) -> Outcome {
        let bytes = self.meter.show(&self.tally.read());
        let peer = self.from.ip();
        let probe_result = match &self.work {
            Work::Trains(session, plan) if ending.is_ok() => {
                trains::probe_result(self.id, self.token, peer, plan, session.trains())
            }
            Work::Echo {
                echoed, dropped, ..
            } => {
                let mut map = self.names();
                map.insert("packets_echoed".to_owned(), (*echoed).into());
                map.insert("packets_dropped".to_owned(), (*dropped).into());
                map
            }
            Work::Trains(..) | Work::Asking(..) => self.names(),
        };
        Outcome {
            exit: None,
            ending: if ending.is_ok() {
                Ending::Done
            } else {
                Ending::Failed
            },
            probe_result,
            error: ending.err(),
            bytes,
        }
    }

    /// What every record of a session has.
    fn names(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("measure_uuid".to_owned(), self.id.to_string().into());
        map.insert("token_id".to_owned(), self.token.to_string().into());
        let peer = self.from.ip().to_string();
        map.insert("destination_ip".to_owned(), peer.into());
        map
    }
}
