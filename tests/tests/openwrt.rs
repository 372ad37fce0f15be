//! The packages of OpenWrt: as they are made, as they are installed, and the daemon that runs from them.
//!
//! What opkg, procd and UCI do is played by stand-ins (`tests/data/openwrt`) in a root of its own; `docs/openwrt.md` says what
//! was tried on the real ones.

#![allow(clippy::unwrap_used, clippy::case_sensitive_file_extension_comparisons)]

#[path = "openwrt/ipk.rs"]
mod ipk;
#[path = "openwrt/places.rs"]
mod places;
#[path = "openwrt/router.rs"]
mod router;
#[path = "openwrt/running.rs"]
mod running;
#[path = "openwrt/scripts.rs"]
mod scripts;

use base64::Engine as _;
use glimpse_tests::program;
use ipk::Ipk;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Of when the packages are.
const TIME: &str = "1767225600";
/// The user and group of the agent.
const OWNER: u32 = 447;
/// In the order in which a buildroot writes them.
const FIELDS: [&str; 16] = [
    "Package",
    "Version",
    "Depends",
    "Conflicts",
    "Provides",
    "Source",
    "SourceName",
    "License",
    "LicenseFiles",
    "Section",
    "Require-User",
    "SourceDateEpoch",
    "URL",
    "Maintainer",
    "Architecture",
    "Installed-Size",
];

fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

/// A program of the system.
fn found(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut places = folders.map(|folder| folder.join(name));
    let place = places.find(|place| place.is_file());
    place.unwrap_or_else(|| panic!("{name} is missing: `cargo xtask test` installs it"))
}

/// A folder of packages, made by the command that people use. A script stands in for the program, which is weighed elsewhere.
struct Feed {
    dir: TempDir,
}

impl Feed {
    fn new(arguments: &[&str]) -> Self {
        let feed = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        feed.make(arguments);
        feed
    }

