//! `controller.toml`.

mod alto;
mod operators;
#[cfg(test)]
mod tests;

pub(crate) use alto::SETTLED;
pub use alto::{Alto, AltoLimits, PlaceFiles};
pub use operators::{Operator, Role};

use crate::admission::{Limits, OptOuts};
use glimpse_model::configuration::{Configuration, Diagnose};
use glimpse_model::read::{Cursor, Refused};
use glimpse_model::timing::Timing;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the file within a controller's directory.
pub const FILE: &str = "controller.toml";

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is no TOML, or has an unknown key or a value of the wrong type.
    #[error("{}: line {line}: `{text}`: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The line itself: key and value.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// A value is out of bounds.
    #[error("{}: {refused}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Key and reason.
        refused: Refused,
    },
}

/// A controller's configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where agents call.
    pub agent_listen: SocketAddr,
    /// Where ALTO clients call.
    pub alto_listen: SocketAddr,
    /// Where health and metrics are served, without TLS.
    pub admin_listen: SocketAddr,
    /// Where operators and agents use RESTCONF; nowhere when missing.
    pub restconf_listen: Option<SocketAddr>,
    /// Where agents call home (RFC 8071); nowhere when missing.
    pub callhome_listen: Option<SocketAddr>,
    /// How long a call-home connection may be idle before its agent is asked whether it lives.
    pub keep_alive: Duration,
    /// Who may use RESTCONF.
    pub operators: Vec<Operator>,
    /// Whether reports that do not say whose they are are stored under the name of the agent's certificate.
    pub reports_by_certificate: bool,
    /// How long reports are kept as they came; what was read in them stays.
    pub reports_kept: Duration,
    /// The database file.
    pub database: PathBuf,
    /// Upper bound of the database file in bytes.
    pub database_max_bytes: Option<u64>,
    /// Directory of keys and certificates.
    pub pki: PathBuf,
    /// Life of an agent's certificate.
    pub agent_certificate: Duration,
    /// What agents are told about this controller.
    pub agents: Configuration,
    /// What all agents together may send to one target.
    pub limits: Limits,
    /// Bounds of one upload.
    pub uploads: Uploads,
    /// What is published.
    pub alto: Alto,
}

