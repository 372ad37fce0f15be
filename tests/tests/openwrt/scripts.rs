//! What the package's scripts do, on a router of stand-ins.

use super::router::Router;
use super::{Feed, OWNER, found, repository};
use std::fs;
use std::process::Command;

/// The calls of one start, without what was noted by others.
pub(super) fn asked(router: &Router, line: &str) -> Vec<String> {
    router.calls();
    router.sh(line);
    router.calls()
}

/// What was asked of procd for one parameter.
pub(super) fn set(calls: &[String], parameter: &str) -> Option<String> {
    let head = format!("set_param {parameter} ");
    calls
        .iter()
        .find_map(|call| Some(call.strip_prefix(&head)?.to_owned()))
}

#[test]
fn shell_scripts_are_clean() {
    let folder = repository().join("openwrt/net/glimpse-agent");
    let scripts = [
        "files/glimpse-agent.init",
        "files/glimpse-firewall",
        "files/glimpse.defaults",
        "files/glimpse.ntp",
        "test.sh",
        "test-version.sh",
    ];
    for script in scripts {
        let path = folder.join(script);
        for command in [
            Command::new(found("shellcheck"))
                .args(["-s", "dash"])
                .arg(&path),
            Command::new(found("busybox"))
                .args(["ash", "-n"])
                .arg(&path),
        ] {
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{script}: {said}");
        }
    }
}

#[test]
fn installation_and_removal() {
    let package = Feed::new(&[]).agent();
    let router = Router::new();
    router.install(&package, false);
    let passwd = fs::read_to_string(router.path("etc/passwd")).unwrap();
    assert!(
        passwd.contains(&format!("\nglimpse:x:{OWNER}:{OWNER}:")),
        "{passwd}"
    );
    assert!(
        !router.path("etc/uci-defaults/95-glimpse").exists(),
        "run once"
    );
    assert!(router.path("etc/rc.d/S95glimpse-agent").is_symlink());
    let calls = router.calls();
    assert!(calls.contains(&"start".to_owned()), "{calls:?}");
    assert_eq!(
        set(&calls, "command").unwrap(),
        "/usr/sbin/glimpse-agent daemon"
    );
    let heard = "killall -HUP ubusd".to_owned();
    assert!(
        calls.contains(&heard),
        "the bus learns our rights: {calls:?}"
    );
    assert_eq!(router.sh("uci get glimpse.consent.enabled"), "0\n");
    assert!(
        !calls.iter().any(|call| call.starts_with("firewall")),
        "{calls:?}"
    );

    // Again, as after a power cut in the midst of it.
    router.install(&package, false);
    let again = fs::read_to_string(router.path("etc/passwd")).unwrap();
    assert_eq!(again, passwd);

    // A newer version keeps what the household has decided about the start.
    router.sh("rm /etc/rc.d/S95glimpse-agent");
    router.script(&package, "prerm", true);
    router.install(&package, true);
    assert!(!router.path("etc/rc.d/S95glimpse-agent").exists());

    router.calls();
    router.sh("uci set glimpse.responder.enabled=1; uci set glimpse.responder.firewall=1");
    router.sh("/etc/init.d/glimpse-agent reload");
    assert_eq!(
        router.sh("uci get firewall.glimpse_responder.dest_port"),
        "5105\n"
    );
    router.script(&package, "prerm", false);
    let calls = router.calls();
    assert!(
        router
            .try_sh("uci get firewall.glimpse_responder")
            .stdout
            .is_empty()
    );
    assert_eq!(
        calls
            .iter()
            .filter(|call| *call == "firewall reload")
            .count(),
        2,
        "{calls:?}"
    );
    assert_eq!(calls.last().unwrap(), "stop");
    assert!(!router.path("etc/rc.d/K10glimpse-agent").is_symlink());
    assert!(
        router
            .sh("uci get firewall.wan.input")
            .starts_with("REJECT"),
        "the rest stays"
    );
}

#[test]
fn in_an_image_nothing_is_started() {
    let package = Feed::new(&[]).agent();
    let (builder, image) = (Router::new(), "image");
    for folder in ["etc/init.d", "lib", "tmp"] {
        fs::create_dir_all(builder.path(image).join(folder)).unwrap();
    }
    package.install(&builder.path(image));
    builder
        .sh("cp /lib/functions.sh /image/lib; cp /etc/rc.common /etc/passwd /etc/group /image/etc");
    for script in ["postinst", "prerm"] {
        builder.sh(&format!(
            "IPKG_INSTROOT=/image /image/usr/lib/opkg/info/glimpse-agent.{script}"
        ));
        let enabled = builder.path("image/etc/rc.d/S95glimpse-agent").is_symlink();
        assert_eq!(enabled, script == "postinst");
        assert!(
            !builder.path("image/tmp/calls").exists(),
            "nothing is started or stopped"
        );
    }
    assert!(
        builder.path("image/etc/uci-defaults/95-glimpse").exists(),
        "for the first boot"
    );
    let users = fs::read_to_string(builder.path("image/etc/passwd")).unwrap();
    assert!(users.contains("\nglimpse:"), "{users}");
    assert_eq!(builder.calls(), Vec::<String>::new());
}