    fn make(&self, arguments: &[&str]) -> Output {
        let stand_in = self.dir.path().join("program");
        let says = format!("#!/bin/sh\necho 'glimpse-agent {}'\n", version());
        fs::write(&stand_in, says).unwrap();
        fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
        let output = Command::new(program::path("xtask"))
            .arg("package")
            .arg("--program")
            .arg(&stand_in)
            .arg("--into")
            .arg(self.path("feed"))
            .args(arguments)
            .env("SOURCE_DATE_EPOCH", TIME)
            .output()
            .unwrap();
        // Gates are kept where the packages are made for people.
        let words = program::words(&output);
        assert!(
            output.status.success() || words.contains("over its gate"),
            "{words}"
        );
        output
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    fn package(&self, name: &str, architecture: &str) -> Ipk {
        let file = format!("feed/{name}_{}-r1_{architecture}.ipk", version());
        Ipk::read(&self.path(&file))
    }

    fn agent(&self) -> Ipk {
        self.package("glimpse-agent", "x86_64")
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.path("feed")).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, fs::read(&path).unwrap())
            })
            .collect()
    }
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[test]
fn package_files_are_as_opkg_reads_them() {
    let feed = Feed::new(&["--target", "x86_64"]);
    for (name, architecture) in [
        ("glimpse-agent", "x86_64"),
        ("glimpse-agent-mini", "x86_64"),
        ("luci-app-glimpse", "all"),
        ("luci-i18n-glimpse-de", "all"),
    ] {
        let package = feed.package(name, architecture);
        let outer: Vec<_> = package
            .outer
            .iter()
            .map(|member| member.path.as_str())
            .collect();
        assert_eq!(
            outer,
            ["./debian-binary", "./data.tar.gz", "./control.tar.gz"]
        );
        assert_eq!(package.outer[0].content, b"2.0\n");
        for archive in [&package.data, &package.control] {
            assert_eq!(archive[0].path, "./");
            let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
            assert!(archive.is_sorted_by_key(|member| parts(member.path.trim_end_matches('/'))));
            for member in archive {
                assert!(member.path.starts_with("./"), "{}", member.path);
                assert_eq!(member.owner, (0, 0), "{}", member.path);
                assert_eq!(member.time.to_string(), TIME, "{}", member.path);
                assert_eq!(member.mode & !0o755, 0, "{}", member.path);
            }
        }
        let fields: Vec<String> = package
            .fields()
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        let described = fields.split_last().unwrap();
        assert_eq!(described.1.to_vec(), in_order(&fields), "{name}");
        assert_eq!(described.0, "Description");
        let field = |name: &str| package.field(name).unwrap();
        assert_eq!(
            (field("Package"), field("Architecture")),
            (name.to_owned(), architecture.to_owned())
        );
        assert_eq!(field("Version"), format!("{}-r1", version()));
        assert_eq!(field("Installed-Size"), package.data_bytes.to_string());
        assert_eq!(field("SourceDateEpoch"), TIME);
        for (script, default) in [
            ("postinst", "default_postinst $0 $@"),
            ("prerm", "default_prerm $0 $@"),
        ] {
            assert_eq!(package.part(script).lines().last(), Some(default));
        }
    }
    let agent = feed.agent();
    assert_eq!(
        agent.field("Require-User").unwrap(),
        format!("glimpse={OWNER}:glimpse={OWNER}")
    );
    assert_eq!(agent.field("Depends").unwrap(), "ca-bundle");
    assert_eq!(agent.part("conffiles"), "/etc/config/glimpse\n");
    let mini = feed.package("glimpse-agent-mini", "x86_64");
    assert_eq!(mini.field("Provides").unwrap(), "glimpse-agent");
    assert_eq!(mini.field("Conflicts"), None);
    assert_eq!(agent.field("Conflicts").unwrap(), "glimpse-agent-mini");
    let pages = feed.package("luci-app-glimpse", "all");
    assert_eq!(pages.field("Depends").unwrap(), "luci-base, glimpse-agent");
    let words = feed.package("luci-i18n-glimpse-de", "all");
    assert_eq!(words.field("Depends").unwrap(), "luci-app-glimpse");
}

/// The known fields among `fields`, in their order.
fn in_order(fields: &[String]) -> Vec<String> {
    let known = FIELDS.iter().map(|field| (*field).to_owned());
    known.filter(|field| fields.contains(field)).collect()
}

#[test]
fn other_routers_have_their_own_architecture() {
    let feed = Feed::new(&["--target", "mips_24kc"]);
    feed.make(&[
        "--target",
        "aarch64",
        "--architecture",
        "aarch64_cortex-a53",
    ]);
    feed.package("glimpse-agent", "mips_24kc");
    feed.package("glimpse-agent-mini", "aarch64_cortex-a53");
    let index = fs::read_to_string(feed.path("feed/Packages")).unwrap();
    assert_eq!(index.matches("Package: glimpse-agent\n").count(), 2);
    assert_eq!(index.matches("Package: luci-app-glimpse\n").count(), 1);
}

#[test]
fn made_twice_they_are_the_same_bytes() {
    let (one, two) = (Feed::new(&[]), Feed::new(&[]));
    assert_eq!(
        one.files().keys().collect::<Vec<_>>(),
        two.files().keys().collect::<Vec<_>>()
    );
    assert!(one.files().len() >= 6);
    for (name, bytes) in one.files() {
        assert!(bytes == two.files()[&name], "{name} differs");
    }
}

