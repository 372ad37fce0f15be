//! The directories that the init script gives to the agent, and whom it takes none from.

use super::router::Router;
use super::scripts::{asked, set};
use super::{Feed, OWNER};

/// Starts with what it may not be given: nothing is started, and the log says which path it was.
fn refused(router: &Router, path: &str) {
    router.calls();
    router.try_sh("/etc/init.d/glimpse-agent start");
    let calls = router.calls();
    assert!(calls.contains(&"failed".to_owned()), "{path}: {calls:?}");
    let words = format!("cannot use {path}: ");
    assert!(calls.iter().any(|call| call.contains(&words)), "{calls:?}");
    assert!(set(&calls, "command").is_none(), "{path}: {calls:?}");
}

#[test]
fn directories_of_the_household_are_used() {
    let router = Router::new();
    router.install(&Feed::new(&[]).agent(), false);
    router.sh("mkdir -p /etc/theirs /tmp/g /mnt/usb/spool /mnt/usb/spool-lmap");
    router.sh("uci set glimpse.storage.spool_dir=/mnt/usb/spool");
    router.sh("uci set glimpse.local.socket=/tmp/g/s");
    router.sh("uci set glimpse.controller.state_dir=/etc/theirs");
    let calls = asked(&router, "/etc/init.d/glimpse-agent start");
    assert!(
        calls.contains(
            &"add_jail_mount_rw /etc/theirs /etc/glimpse /tmp/g /mnt/usb/spool /mnt/usb/spool-lmap"
                .to_owned()
        ),
        "{calls:?}"
    );
    for folder in ["etc/theirs", "mnt/usb/spool", "tmp/g"] {
        assert_eq!(router.rights(folder).1, 0, "{folder} is left as it is");
    }

    router.sh("uci set glimpse.storage.spool_dir=/mnt/usb/glimpse/a/spool");
    let calls = asked(&router, "/etc/init.d/glimpse-agent start");
    assert!(
        calls.contains(
            &"add_jail_mount_rw /etc/theirs /etc/glimpse /tmp/g /mnt/usb/glimpse".to_owned()
        ),
        "{calls:?}"
    );
    assert_eq!(router.rights("mnt/usb/glimpse"), (0o750, OWNER, OWNER));
    assert!(!router.path("mnt/usb/glimpse/a").exists());
}

#[test]
fn root_makes_no_directory_wherever_settings_say() {
    let router = Router::new();
    router.install(&Feed::new(&[]).agent(), false);
    router.sh("mkdir /etc/hotplug.d/usb; : > /etc/file");
    for (option, directory) in [
        ("storage.spool_dir", "/etc/hotplug.d/x"),
        ("storage.history_dir", "/etc/hotplug.d/x"),
        ("controller.state_dir", "/etc/hotplug.d/glimpse/../x"),
        ("controller.state_dir", "/etc/file/x"),
        ("storage.spool_dir", "/mnt/away/glimpse/spool"),
        ("storage.spool_dir", "glimpse/spool"),
    ] {
        router.sh(&format!("uci set glimpse.{option}={directory}"));
        refused(&router, directory);
        router.sh(&format!("uci set glimpse.{option}=/etc/glimpse/y"));
    }
    router.sh("uci set glimpse.local.socket=/etc/hotplug.d/x/agent.sock");
    refused(&router, "/etc/hotplug.d/x");
    for path in ["etc/hotplug.d/x", "etc/hotplug.d/glimpse", "mnt", "glimpse"] {
        assert!(!router.path(path).exists(), "{path}");
    }
}

#[test]
fn traps_of_others_are_not_stepped_into() {
    let router = Router::new();
    router.install(&Feed::new(&[]).agent(), false);
    router.sh(
        "chmod 1777 /tmp; mkdir /etc/secret; uci set glimpse.storage.spool_dir=/tmp/glimpse/spool",
    );
    router.sh("ln -s /etc/secret /tmp/glimpse");
    refused(&router, "/tmp/glimpse/spool");
    assert_eq!(router.rights("etc/secret").1, 0);

    router.sh("chown -h glimpse /tmp/glimpse");
    refused(&router, "/tmp/glimpse/spool");

    router.sh("rm /tmp/glimpse; mkdir -m 0777 /tmp/glimpse; chown 1000 /tmp/glimpse");
    refused(&router, "/tmp/glimpse/spool");
    assert_eq!(router.rights("tmp/glimpse").1, 1000);

    router.sh("rm -r /tmp/glimpse");
    for _ in 0..2 {
        let calls = asked(&router, "/etc/init.d/glimpse-agent start");
        assert!(set(&calls, "command").is_some(), "{calls:?}");
        assert_eq!(router.rights("tmp/glimpse"), (0o750, OWNER, OWNER));
    }
}

#[test]
fn what_root_left_by_hand_is_the_agents() {
    let router = Router::new();
    router.install(&Feed::new(&[]).agent(), false);
    let left = [
        "etc/glimpse/survey.json",
        "etc/glimpse/erase",
        "etc/glimpse/identity/key.pem",
        "etc/glimpse/forgetting-0/url",
        "etc/glimpse/history/rollups",
        "tmp/run/glimpse/open.json",
        "tmp/run/glimpse/spool/1.seg",
        "tmp/run/glimpse/spool/rejected/1.rej",
        "tmp/run/glimpse/spool-lmap/1.json",
    ];
    for path in left {
        router.sh(&format!("mkdir -p /{path}; rmdir /{path}; : > /{path}"));
    }
    router.sh(
        "chmod 600 /etc/glimpse/identity/key.pem; echo theirs > /etc/others; chown 7 /etc/others",
    );
    router.sh("ln -s /etc/others /etc/glimpse/link; ln -s /etc/config /etc/glimpse/forgetting-1");
    router.sh("/etc/init.d/glimpse-agent reload");
    for path in left {
        assert_eq!(router.rights(path).1, OWNER, "{path}");
        let folder = path.rsplit_once('/').unwrap().0;
        assert_eq!(router.rights(folder).1, OWNER, "{folder}");
    }
    assert_eq!(router.rights("etc/glimpse/identity/key.pem").0, 0o600);
    assert_eq!(router.rights("etc/others").1, 7, "links are not followed");
    assert_eq!(router.rights("etc/config/firewall").1, 0, "nor entered");

    // Nor a directory that somebody else has, whatever it is called.
    router.sh("mkdir -p /etc/theirs/identity; : > /etc/theirs/identity/key.pem; uci set glimpse.controller.state_dir=/etc/theirs");
    router.sh("/etc/init.d/glimpse-agent reload");
    assert_eq!(router.rights("etc/theirs/identity/key.pem").1, 0);
    // Before the first start root made the directory itself.
    router.sh("chown -R 0:0 /etc/glimpse; uci set glimpse.controller.state_dir=/etc/glimpse");
    router.sh("/etc/init.d/glimpse-agent start");
    assert_eq!(router.rights("etc/glimpse/identity/key.pem").1, OWNER);
}