#[test]
fn the_service_is_confined() {
    let router = Router::new();
    router.install(&Feed::new(&[]).agent(), false);
    let calls = asked(&router, "/etc/init.d/glimpse-agent start");
    for (parameter, value) in [
        ("command", "/usr/sbin/glimpse-agent daemon"),
        ("file", "/etc/config/glimpse"),
        ("reload_signal", "HUP"),
        ("respawn", "3600 5 5"),
        ("user", "glimpse"),
        ("group", "glimpse"),
        ("no_new_privs", "1"),
        ("capabilities", "/etc/capabilities/glimpse-agent.json"),
    ] {
        assert_eq!(set(&calls, parameter).as_deref(), Some(value), "{calls:?}");
    }
    let has = |calls: &[String], call: &str| calls.iter().any(|other| other == call);
    assert!(
        has(&calls, "add_jail glimpse-agent procfs sysfs ronly"),
        "{calls:?}"
    );
    assert!(has(&calls, "add_jail_mount /etc /tmp"), "{calls:?}");
    assert!(
        has(&calls, "add_jail_mount_rw /etc/glimpse /var/run/glimpse"),
        "{calls:?}"
    );
    assert!(has(&calls, "add_reload_trigger glimpse"), "{calls:?}");
    assert!(
        !calls.iter().any(|call| call.contains("/var/run/ubus")),
        "only what is there is mounted"
    );
    for section in ["consent", "controller", "limits", "responder", "restconf"] {
        assert!(
            has(&calls, &format!("validate glimpse {section}")),
            "{calls:?}"
        );
    }
    for folder in ["etc/glimpse", "tmp/run/glimpse"] {
        assert_eq!(router.rights(folder), (0o750, OWNER, OWNER), "{folder}");
    }
    assert_eq!(router.rights("etc/config/glimpse"), (0o640, 0, OWNER));

    // With ujail there, and what else a router has.
    router.sh("mkdir -p /sbin /var/run/ubus /usr/share/zoneinfo; cp /bin/busybox /sbin/ujail; ln -s busybox /bin/ping");
    let calls = asked(&router, "/etc/init.d/glimpse-agent start");
    assert!(
        has(
            &calls,
            "add_jail glimpse-agent procfs sysfs ronly requirejail"
        ),
        "{calls:?}"
    );
    for path in ["/var/run/ubus", "/usr/share/zoneinfo", "/bin/ping"] {
        assert!(has(&calls, &format!("add_jail_mount {path}")), "{calls:?}");
    }
}

#[test]
fn a_commit_of_settings_leaves_them_readable() {
    let router = Router::new();
    router.install(&Feed::new(&[]).agent(), false);
    let before = asked(&router, "/etc/init.d/glimpse-agent reload");
    router.sh("uci set glimpse.limits.monthly_bytes=1000; uci commit glimpse");
    assert_eq!(
        router.rights("etc/config/glimpse"),
        (0o600, 0, 0),
        "as uci does"
    );
    let after = asked(&router, "/etc/init.d/glimpse-agent reload");
    assert_eq!(router.rights("etc/config/glimpse"), (0o640, 0, OWNER));
    assert_eq!(
        before, after,
        "procd compares the file's content and sends the signal"
    );
}

