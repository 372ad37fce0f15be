//! `init`.

use super::output::Output;
use super::{CliError, open};
use crate::clock;
use crate::config::{self, Config};
use crate::pki::{self, Lifetimes, Names, random_serial};
use clap::Args;
use glimpse_store::{Options, Sqlite, Store};
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Directory to make the controller in.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// DNS name or address by which agents reach the controller; may be given several times.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// Organisation in the certificates.
    #[arg(long, value_name = "TEXT", default_value = "GLIMPSE")]
    organisation: String,
}

#[derive(Serialize)]
struct Made<'a> {
    dir: &'a Path,
    config: &'a Path,
    database: &'a Path,
    ca_fingerprint: &'a str,
    names: &'a [String],
    root_key: &'a Path,
}

impl Init {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let names = if self.names.is_empty() {
            ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into()
        } else {
            self.names
        };
        let file = self.dir.join(config::FILE);
        if file.exists() {
            return Err(CliError::hinting(
                &format!("{} exists already", file.display()),
                "a controller is never overwritten; choose another directory",
            ));
        }
        std::fs::create_dir_all(&self.dir)
            .map_err(|error| CliError::failed(format!("{}: {error}", self.dir.display())))?;
        let text = config::template(wildcard());
        let made = Config::parse(&text, &file).map_err(CliError::failed)?;
        let wanted = Names {
            organisation: self.organisation,
            server: names.clone(),
        };
        let now = clock::seconds(clock::now());
        let lifetimes = Lifetimes::default();
        let (pki, _) = pki::create(&made.pki, &wanted, &lifetimes, now, &mut random_serial)
            .map_err(CliError::failed)?;
        // Results tell about households: the database is for the controller's user alone, and SQLite
        // gives its other files the same rights.
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&made.database)
            .map_err(|error| CliError::failed(format!("{}: {error}", made.database.display())))?;
        let store = Sqlite::create(&made.database, &Options::default()).await?;
        store.close().await?;
        // Last: a directory with this file is a whole controller.
        std::fs::write(&file, text)
            .map_err(|error| CliError::failed(format!("{}: {error}", file.display())))?;
        open(&made).await?.close().await?;
        let fingerprint = pki.fingerprint();
        let root_key = made.pki.join("root.key.pem");
        if output.json {
            return Ok(output.json(&Made {
                dir: &self.dir,
                config: &file,
                database: &made.database,
                ca_fingerprint: &fingerprint,
                names: &names,
                root_key: &root_key,
            })?);
        }
        let dir = self.dir.display();
        writeln!(
            output.out,
            "Controller made in {dir}, for {}.\n\
             CA fingerprint: {fingerprint}\n\
             \n\
             Next:\n\
             \x20 1. Move {} to off-line storage.\n\
             \x20 2. glimpse-controller serve --dir {dir}\n\
             \x20 3. glimpse-controller agent invite --dir {dir}\n\
             \x20 4. On the agent: glimpse-agent enrol --controller https://{}:{} --token-file - \\\n\
             \x20      --ca-fingerprint {fingerprint}",
            names.join(", "),
            root_key.display(),
            names.first().map_or("localhost", String::as_str),
            made.agent_listen.port(),
        )?;
        Ok(())
    }
}

/// All addresses of both families, or of IPv4 where the machine has no IPv6.
fn wildcard() -> IpAddr {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => Ipv6Addr::UNSPECIFIED.into(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    }
}
