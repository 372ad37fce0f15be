//! What the sections and options mean.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use log::LevelFilter;

use super::channel::{self, Channel};
use super::diagnose::Diagnose;
use super::host::{controller_url, is_host_name};
use super::limits::{self, Limits};
use super::plugins::Plugins;
use super::responder::Responder;
use super::restconf::Restconf;
use super::schedule::{self, Schedule};
use super::syntax::{self, Section};
use super::value::Reader;
use super::{Error, Warning};
use crate::local::ubus::Place;
use crate::spool::Sync;

/// All settings of an agent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// `config controller`.
    pub controller: Controller,
    /// `config consent`.
    pub consent: Consent,
    /// `config limits`.
    pub limits: Limits,
    /// `config storage`.
    pub storage: Storage,
    /// `config local`.
    pub local: Local,
    /// `config log`.
    pub log: Log,
    /// `config lab`.
    pub lab: Lab,
    /// `config plugins`.
    pub plugins: Plugins,
    /// `config responder`.
    pub responder: Responder,
    /// `config restconf`.
    pub restconf: Restconf,
    /// `config diagnose`.
    pub diagnose: Diagnose,
    /// `config channel 'NAME'`, in their order; at most 16.
    pub channels: Vec<Channel>,
    /// `config schedule 'NAME'`, in their order; at most 32.
    pub schedules: Vec<Schedule>,
}

/// Who may instruct this agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// `url`: `https://host[:port]`, without a slash at the end; `None`: the agent serves the household alone.
    pub url: Option<String>,
    /// `name`: the name the controller's certificate must carry; `None`: the host of the URL.
    pub name: Option<String>,
    /// `state_dir`: key, certificates, ledger; survives upgrades (`/etc/glimpse`).
    pub state_dir: PathBuf,
}

/// Whether the household donates measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Consent {
    /// `enabled`: measurements for others may run (off).
    pub enabled: bool,
}

/// Where records wait and history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// `spool_dir` (`/tmp/glimpse/spool`: RAM on a router).
    pub spool_dir: PathBuf,
    /// `spool_bytes`: limit of all its files, 16 384 to 1 073 741 824 (2 097 152).
    pub spool_bytes: u64,
    /// `spool_sync`: `each`, `batch` or `never` (`batch`).
    pub spool_sync: Sync,
    /// `history_dir`: where roll-ups are kept over restarts (`/etc/glimpse/history`).
    pub history_dir: PathBuf,
    /// `history_keep`: write roll-ups to `history_dir` at all (on).
    pub history_keep: bool,
    /// `history_raw_bytes`: RAM for raw results, 0 to 67 108 864 (1 048 576).
    pub history_raw_bytes: u64,
}

/// How programs on this machine reach the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// `socket`: the control socket (`/var/run/glimpse/agent.sock`).
    pub socket: PathBuf,
    /// `ubus`: the socket of the system bus, or `off`; where OpenWrt has it unless it is given.
    pub ubus: Place,
    /// `clock_mark`: a file that stands once the system has set its clock, on machines that boot without knowing the
    /// time; until then, or until `clock_wait` has passed, the clock is not believed.
    pub clock_mark: Option<PathBuf>,
    /// `clock_wait`: seconds for which the mark is waited for (900).
    pub clock_wait_s: u32,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// `level`: `off`, `error`, `warn`, `info`, `debug` or `trace` (`info`).
    pub level: LevelFilter,
}

/// For laboratories and demonstrations only; nothing here belongs on a household's router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lab {
    /// `targets`: instructions may measure loopback addresses and those set aside for documents (off).
    pub targets: bool,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            url: None,
            name: None,
            state_dir: "/etc/glimpse".into(),
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            spool_dir: "/tmp/glimpse/spool".into(),
            spool_bytes: 2 * 1024 * 1024,
            spool_sync: Sync::Batch,
            history_dir: "/etc/glimpse/history".into(),
            history_keep: true,
            history_raw_bytes: 1024 * 1024,
        }
    }
}

impl Default for Local {
    fn default() -> Self {
        Self {
            socket: "/var/run/glimpse/agent.sock".into(),
            ubus: Place::Usual,
            clock_mark: None,
            clock_wait_s: 900,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: LevelFilter::Info,
        }
    }
}

