//! `glimpse-ubus-broker`: a system bus like that of OpenWrt, with the objects of a router.

use anyhow::{Context, Result, bail};
use clap::Parser;
use glimpse_tests::ubus::broker::Door;
use glimpse_tests::ubus::provider::{self, Description};
use glimpse_tests::ubus::{Access, Broker, Client};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Plays ubusd, and a router's objects on it.
///
/// It prints `ready`, and runs until it is ended.
#[derive(Debug, Parser)]
#[command(name = "glimpse-ubus-broker", version)]
struct Arguments {
    /// The socket of the bus.
    #[arg(long)]
    socket: PathBuf,
    /// A further socket, whose clients count as that user. May be repeated.
    #[arg(long, value_name = "USER=PATH")]
    socket_of: Vec<String>,
    /// A file as in /usr/share/acl.d: what a user may do. May be repeated.
    #[arg(long)]
    acl: Vec<PathBuf>,
    /// A file with an object to offer. May be repeated.
    #[arg(long)]
    object: Vec<PathBuf>,
    /// The bus is there already: offer the objects only.
    #[arg(long)]
    join: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let broker = if arguments.join {
        None
    } else {
        Some(start(&arguments)?)
    };
    let client = Arc::new(connect(&arguments.socket).await?);
    for path in &arguments.object {
        provider::offer(client.clone(), Description::read(path)?).await?;
    }
    let mut out = std::io::stdout();
    writeln!(out, "ready").and_then(|()| out.flush())?;
    if arguments.join {
        client.closed().await;
        bail!("the bus is gone");
    }
    std::future::pending::<()>().await;
    drop(broker);
    Ok(())
}

fn start(arguments: &Arguments) -> Result<Broker> {
    let mut access = Access::default();
    for path in &arguments.acl {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        access.permit(serde_json::from_str(&text)?);
    }
    let mut doors = vec![Door {
        path: arguments.socket.clone(),
        user: None,
    }];
    for door in &arguments.socket_of {
        let Some((user, path)) = door.split_once('=') else {
            bail!("--socket-of {door}: want USER=PATH");
        };
        doors.push(Door {
            path: path.into(),
            user: Some(user.to_owned()),
        });
    }
    Broker::start(doors, access, u64::from(std::process::id())).context("cannot open the sockets")
}

async fn connect(path: &Path) -> Result<Client> {
    Client::connect(path)
        .await
        .with_context(|| format!("no bus at {}", path.display()))
}