#[test]
fn the_index_is_signed_and_names_every_package() {
    let feed = Feed::new(&[]);
    assert!(!feed.path("feed/Packages.sig").exists());
    let key = feed.path("key");
    let made = Command::new(program::path("xtask"))
        .args(["package", "--new-key"])
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", program::words(&made));
    feed.make(&["--key", key.to_str().unwrap()]);

    let index = fs::read(feed.path("feed/Packages")).unwrap();
    assert_eq!(
        ipk::unzip(&fs::read(feed.path("feed/Packages.gz")).unwrap()),
        index
    );
    let decoded = |path: PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let (comment, encoded) = text.trim_end().split_once('\n').unwrap();
        assert!(comment.starts_with("untrusted comment: "), "{comment}");
        base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .unwrap()
    };
    let public = decoded(feed.path("key.pub"));
    let signature = decoded(feed.path("feed/Packages.sig"));
    assert_eq!((public.len(), signature.len()), (42, 74));
    assert_eq!(public[..10], signature[..10], "algorithm and id of the key");
    let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &public[10..]);
    public.verify(&index, &signature[10..]).unwrap();

    let index = String::from_utf8(index).unwrap();
    for (name, bytes) in feed
        .files()
        .iter()
        .filter(|(name, _)| name.ends_with(".ipk"))
    {
        let about = index
            .split("\n\n")
            .find(|about| about.contains(&format!("Filename: {name}\n")));
        let about = about.unwrap_or_else(|| panic!("{name} is not in the index"));
        let mut hash = String::new();
        for byte in ring::digest::digest(&ring::digest::SHA256, bytes).as_ref() {
            write!(hash, "{byte:02x}").unwrap();
        }
        assert!(
            about.contains(&format!(
                "Size: {}\nSHA256sum: {hash}\nDescription:",
                bytes.len()
            )),
            "{about}"
        );
        assert!(!about.contains("Maintainer:"));
    }
}

#[test]
fn a_program_of_another_version_is_not_packed() {
    let dir = tempfile::tempdir().unwrap();
    let stand_in = dir.path().join("program");
    fs::write(&stand_in, "#!/bin/sh\necho 'glimpse-agent 0.0.9'\n").unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(program::path("xtask"))
        .args(["package", "--program"])
        .arg(&stand_in)
        .arg("--into")
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        program::words(&output).contains("0.0.9"),
        "{}",
        program::words(&output)
    );
}

#[test]
fn apk_is_asked_for_or_missed_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let stand_in = dir.path().join("program");
    fs::write(
        &stand_in,
        format!("#!/bin/sh\necho 'glimpse-agent {}'\n", version()),
    )
    .unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let package = |path: &str| {
        let mut command = Command::new(program::path("xtask"));
        command
            .args(["package", "--format", "apk", "--program"])
            .arg(&stand_in);
        command.arg("--into").arg(dir.path().join("feed"));
        command.env("SOURCE_DATE_EPOCH", TIME).env("PATH", path);
        command.output().unwrap()
    };
    let without = package("/usr/bin:/bin");
    assert_eq!(without.status.code(), Some(1));
    assert!(
        program::words(&without).contains("apk-tools 3"),
        "{}",
        program::words(&without)
    );

    // One that keeps what it was told and what it was to pack.
    let apk = dir.path().join("apk");
    let script = "#!/bin/sh\nset -e\nfor last; do :; done\n\
        { echo \"$@\"; while [ \"$1\" != --files ]; do shift; done; cd \"$2\"; find . -type f | sort; } > \"$last\"\n";
    fs::write(&apk, script).unwrap();
    fs::set_permissions(&apk, fs::Permissions::from_mode(0o755)).unwrap();
    let with = package(&format!("{}:/usr/bin:/bin", dir.path().display()));
    let words = program::words(&with);
    assert!(
        with.status.success() || words.contains("over its gate"),
        "{words}"
    );
    let packed = dir
        .path()
        .join(format!("feed/glimpse-agent-{}-r1.apk", version()));
    let packed = fs::read_to_string(packed).unwrap();
    for said in [
        "mkpkg --info name:glimpse-agent --info version:",
        "--info arch:x86_64",
        "--info provider-priority:100",
        "--script pre-deinstall:",
        "./lib/apk/packages/glimpse-agent.rusers",
        "./lib/apk/packages/glimpse-agent.conffiles_static",
        "./usr/sbin/glimpse-agent",
    ] {
        assert!(packed.contains(said), "{said}: {packed}");
    }
}