#[test]
fn the_firewall_opens_by_option_alone() {
    let router = Router::new();
    router.install(&Feed::new(&[]).agent(), false);
    let rule = |name: &str| {
        let said = router.try_sh(&format!("uci get firewall.glimpse_{name}.dest_port"));
        String::from_utf8(said.stdout).unwrap()
    };
    let apply = "/usr/libexec/glimpse-firewall apply";
    // Enabled is not enough, nor is the option alone.
    router.sh("uci set glimpse.responder.enabled=1; uci set glimpse.restconf.firewall=yes");
    assert!(asked(&router, apply).is_empty());
    assert_eq!(
        (rule("responder"), rule("restconf")),
        (String::new(), String::new())
    );

    router.sh("uci set glimpse.responder.firewall=on; uci set glimpse.restconf.enabled=true; uci set glimpse.restconf.port=9443");
    let calls = asked(&router, apply);
    assert_eq!(
        (rule("responder"), rule("restconf")),
        ("5105\n".to_owned(), "9443\n".to_owned())
    );
    assert_eq!(calls.last().unwrap(), "firewall reload");
    let written = fs::read_to_string(router.path("etc/config/firewall")).unwrap();
    for line in [
        "option src 'wan'",
        "option proto 'tcp udp'",
        "option target 'ACCEPT'",
        "option name 'glimpse-restconf'",
    ] {
        assert!(written.contains(line), "{written}");
    }
    assert!(
        asked(&router, apply).is_empty(),
        "what is right is left alone"
    );

    // Somebody edits the firewall: nothing is committed for them.
    router.sh("uci set glimpse.restconf.port=9444; mkdir -p /tmp/.uci; echo wan.input=ACCEPT > /tmp/.uci/firewall");
    assert!(asked(&router, apply).is_empty());
    assert_eq!(rule("restconf"), "9443\n");
    router.sh("rm /tmp/.uci/firewall");
    router.sh(apply);
    assert_eq!(rule("restconf"), "9444\n");

    // Nothing but one port that the agent can have, whatever the settings say.
    for port in [
        "1-65535", "22", "1023", "65536", "105105", "5105,22", "5105 22", "05105", "-1", "x", "*",
    ] {
        router.sh(&format!("uci set glimpse.responder.port='{port}'"));
        router.sh(apply);
        assert_eq!(rule("responder"), "", "{port}");
    }
    for port in ["1024", "65535"] {
        router.sh(&format!("uci set glimpse.responder.port={port}"));
        router.sh(apply);
        assert_eq!(rule("responder"), format!("{port}\n"));
    }

    router.sh("uci set glimpse.responder.enabled=0");
    router.sh(apply);
    assert_eq!(
        (rule("responder"), rule("restconf")),
        (String::new(), "9444\n".to_owned())
    );
    router.sh("/usr/libexec/glimpse-firewall remove");
    assert_eq!(rule("restconf"), "");
    assert_eq!(
        router
            .try_sh("/usr/libexec/glimpse-firewall dance")
            .status
            .code(),
        Some(2)
    );
    // Without a firewall there is nothing to do.
    router.sh("rm /etc/config/firewall; /usr/libexec/glimpse-firewall apply");
}

#[test]
fn settings_of_others_are_brought_to_this_version() {
    let package = Feed::new(&[]).agent();
    let router = Router::new();
    package.install(router.root());
    let own = "config limits\n\toption monthly_bytes '5'\n\nconfig consent 'consent'\n\toption enabled '1'\n";
    fs::write(router.path("etc/config/glimpse"), own).unwrap();
    router.script(&package, "postinst", false);
    for (option, value) in [
        ("limits.monthly_bytes", "5"),
        ("consent.enabled", "1"),
        ("meta.version", "1"),
        ("local.clock_mark", "/tmp/run/glimpse.clock"),
        ("storage.spool_dir", "/var/run/glimpse/spool"),
        ("responder", "responder"),
    ] {
        assert_eq!(
            router.sh(&format!("uci get glimpse.{option}")).trim(),
            value,
            "{option}"
        );
    }
    assert_eq!(router.rights("etc/config/glimpse"), (0o640, 0, OWNER));
    // Of this version already: not a byte is changed.
    let before = fs::read_to_string(router.path("etc/config/glimpse")).unwrap();
    router.install(&package, true);
    let after = fs::read_to_string(router.path("etc/config/glimpse")).unwrap();
    assert_eq!(after, before);
}

#[test]
fn the_clock_is_marked_as_set() {
    let router = Router::new();
    router.install(&Feed::new(&[]).agent(), false);
    let mark = router.path("tmp/run/glimpse.clock");
    assert!(!mark.exists(), "a router without a clock");
    let hotplug =
        |action: &str| router.sh(&format!("ACTION={action}; . /etc/hotplug.d/ntp/25-glimpse"));
    // The latter comes every few minutes, whether a server was heard or not.
    for action in ["unsync", "periodic"] {
        hotplug(action);
        assert!(!mark.exists(), "{action}");
    }
    hotplug("stratum");
    assert!(mark.exists());
    fs::remove_file(&mark).unwrap();
    router.sh(": > /dev/rtc0; /etc/init.d/glimpse-agent start");
    assert!(mark.exists(), "a router with one");
}
