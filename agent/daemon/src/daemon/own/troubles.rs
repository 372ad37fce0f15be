//! The trouble-shooter, the survey and the enrolment, as jobs of the household's.

use super::{Busy, ENROLMENT, Kind, Order, Yielded, refuse};
use crate::app;
use crate::clock;
use crate::daemon::Daemon;
use crate::diagnose::means::{Asking, Stations};
use crate::diagnose::slow::{Known, Station};
use crate::diagnose::{self, Means, means};
use crate::identity::Fingerprint;
use crate::local::series::{Figure, line, ways};
use crate::local::service::{Complaint, Enrol, Survey};
use crate::local::survey;
use crate::local::ubus::Bus;
use crate::local::ubus::facts::wifi;
use crate::spooler::new_id;
use crate::tls;
use crate::uplink::enrol::{self, FirstContact};
use glimpse_model::id::ResultId;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_probe::context::Meter;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The router's Wi-Fi, by the system bus.
struct Wifi(Bus);

impl Stations for Wifi {
    fn station<'a>(&'a self, hardware: &'a str) -> Asking<'a> {
        Box::pin(async move {
            let station = wifi::station(&self.0, hardware).await?;
            Some(Station {
                signal_dbm: station.signal_dbm,
                noise_dbm: station.noise_dbm,
                rx_kbps: station.rx_kbps,
                tx_kbps: station.tx_kbps,
            })
        })
    }
}

impl Daemon {
    /// Starts a chain of the trouble-shooter.
    pub(in crate::daemon) fn diagnose(
        &mut self,
        complaint: Complaint,
        client: Option<IpAddr>,
    ) -> Value {
        let (kind, fills_line) = match complaint {
            Complaint::Speed => (diagnose::Kind::Speed, true),
            Complaint::Slow => (diagnose::Kind::Slow, true),
            Complaint::Down => (diagnose::Kind::Down, false),
        };
        let means = self.means(client);
        let (progress, shown) = watch::channel(json!({}));
        let order = Order {
            id: new_id(clock::now()),
            kind: Kind::Diagnose,
            method: None,
            schedule: None,
            longest: kind.longest_run(),
            meter: Meter::default(),
            progress: shown,
            line: fills_line.then(|| self.line()),
            work: Box::pin(async move {
                let document = diagnose::run(kind, means, &progress).await;
                Yielded::Answer(match document {
                    Value::Object(members) => members,
                    _ => Map::new(),
                })
            }),
        };
        self.start_job(order)
    }

    fn start_job(&mut self, order: Order) -> Value {
        let started: Result<ResultId, Busy> = self.own.jobs.start(order, clock::steady());
        match started {
            Ok(id) => json!({"id": id}),
            Err(busy) => refuse(busy),
        }
    }

    fn means(&self, client: Option<IpAddr>) -> Means {
        let registry = self.registry.borrow().clone();
        let mut settings = self.settings.clone();
        settings.diagnose.take(&self.configuration.diagnose);
        let mut means = Means::new(registry, settings);
        means.client = client;
        means.known = self.known(clock::now());
        means.ways = ways::ways(&self.history);
        let facts = self.surroundings.facts();
        if let Some(wan) = facts.wan {
            means.wan = means::Wan {
                interface: Some(wan.interface),
                device: wan.device,
                l3_device: wan.l3_device,
                protocol: wan.protocol,
                servers: wan.servers,
                error: wan.error,
            };
        }
        let bus = self.bus.clone();
        means.stations = bus.map(|bus| Arc::new(Wifi(bus)) as Arc<dyn Stations>);
        means
    }

    /// What is known of the line's speeds.
    pub(in crate::daemon) fn known(&self, now: Timestamp) -> Known {
        line::known(&self.history, self.survey.contract(), now)
    }

    /// What the household says that it pays for, in the figure's unit.
    pub(in crate::daemon) fn contract(&self, figure: Figure) -> Option<u64> {
        let contract = self.survey.contract();
        match figure {
            Figure::Down => contract.down_kbps,
            Figure::Up => contract.up_kbps,
            _ => None,
        }
    }

    /// Takes the household's answers, and shares them where it wants that and has agreed to anything leaving the house.
    pub(in crate::daemon) async fn answer_survey(&mut self, told: &Survey) -> Value {
        let now = clock::now();
        let survey = match survey::Survey::answer(&told.answers, told.share, now) {
            Ok(survey) => survey,
            Err(refused) => return refuse(refused),
        };
        if let Err(error) = survey::save(&self.state_dir, &survey) {
            return refuse(format_args!("cannot keep the answers: {error}"));
        }
        let agreed = self.settings.consent.enabled && self.settings.controller.url.is_some();
        if let Some(record) = survey.record(new_id(now)).filter(|_| agreed) {
            self.keep(record, None).await;
        }
        self.survey = survey;
        json!({})
    }

    /// Makes the agent known to a controller, as `glimpse-agent enrol` does.
    pub(in crate::daemon) fn enrol(&mut self, asked: Enrol) -> Value {
        let controller = &self.settings.controller;
        let Some(url) = asked.controller.or_else(|| controller.url.clone()) else {
            return refuse("no controller is configured: name one");
        };
        let fingerprint = match asked.fingerprint.as_deref().map(str::parse::<Fingerprint>) {
            None => None,
            Some(Ok(fingerprint)) => Some(fingerprint),
            Some(Err(_)) => {
                return refuse("fingerprint: must have the form sha256: and 64 hex digits");
            }
        };
        let store = app::identity_store(&self.settings);
        let name = controller.name.clone();
        let token = asked.token;
        let order = Order {
            id: new_id(clock::now()),
            kind: Kind::Enrol,
            method: None,
            schedule: None,
            longest: ENROLMENT,
            meter: Meter::default(),
            progress: watch::channel(json!({})).1,
            line: None,
            work: Box::pin(async move {
                let work = async {
                    let bundle;
                    let first = if let Some(fingerprint) = fingerprint {
                        FirstContact::Fingerprint(fingerprint)
                    } else {
                        bundle = tls::system_bundle()?;
                        FirstContact::SystemRoots(&bundle)
                    };
                    enrol::enrol(&url, name.as_deref(), token.reveal(), first, &store)
                        .await
                        .map_err(|error| error.to_string())
                };
                let answer = match tokio::time::timeout(ENROLMENT, work).await {
                    Ok(Ok(identity)) => {
                        let until = identity.validity.not_after.saturating_mul(SECOND);
                        json!({"agent": identity.agent_id,
                            "certificate_until": Timestamp::from_micros(until)})
                    }
                    Ok(Err(error)) => json!({ "error": error }),
                    Err(_) => json!({"error": format!("{url} did not answer in time")}),
                };
                Yielded::Answer(answer.as_object().cloned().unwrap_or_default())
            }),
        };
        self.start_job(order)
    }
}