#[test]
fn what_is_installed() {
    let feed = Feed::new(&[]);
    let agent = feed.agent();
    let modes: Vec<(String, u32)> = agent
        .data
        .iter()
        .filter(|member| !member.folder)
        .map(|member| (member.path[2..].to_owned(), member.mode))
        .collect();
    let modes: Vec<(&str, u32)> = modes
        .iter()
        .map(|(path, mode)| (path.as_str(), *mode))
        .collect();
    assert_eq!(
        modes,
        [
            ("etc/capabilities/glimpse-agent.json", 0o644),
            ("etc/config/glimpse", 0o600),
            ("etc/hotplug.d/ntp/25-glimpse", 0o644),
            ("etc/init.d/glimpse-agent", 0o755),
            ("etc/uci-defaults/95-glimpse", 0o755),
            ("lib/upgrade/keep.d/glimpse-agent", 0o644),
            ("usr/libexec/glimpse-firewall", 0o755),
            ("usr/sbin/glimpse-agent", 0o755),
            ("usr/share/acl.d/glimpse-agent.json", 0o644),
        ]
    );
    let text = |path: &str| String::from_utf8(agent.file(path).content.clone()).unwrap();
    assert_eq!(text("lib/upgrade/keep.d/glimpse-agent"), "/etc/glimpse/\n");
    let sets: BTreeMap<String, Vec<String>> =
        serde_json::from_str(&text("etc/capabilities/glimpse-agent.json")).unwrap();
    let names: Vec<&str> = sets.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "ambient",
            "bounding",
            "effective",
            "inheritable",
            "permitted"
        ]
    );
    assert!(sets.values().all(|set| set == &["CAP_NET_RAW"]));
    let access: serde_json::Value =
        serde_json::from_str(&text("usr/share/acl.d/glimpse-agent.json")).unwrap();
    assert_eq!(
        (&access["user"], &access["publish"][0]),
        (&"glimpse".into(), &"glimpse".into())
    );
    assert!(!access.to_string().contains('*'), "exact methods only");

    let pages = feed.package("luci-app-glimpse", "all").files();
    for path in [
        "/usr/share/luci/menu.d/luci-app-glimpse.json",
        "/usr/share/rpcd/acl.d/luci-app-glimpse.json",
        "/www/luci-static/resources/view/glimpse/overview.js",
    ] {
        assert!(pages.iter().any(|page| page == path), "{path} of {pages:?}");
    }
    let words = feed.package("luci-i18n-glimpse-de", "all").files();
    assert!(
        words
            .iter()
            .any(|path| path == "/usr/lib/lua/luci/i18n/glimpse.de.lmo"),
        "{words:?}"
    );
}

#[test]
fn every_source_of_the_feed_says_its_licence() {
    let mut open = vec![repository().join("openwrt"), repository().join("luci")];
    let mut seen = 0;
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            // JSON and lists of paths have no comments; catalogues say it in their heads, if at all.
            if [".json", ".keep", ".po", ".pot"]
                .iter()
                .any(|end| name.ends_with(end))
            {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let head: String = text.lines().take(4).collect();
            assert!(
                head.contains("SPDX-License-Identifier: Apache-2.0"),
                "{}",
                path.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn what_is_released_has_a_hash() {
    let changes = fs::read_to_string(repository().join("CHANGELOG.md")).unwrap();
    let makefile =
        fs::read_to_string(repository().join("openwrt/net/glimpse-agent/Makefile")).unwrap();
    let released = changes.contains(&format!("## [{}]", version()));
    assert_eq!(makefile.contains("\nPKG_HASH:=skip\n"), !released);
    assert!(makefile.contains(&format!("\nPKG_VERSION:={}\n", version())));
}