/// Bounds of uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploads {
    /// Longest body as sent.
    pub body_bytes: usize,
    /// Longest body once inflated.
    pub inflated_bytes: usize,
    /// Uploads worked on at once; others wait a moment, then are told to come later.
    pub parallel: usize,
    /// Bytes, inflated, that one agent may send in a day by whatever door; then it is told to come later.
    pub daily_bytes: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: ListenSection,
    store: StoreSection,
    pki: PkiSection,
    agents: AgentsSection,
    limits: LimitsSection,
    uploads: UploadsSection,
    alto: alto::Section,
    callhome: CallHomeSection,
    reports: ReportsSection,
    operators: Vec<operators::Section>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ListenSection {
    agent: SocketAddr,
    alto: SocketAddr,
    admin: SocketAddr,
    restconf: Option<SocketAddr>,
    callhome: Option<SocketAddr>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CallHomeSection {
    keep_alive_s: u32,
}

impl Default for CallHomeSection {
    fn default() -> Self {
        Self { keep_alive_s: 60 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ReportsSection {
    by_certificate: bool,
    keep_days: u32,
}

impl Default for ReportsSection {
    fn default() -> Self {
        Self {
            by_certificate: true,
            keep_days: 30,
        }
    }
}

impl Default for ListenSection {
    fn default() -> Self {
        let everywhere = std::net::Ipv6Addr::UNSPECIFIED;
        Self {
            agent: (everywhere, 8440).into(),
            alto: (everywhere, 8441).into(),
            admin: (std::net::Ipv4Addr::LOCALHOST, 8442).into(),
            restconf: None,
            callhome: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StoreSection {
    path: PathBuf,
    max_bytes: Option<u64>,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            path: "glimpse.db".into(),
            max_bytes: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PkiSection {
    dir: PathBuf,
    agent_certificate_s: u64,
}

impl Default for PkiSection {
    fn default() -> Self {
        Self {
            dir: "pki".into(),
            agent_certificate_s: 90 * 86_400,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AgentsSection {
    repository: Option<String>,
    pull: Option<serde_json::Value>,
    upload: Option<serde_json::Value>,
    wait_s: Option<u32>,
    monthly_bytes: Option<u64>,
    diagnose: DiagnoseSection,
}

/// Whom the households' trouble-shooters may ask.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DiagnoseSection {
    reference: Vec<String>,
    page_url: Option<String>,
    page_answer: Option<String>,
    speed_url: Option<String>,
    upload_url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsSection {
    runs_per_hour: f64,
    packets_per_second: f64,
    opt_out: Vec<String>,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            runs_per_hour: 3600.0,
            packets_per_second: 100.0,
            opt_out: Vec::new(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UploadsSection {
    body_bytes: usize,
    inflated_bytes: usize,
    parallel: usize,
    daily_bytes: u64,
}

impl Default for UploadsSection {
    fn default() -> Self {
        Self {
            body_bytes: 4 << 20,
            inflated_bytes: 32 << 20,
            parallel: 8,
            daily_bytes: 50_000_000,
        }
    }
}

impl Config {
    /// Reads a file; relative paths in it are relative to the file's directory.
    ///
    /// # Errors
    /// [`ConfigError`] naming file, key and value.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Io {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads the text of the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError`] naming file, key and value.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| syntax(&error, text, path))?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        file.checked(&base).map_err(|refused| ConfigError::Value {
            path: path.to_owned(),
            refused,
        })
    }
}

fn syntax(error: &toml::de::Error, text: &str, path: &Path) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count();
    ConfigError::Syntax {
        path: path.to_owned(),
        line: line + 1,
        text: text.lines().nth(line).unwrap_or_default().trim().to_owned(),
        reason: error.message().replace('\n', ", "),
    }
}

impl File {
    fn checked(self, base: &Path) -> Result<Config, Refused> {
        let at_least = |key: &str, value: u64, least: u64| {
            if value < least {
                return Err(Refused::new(key, format!("must be >= {least}, is {value}")));
            }
            Ok(value)
        };
        let seconds = |key, value: u32| at_least(key, u64::from(value), 1).map(Duration::from_secs);
        for (key, value) in [
            ("limits.runs_per_hour", self.limits.runs_per_hour),
            ("limits.packets_per_second", self.limits.packets_per_second),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Refused::new(key, format!("must be > 0, is {value}")));
            }
        }
        for (key, value) in [
            ("uploads.body_bytes", self.uploads.body_bytes),
            ("uploads.inflated_bytes", self.uploads.inflated_bytes),
            ("uploads.parallel", self.uploads.parallel),
        ] {
            at_least(key, value as u64, 1)?;
        }
        at_least("uploads.daily_bytes", self.uploads.daily_bytes, 1)?;
        at_least("reports.keep_days", u64::from(self.reports.keep_days), 1)?;
        let certificate = self.pki.agent_certificate_s;
        at_least("pki.agent_certificate_s", certificate, 60)?;
        Ok(Config {
            agent_listen: self.listen.agent,
            alto_listen: self.listen.alto,
            admin_listen: self.listen.admin,
            restconf_listen: self.listen.restconf,
            callhome_listen: self.listen.callhome,
            keep_alive: seconds("callhome.keep_alive_s", self.callhome.keep_alive_s)?,
            operators: operators::checked(self.operators)?,
            reports_by_certificate: self.reports.by_certificate,
            reports_kept: Duration::from_secs(u64::from(self.reports.keep_days) * 86_400),
            database: base.join(self.store.path),
            database_max_bytes: self.store.max_bytes,
            pki: base.join(self.pki.dir),
            agent_certificate: Duration::from_secs(certificate),
            agents: self.agents.checked()?,
            limits: Limits {
                runs_per_hour: self.limits.runs_per_hour,
                packets_per_second: self.limits.packets_per_second,
                opt_outs: OptOuts::new(&self.limits.opt_out)
                    .map_err(|refused| refused.within("limits"))?,
            },
            uploads: Uploads {
                body_bytes: self.uploads.body_bytes,
                inflated_bytes: self.uploads.inflated_bytes,
                parallel: self.uploads.parallel,
                daily_bytes: self.uploads.daily_bytes,
            },
            alto: self.alto.checked(base).map_err(|r| r.within("alto"))?,
        })
    }
}

impl AgentsSection {
    /// What agents would refuse is refused here already: the document goes through their own reader.
    fn checked(self) -> Result<Configuration, Refused> {
        let mut configuration = Configuration::default();
        let timing = |key: &str, value: &Option<serde_json::Value>| {
            value
                .as_ref()
                .map(|value| Timing::read(&Cursor::at(value, key)))
                .transpose()
        };
        if let Some(pull) = timing("pull", &self.pull).map_err(|r| r.within("agents"))? {
            configuration.pull = pull;
        }
        if let Some(upload) = timing("upload", &self.upload).map_err(|r| r.within("agents"))? {
            configuration.upload = upload;
        }
        configuration.wait_s = self.wait_s.unwrap_or(configuration.wait_s);
        configuration.repository = self.repository;
        configuration.monthly_bytes = self.monthly_bytes;
        let offer = self.diagnose;
        configuration.diagnose = Diagnose {
            reference: offer.reference,
            page_url: offer.page_url,
            page_answer: offer.page_answer,
            speed_url: offer.speed_url,
            upload_url: offer.upload_url,
        };
        let printed = serde_json::to_vec(&configuration)
            .map_err(|error| Refused::new("agents", error.to_string()))?;
        Configuration::parse(&printed).map_err(|refused| refused.within("agents"))
    }
}

/// The text of a new controller's file.
pub fn template(listen: std::net::IpAddr) -> String {
    let at = |port| SocketAddr::new(listen, port);
    format!(
        "# GLIMPSE controller. Paths are relative to this file; a key that is left out has its default.\n\
         \n\
         [listen]\n\
         agent = \"{}\"   # agents, mutual TLS\n\
         alto = \"{}\"    # ALTO clients, TLS\n\
         admin = \"127.0.0.1:8442\"   # health and metrics, no TLS: keep it on loopback\n\
         # restconf = \"{}\"   # RESTCONF of operators (see [[operators]]), mutual TLS or tokens\n\
         # callhome = \"{}\"   # agents that call home (RFC 8071)\n\
         \n\
         [store]\n\
         path = \"glimpse.db\"\n\
         \n\
         [pki]\n\
         dir = \"pki\"\n\
         agent_certificate_s = 7776000\n\
         \n\
         [agents]\n\
         pull = {{ periodic = {{ interval = 60000, randomSpread = 10000 }} }}\n\
         upload = {{ immediate = {{}} }}\n\
         wait_s = 60\n\
         # What the households' trouble-shooters may use where a household names nobody.\n\
         # diagnose = {{ reference = [\"ping.example.net\"], speed_url = \"https://speed.example.net/100M\" }}\n\
         \n\
         [limits]   # what all agents together may send to one target\n\
         runs_per_hour = 3600\n\
         packets_per_second = 100\n\
         opt_out = []   # names, addresses and prefixes that are never measured\n\
         \n\
         [alto]\n\
         k = 10   # households that stand behind every published figure at least; 5 is the floor\n\
         lab = false   # true lifts k-anonymity, and says so in the directory: tests and demonstrations only\n\
         wait_s = 900   # how long results are waited for after a window has closed\n\
         late_days = 7   # how long after its end a window takes in late results\n\
         archive_months = 24\n\
         # interval_s = 60   # how often is looked for windows that have closed\n\
         # spans = [\"hour\", \"day\", \"7-days\", \"month\"]   # 7-days must be among them\n\
         # clusters = [[\"192.0.2.1\", \"a.example.net\"], [\"192.0.2.2\"]]   # MSMNT-CL1, MSMNT-CL2; else each target is one\n\
         # prefixes = \"prefixes.json\"   # of places: {{\"as3320:de-by\": {{\"ipv4\": [\"198.51.100.0/24\"]}}}}\n\
         # asn_databases = [\"asn.mmdb\"]   # for agents without the label isp\n\
         # geo_databases = [\"geo-v4.mmdb\", \"geo-v6.mmdb\"]   # for agents without the label region\n\
         # trusted_proxies = [\"192.0.2.80\"]   # whose X-Forwarded-For names the client\n\
         \n\
         # [alto.statistics]   # in place of the defaults of a metric; an empty list publishes none\n\
         # delay-rt = [\"median\", \"mean\", \"p95\"]\n\
         \n\
         # [alto.calendars]\n\
         # tput = [\"hour-of-day\", \"day-of-window\"]\n\
         \n\
         # [alto.trust]   # beyond these a result is not counted\n\
         # cpu_percent = 80\n\
         # cross_traffic_bps = 64000\n\
         # wifi_dbm = -70\n\
         # clock_offset_ms = 60000\n\
         \n\
         # [alto.limits]\n\
         # body_bytes = 1048576\n\
         # pairs = 10000   # endpoints, or pairs of endpoints, in one request\n\
         # requests_per_minute = 600   # of one client\n\
         # streams = 5000\n\
         # client_streams = 16\n",
        at(8440),
        at(8441),
        at(8443),
        at(4336),
    )
}
