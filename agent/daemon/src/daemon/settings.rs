//! What the household's settings and the controller's configuration mean to the parts.

use super::keeping::CONFIGURATION;
use crate::files;
use crate::guard::Rules;
use crate::local::uci::{Settings, system_zone};
use crate::uplink::repository::Upload;
use crate::uplink::supervisor::usable;
use glimpse_model::configuration::Configuration;
use std::path::Path;

/// The volatile directory: where the control socket is.
pub fn run_dir(settings: &Settings) -> &Path {
    settings.local.socket.parent().unwrap_or(Path::new("/"))
}

/// The guard's rules: the household's settings, and the cap the operator asks for where it is lower.
pub fn rules(settings: &Settings, configuration: &Configuration) -> Rules {
    let limits = &settings.limits;
    Rules {
        consent: settings.consent.enabled,
        cap: configuration
            .monthly_bytes
            .map_or(limits.monthly_bytes, |asked| {
                asked.min(limits.monthly_bytes)
            }),
        mobile_cap: if limits.mobile {
            limits.mobile_bytes
        } else {
            0
        },
        quiet: limits.quiet_hours.clone(),
        quiet_zone: limits.quiet_zone.clone(),
        system_zone: system_zone(Path::new("/")),
        forbidden: limits.forbidden_methods.clone(),
        paused: limits.paused.clone(),
        lan: limits.lan,
        lab: settings.lab.targets,
        target_rate: limits.target_rate.into(),
        target_bytes: limits.target_bytes,
        minute_bytes: limits.minute_bytes,
        cross_traffic_bps: (limits.cross_traffic_kbps > 0)
            .then_some(u64::from(limits.cross_traffic_kbps) * 1000),
        cpu_load: limits.cpu_load,
        target_parallel: limits.target_parallel.into(),
    }
}

/// When and where results go.
pub(super) fn upload(configuration: &Configuration) -> Upload {
    Upload {
        timing: configuration.upload.clone(),
        repository: configuration.repository.clone(),
    }
}

/// What the agent limits itself to, for its announcement.
pub fn limits(settings: &Settings, parallel: u32) -> glimpse_model::capability::Limits {
    let rules = rules(settings, &Configuration::default());
    glimpse_model::capability::Limits {
        max_instructions: u32::try_from(glimpse_model::instruction::MAX_INSTRUCTIONS)
            .unwrap_or(u32::MAX),
        max_parallel: parallel,
        monthly_bytes: rules.cap,
        mobile_monthly_bytes: rules.mobile_cap,
    }
}

/// The configuration that was in force last, or the default.
pub fn last_configuration(state_dir: &Path) -> Configuration {
    let path = state_dir.join(CONFIGURATION);
    let Ok(bytes) = files::read_bounded(&path, 64 << 10) else {
        return Configuration::default();
    };
    let read = Configuration::parse(&bytes).and_then(usable);
    read.unwrap_or_else(|refused| {
        log::warn!("{}: {refused}; the default stands", path.display());
        Configuration::default()
    })
}

/// The spool's options by the household's settings.
pub fn spool_options(settings: &Settings) -> crate::spool::Options {
    crate::spool::Options {
        max_bytes: settings.storage.spool_bytes,
        sync: settings.storage.spool_sync,
        ..crate::spool::Options::default()
    }
}
