//! What a chain is given.

use super::slow::{Hops, Known, Station};
use crate::local::uci::Settings;
use crate::{app, clock, random, tls};
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_probe::context::Tls;
use glimpse_probe::registry::Registry;
use ring::rand::SystemRandom;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

/// What the system's configuration daemon tells of the line to the Internet. All of it may be missing: the trouble-shooter
/// works where there is no system bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wan {
    /// Name of the interface in the configuration, such as `wan`.
    pub interface: Option<String>,
    /// The device of the line itself, such as `eth1`.
    pub device: Option<String>,
    /// The device that packets go by, such as `pppoe-wan`.
    pub l3_device: Option<String>,
    /// How addresses are asked for, such as `dhcp`.
    pub protocol: Option<String>,
    /// The provider's name servers.
    pub servers: Vec<IpAddr>,
    /// The code of the last error, such as `AUTH_TOPEER_FAILED`.
    pub error: Option<String>,
}

/// A question about an association under way.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Option<Station>> + Send + 'a>>;

/// Who knows the devices on the router's own Wi-Fi.
pub trait Stations: Send + Sync {
    /// The association of the device with this hardware address (`aa:bb:cc:dd:ee:ff`), if it has one. What is learnt of it
    /// is used for one answer and kept nowhere.
    fn station<'a>(&'a self, hardware: &'a str) -> Asking<'a>;
}

/// A way that was seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownWay {
    /// Where it led.
    pub target: IpAddr,
    /// Its hops from the first.
    pub hops: Hops,
    /// When it was seen.
    pub at: Timestamp,
}

/// A server whose certificate can be checked.
#[derive(Clone)]
pub struct Secure {
    /// `https://…`.
    pub url: String,
    /// What it has to prove.
    pub tls: Arc<Tls>,
}

/// What a chain needs.
#[derive(Clone)]
pub struct Means {
    /// The methods.
    pub registry: Arc<Registry>,
    /// The household's settings.
    pub settings: Settings,
    /// What the system bus tells of the line.
    pub wan: Wan,
    /// Who knows the Wi-Fi.
    pub stations: Option<Arc<dyn Stations>>,
    /// The device that asks.
    pub client: Option<IpAddr>,
    /// What `/proc`, `/sys`, `/etc` and `/tmp` stand below: `/`.
    pub root: PathBuf,
    /// How servers prove who they are.
    pub tls: Arc<Tls>,
    /// A server whose certificate can be checked.
    pub secure: Option<Secure>,
    /// What is known of the line's speed.
    pub known: Known,
    /// Ways seen before, the oldest that is to be compared with first.
    pub ways: Vec<KnownWay>,
    /// The time of the wall clock.
    pub now: fn() -> Timestamp,
    /// Seed of everything random.
    pub seed: u64,
}

impl Means {
    /// What every machine has; the rest is for whoever knows it.
    pub fn new(registry: Arc<Registry>, settings: Settings) -> Self {
        let tls = tls::measuring();
        Self {
            secure: secure(&settings, &tls),
            registry,
            settings,
            wan: Wan::default(),
            stations: None,
            client: None,
            root: "/".into(),
            tls,
            known: Known::default(),
            ways: Vec::new(),
            now: clock::now,
            seed: random::seed(),
        }
    }
}

/// The controller, if this agent knows by what to judge it, or else the server of the speed test.
fn secure(settings: &Settings, tls: &Arc<Tls>) -> Option<Secure> {
    let url = settings.controller.url.clone();
    let identity = app::identity_store(settings).load(&SystemRandom::new());
    if let (Some(url), Ok(identity)) = (url, identity) {
        let tls: Arc<Tls> = Arc::new(move || {
            let now = clock::now().as_micros() / SECOND;
            tls::steady(&identity, now).map_err(|error| error.to_string())
        });
        return Some(Secure { url, tls });
    }
    let diagnose = &settings.diagnose;
    let urls = [&diagnose.speed_url, &diagnose.upload_url];
    let https = |url: &&String| url.starts_with("https://");
    let url = urls.into_iter().flatten().find(https)?;
    Some(Secure {
        url: url.clone(),
        tls: Arc::clone(tls),
    })
}