/// Reads the text of a settings file. What is not given has its default.
pub fn parse(bytes: &[u8]) -> Result<(Settings, Vec<Warning>), Error> {
    let sections = syntax::parse(bytes)?;
    let mut settings = Settings::default();
    let mut warnings = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        let reader = Reader::new(section);
        match section.kind.as_str() {
            "controller" => settings.controller = controller(&reader)?,
            "consent" => {
                settings.consent = Consent {
                    enabled: reader.flag("enabled", false)?,
                }
            }
            "limits" => settings.limits = limits::limits(&reader)?,
            "storage" => settings.storage = storage(&reader)?,
            "local" => {
                settings.local = Local {
                    socket: path(&reader, "socket", Local::default().socket)?,
                    ubus: reader
                        .parsed("ubus", "off, or an absolute path", Place::parse)?
                        .unwrap_or_default(),
                    clock_mark: reader.path("clock_mark")?,
                    clock_wait_s: u32::try_from(reader.number(
                        "clock_wait",
                        "seconds",
                        0..=86_400,
                        900,
                    )?)
                    .unwrap_or(900),
                }
            }
            "log" => settings.log = log(&reader)?,
            "plugins" => settings.plugins = Plugins::read(&reader)?,
            "responder" => settings.responder = Responder::read(&reader)?,
            "restconf" => settings.restconf = Restconf::read(&reader)?,
            "diagnose" => settings.diagnose = Diagnose::read(&reader)?,
            "channel" => {
                let channel = Channel::read(&reader)?;
                if settings.channels.len() < channel::MOST {
                    settings.channels.push(channel);
                }
                warnings.extend(reader.unknown());
                continue;
            }
            "schedule" => {
                let schedule = Schedule::read(&reader)?;
                if settings.schedules.len() >= schedule::MOST {
                    let reason = format!("must be at most {} schedules", schedule::MOST);
                    return Err(reader.refuse("name", &schedule.name, &reason));
                }
                settings.schedules.push(schedule);
                warnings.extend(reader.unknown());
                continue;
            }
            // The package's own: of which version its settings are.
            "meta" => continue,
            "lab" => {
                settings.lab = Lab {
                    targets: reader.flag("targets", false)?,
                }
            }
            _ => {
                warnings.push(Warning {
                    section: section.kind.clone(),
                    option: None,
                    line: section.line,
                });
                continue;
            }
        }
        refuse_second(&sections, index)?;
        warnings.extend(reader.unknown());
    }
    Ok((settings, warnings))
}

/// What of a faulty file says where things are: the places of state, storage, socket and log, as far as each section can be
/// read. All else has its default: above all, nothing is measured for others.
pub fn places(bytes: &[u8]) -> Settings {
    let mut settings = Settings::default();
    for section in syntax::parse(bytes).unwrap_or_default() {
        let reader = Reader::new(&section);
        match section.kind.as_str() {
            "controller" => {
                let default = Controller::default().state_dir;
                settings.controller.state_dir =
                    path(&reader, "state_dir", default.clone()).unwrap_or(default);
                let url = reader.parsed("url", "https://HOST or https://HOST:PORT", controller_url);
                settings.controller.url = url.ok().flatten();
            }
            "storage" => settings.storage = storage(&reader).unwrap_or_default(),
            "local" => {
                let default = Local::default().socket;
                settings.local.socket = path(&reader, "socket", default.clone()).unwrap_or(default);
                let bus = reader.parsed("ubus", "off, or an absolute path", Place::parse);
                settings.local.ubus = bus.ok().flatten().unwrap_or_default();
            }
            "log" => settings.log = log(&reader).unwrap_or_default(),
            _ => {}
        }
    }
    settings
}

/// Of two `limits` the laxer must not win by standing last.
fn refuse_second(sections: &[Section], index: usize) -> Result<(), Error> {
    let Some((section, before)) = sections.get(..=index).and_then(<[Section]>::split_last) else {
        return Ok(());
    };
    if before.iter().any(|other| other.kind == section.kind) {
        return Err(Error::Twice {
            section: section.kind.clone(),
            line: section.line,
        });
    }
    Ok(())
}

fn controller(reader: &Reader<'_>) -> Result<Controller, Error> {
    Ok(Controller {
        url: reader.parsed("url", "https://HOST or https://HOST:PORT", controller_url)?,
        name: reader.parsed("name", "a host name", |text| {
            is_host_name(text).then(|| text.to_ascii_lowercase())
        })?,
        state_dir: path(reader, "state_dir", Controller::default().state_dir)?,
    })
}

fn storage(reader: &Reader<'_>) -> Result<Storage, Error> {
    let default = Storage::default();
    let sync = |text: &str| match text {
        "each" => Some(Sync::Each),
        "batch" => Some(Sync::Batch),
        "never" => Some(Sync::Never),
        _ => None,
    };
    Ok(Storage {
        spool_dir: path(reader, "spool_dir", default.spool_dir)?,
        spool_bytes: reader.number(
            "spool_bytes",
            "bytes",
            16 * 1024..=1 << 30,
            default.spool_bytes,
        )?,
        spool_sync: reader
            .parsed("spool_sync", "each, batch or never", sync)?
            .unwrap_or(default.spool_sync),
        history_dir: path(reader, "history_dir", default.history_dir)?,
        history_keep: reader.flag("history_keep", default.history_keep)?,
        history_raw_bytes: reader.number(
            "history_raw_bytes",
            "bytes",
            0..=64 << 20,
            default.history_raw_bytes,
        )?,
    })
}

fn log(reader: &Reader<'_>) -> Result<Log, Error> {
    let level = reader.parsed("level", "off, error, warn, info, debug or trace", |text| {
        text.parse().ok()
    })?;
    Ok(level.map_or_else(Log::default, |level| Log { level }))
}

fn path(reader: &Reader<'_>, name: &'static str, default: PathBuf) -> Result<PathBuf, Error> {
    Ok(reader.path(name)?.unwrap_or(default))
}
