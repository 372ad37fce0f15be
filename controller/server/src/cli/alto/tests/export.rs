use super::{World, document, done, refused};
use crate::cli::{FAILED, USAGE};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// All files below a directory with their contents.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn two_exports_of_equal_data_are_equal() {
    let world = World::new().await;
    let config = world.config();
    let target = tempfile::tempdir().unwrap();
    let at = |name: &str| target.path().join(name);
    for format in ["alto", "csv", "geojson"] {
        let mut trees = Vec::new();
        for number in 1..=2 {
            let dir = at(&format!("{format}-{number}"));
            let written = document(&[
                "export",
                "--config",
                &config,
                "--format",
                format,
                "--dir",
                dir.to_str().unwrap(),
            ])
            .await;
            let files = tree(&dir);
            assert_eq!(written.as_array().unwrap().len(), files.len(), "{written}");
            trees.push(files);
            world.fixture.advance(3);
        }
        assert!(trees[0].len() > 1, "{format}");
        assert_eq!(trees[0], trees[1], "{format}");
        let manifest: Value = serde_json::from_slice(&trees[0]["manifest.json"]).unwrap();
        assert_eq!(manifest["format"], format);
        assert_eq!(manifest["windows"][0]["anonymity"], json!({"lab": true}));
    }
    let files = tree(&at("alto-1"));
    assert!(
        files.keys().any(|path| path == "networkmap/nm"),
        "{:?}",
        files.keys()
    );
    assert!(!files.keys().any(|path| path.contains(".part")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_names_the_filters_of_the_publication() {
    let world = World::new().await;
    let config = world.config();
    let changed = "[alto]\nlab = true\ntrust = { cpu_percent = 7, wifi_dbm = -20 }";
    std::fs::write(&config, changed).unwrap();
    let target = tempfile::tempdir().unwrap();
    let dir = target.path().to_str().unwrap();
    done(&["export", "--config", &config, "--dir", dir]).await;
    let manifest: Value = serde_json::from_slice(&tree(target.path())["manifest.json"]).unwrap();
    assert_eq!(manifest.get("filters"), None);
    let windows = manifest["windows"].as_array().unwrap();
    assert!(!windows.is_empty());
    for window in windows {
        assert_eq!(
            window["filters"],
            json!({"cpu_percent": 80, "cross_traffic_bps": 64_000, "wifi_dbm": -70, "clock_offset_us": 60_000_000})
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_replaces_an_earlier_one_and_nothing_else() {
    let world = World::new().await;
    let config = world.config();
    let target = tempfile::tempdir().unwrap();
    let dir = target.path().join("deep/release");
    let to = dir.to_str().unwrap();
    let export = ["export", "--config", &config, "--dir", to];
    let printed = done(&export).await.out;
    assert!(
        printed.contains("costmap/nm/delay-rt  ") && printed.contains("manifest.json  "),
        "{printed}"
    );
    std::fs::write(dir.join(".htaccess"), "mine").unwrap();
    std::fs::write(dir.join("costmap/note"), "mine").unwrap();
    done(&[&export[..], &["--format", "csv"]].concat()).await;
    let files = tree(&dir);
    assert!(
        files.contains_key("nm.csv") && !files.contains_key("index.json"),
        "{:?}",
        files.keys()
    );
    assert_eq!(
        (&files[".htaccess"][..], &files["costmap/note"][..]),
        (&b"mine"[..], &b"mine"[..])
    );
    assert!(
        !dir.join("networkmap").exists() && !dir.join("costmap/nm").exists(),
        "no empty folders"
    );

    // A file of somebody else in the way stops it before anything is written.
    std::fs::write(dir.join("index.json"), "mine").unwrap();
    let told = refused(&export, FAILED).await;
    assert!(
        told.contains("index.json: is in the way") && told.contains("nothing was written"),
        "{told}"
    );
    assert_eq!(tree(&dir)["index.json"], b"mine");
    assert!(tree(&dir).contains_key("nm.csv"));

    // A run that was cut off leaves what the next one cleans up.
    std::fs::remove_file(dir.join("index.json")).unwrap();
    let begun = json!({"software": {"name": "glimpse-controller", "version": "0"}, "complete": false,
        "files": [{"path": "nm.csv"}, {"path": "networkmap/nm-old"}]});
    std::fs::write(dir.join("manifest.json"), begun.to_string()).unwrap();
    std::fs::create_dir_all(dir.join("networkmap")).unwrap();
    std::fs::write(dir.join("networkmap/nm-old"), "{}").unwrap();
    for name in tree(&dir)
        .keys()
        .filter(|name| name.contains(".csv") && *name != "nm.csv")
    {
        std::fs::remove_file(dir.join(name)).unwrap();
    }
    std::fs::write(dir.join("networkmap/nm-old.part"), "{").unwrap();
    done(&export).await;
    assert!(!tree(&dir).contains_key("networkmap/nm-old.part"));
    assert!(!tree(&dir).contains_key("networkmap/nm-old") && !tree(&dir).contains_key("nm.csv"));
}

/// Whoever else may write to the directory leads no file out of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_follows_no_link_out_of_its_directory() {
    let world = World::new().await;
    let config = world.config();
    let target = tempfile::tempdir().unwrap();
    let (dir, outside) = (target.path().join("release"), target.path().join("outside"));
    std::fs::create_dir(&outside).unwrap();
    let export = [
        "export",
        "--config",
        &config,
        "--dir",
        dir.to_str().unwrap(),
    ];
    done(&export).await;
    let before = tree(&dir);

    std::fs::write(outside.join("letter"), "dear").unwrap();
    std::os::unix::fs::symlink(outside.join("letter"), dir.join("index.json.part")).unwrap();
    done(&export).await;
    assert_eq!(tree(&dir), before);
    assert_eq!(tree(&outside)["letter"], b"dear");

    std::fs::rename(dir.join("networkmap"), outside.join("networkmap")).unwrap();
    std::os::unix::fs::symlink(outside.join("networkmap"), dir.join("networkmap")).unwrap();
    let there = tree(&outside);
    for format in ["alto", "csv"] {
        let told = refused(&[&export[..], &["--format", format]].concat(), FAILED).await;
        assert!(told.contains("networkmap: is a link"), "{told}");
    }
    assert_eq!(tree(&outside), there, "nothing is removed there either");
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_that_cannot_be_say_why() {
    let world = World::new().await;
    let config = world.config();
    let target = tempfile::tempdir().unwrap();
    let foreign = target.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("letter"), "dear").unwrap();
    let other = target.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("manifest.json"), r#"{"name": "an app"}"#).unwrap();
    let fresh = target.path().join("fresh");
    let (foreign, other, fresh) = (
        foreign.to_str().unwrap(),
        other.to_str().unwrap(),
        fresh.to_str().unwrap(),
    );
    let geography = target.path().join("geo.json");
    std::fs::write(&geography, "{}").unwrap();
    let geography = geography.to_str().unwrap();
    for (words, code, said) in [
        (
            &["--dir", foreign][..],
            FAILED,
            "no manifest.json of an earlier release",
        ),
        (
            &["--dir", other],
            FAILED,
            "no manifest.json of an earlier release",
        ),
        (
            &["--dir", fresh, "--month", "2020-01"],
            FAILED,
            "nothing is published of 2020-01",
        ),
        (
            &["--dir", fresh, "--month", "soon"],
            USAGE,
            "must be a month such as 2026-10",
        ),
        (
            &["--dir", fresh, "--geography", geography],
            USAGE,
            "--format geojson",
        ),
        (
            &[
                "--dir",
                fresh,
                "--format",
                "geojson",
                "--geography",
                geography,
            ],
            FAILED,
            "no FeatureCollection",
        ),
        (&["--dir", fresh, "--format", "pdf"], USAGE, "pdf"),
    ] {
        let told = refused(
            &[&["export", "--config", &config][..], words].concat(),
            code,
        )
        .await;
        assert!(told.contains(said), "{words:?}: {told}");
    }
    assert_eq!(tree(Path::new(foreign)).len(), 1);
    assert!(!Path::new(fresh).exists(), "nothing was written");
}
