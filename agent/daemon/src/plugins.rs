//! The methods of this agent: those built in, and the household's plug-ins.

use crate::local::uci::Settings;
use glimpse_probe::plugin::{self, Account, Limits, Stage};
use glimpse_probe::registry::{Duplicate, Registry};
use nix::unistd::{Gid, Uid, User};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use tokio::sync::watch;

/// This program, even when its file has been replaced since it started.
const SHIM: &str = "/proc/self/exe";

/// Why no plug-in can run; to be read after "plug-ins need".
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Missing {
    /// Only root can hand a program to another user.
    #[error("an agent that runs as root, which alone can hand them to the user '{0}'")]
    Root(String),
    /// The user does not exist.
    #[error("the user '{0}', which this system does not have (plugins.user)")]
    User(String),
    /// They could reach what is the agent's.
    #[error(
        "a user of their own: '{0}' is root or the agent, or is in the group of one of them (plugins.user)"
    )]
    OwnUser(String),
}

/// All methods, the plug-ins among them where the household has allowed them. What is wrong with plug-ins is logged; they
/// are then not among them.
pub async fn registry(settings: &Settings) -> Registry {
    let mut registry = Registry::built_in();
    if !settings.plugins.enabled {
        return registry;
    }
    let account = match account(settings) {
        Ok(account) => account,
        Err(missing) => {
            log::warn!("plug-ins need {missing}; none is announced");
            return registry;
        }
    };
    let stage = Arc::new(Stage {
        shim: SHIM.into(),
        account,
        limits: Limits {
            time: settings.plugins.time,
            memory_bytes: settings.plugins.memory_bytes,
            output_bytes: settings.plugins.output_bytes,
        },
    });
    let directory = &settings.plugins.directory;
    match plugin::load(directory, &stage, &settings.plugins.disabled).await {
        Err(fault) => log::warn!("no plug-in is announced: {fault}"),
        Ok((found, faults)) => {
            for fault in faults {
                log::warn!("a plug-in is left out: {fault}");
            }
            for descriptor in found {
                if let Err(Duplicate(name)) = registry.register(descriptor) {
                    log::warn!("a plug-in is left out: there is a method '{name}' already");
                }
            }
        }
    }
    registry
}

/// Whom plug-ins run as, if that is somebody who can read nothing of the agent's.
fn account(settings: &Settings) -> Result<Account, Missing> {
    let name = &settings.plugins.user;
    let user = User::from_name(name).ok().flatten();
    let user = user.ok_or_else(|| Missing::User(name.clone()))?;
    // `measure` may be run by somebody else than the daemon: the key tells whose agent it is.
    let state = fs::metadata(&settings.controller.state_dir).ok();
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    let uids = [
        Some(0),
        Some(Uid::effective().as_raw()),
        state.as_ref().map(MetadataExt::uid),
    ];
    let gids = [
        Some(0),
        Some(Gid::effective().as_raw()),
        state.as_ref().map(MetadataExt::gid),
    ];
    if uids.contains(&Some(uid)) || gids.contains(&Some(gid)) {
        return Err(Missing::OwnUser(name.clone()));
    }
    if !Uid::effective().is_root() {
        return Err(Missing::Root(name.clone()));
    }
    Ok(Account { uid, gid })
}

/// Looks at the plug-ins anew whenever the settings were read again.
pub async fn follow(
    mut settings: watch::Receiver<Settings>,
    methods: watch::Sender<Arc<Registry>>,
) {
    while settings.changed().await.is_ok() {
        let settings = settings.borrow_and_update().clone();
        methods.send_replace(Arc::new(registry(&settings).await));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(user: &str) -> Settings {
        let mut settings = Settings::default();
        settings.plugins.enabled = true;
        settings.plugins.user = user.to_owned();
        settings
    }

    #[test]
    fn plugins_have_a_user_of_their_own() {
        for user in ["root", "glimpse-nobody-here"] {
            let missing = account(&settings(user)).unwrap_err();
            match user {
                "root" => assert_eq!(missing, Missing::OwnUser(user.to_owned())),
                _ => assert_eq!(missing, Missing::User(user.to_owned())),
            }
        }
    }

    #[tokio::test]
    async fn without_leave_there_are_the_built_in_methods_alone() {
        let mut settings = settings("nobody");
        settings.plugins.enabled = false;
        let built_in = Registry::built_in().capabilities();
        assert_eq!(registry(&settings).await.capabilities(), built_in);
        settings.plugins.enabled = true;
        settings.plugins.directory = "/nonexistent/plugins".into();
        assert_eq!(registry(&settings).await.capabilities(), built_in);
    }
}
