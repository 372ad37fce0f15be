//! Finished maps, against nginx with the same bytes in files. Rounds alternate, so that both sides see the same machine; medians are compared.

use super::client::{Caller, Question};
use super::nginx::{Nginx, Served};
use crate::clock;
use crate::report::quantile;
use anyhow::{Result, ensure};
use hyper::StatusCode;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinSet;

/// Connections that ask one request after the other.
pub(super) const CONNECTIONS: usize = 16;
/// How long a round takes.
pub(super) const ROUND: Duration = Duration::from_secs(2);
const MAPS: [(&str, &str, &str); 2] = [
    (
        "/costmap/nm-seg/delay-rt",
        "cost-map",
        "application/alto-costmap+json",
    ),
    (
        "/networkmap/nm-seg",
        "network-map",
        "application/alto-networkmap+json",
    ),
];

/// One way to ask for one map, and how often a second it was answered.
pub(super) struct Compared {
    pub(super) name: String,
    /// Bytes of the body.
    pub(super) bytes: usize,
    /// Requests per second.
    pub(super) ours: f64,
    pub(super) nginx: f64,
}

struct Side {
    port: u16,
    question: Question,
}

/// Asks both for everything.
pub(super) async fn compare(
    caller: &Caller,
    controller: &Path,
    port: u16,
    nginx: &Path,
    rounds: u32,
) -> Result<Vec<Compared>> {
    let mut client = caller.open(port).await?;
    let mut files = Vec::new();
    for (path, name, media_type) in MAPS {
        let question = Question::get(path);
        let identity = client.body(&question).await?.to_vec();
        let gzip = client.body(&packed(question)).await?.to_vec();
        files.push(Served {
            name,
            media_type,
            identity,
            gzip,
        });
    }
    let nginx = Nginx::start(nginx, controller, &files)?;
    let mut compared = Vec::new();
    for ((path, _, _), file) in MAPS.iter().zip(&files) {
        let theirs = format!("/{}", file.name);
        let ask = |path: &str, gzip: bool| {
            let question = Question::get(path);
            if gzip { packed(question) } else { question }
        };
        for (way, gzip, body) in [("", false, &file.identity), (", gzip", true, &file.gzip)] {
            let sides = [(port, *path), (nginx.port(), &theirs)].map(|(port, path)| Side {
                port,
                question: ask(path, gzip),
            });
            for side in &sides {
                let served = caller.open(side.port).await?.body(&side.question).await?;
                ensure!(served == *body, "{} differs at port {}", path, side.port);
            }
            let name = format!("GET {path}{way}");
            compared
                .push(alternate(caller, name, sides, StatusCode::OK, body.len(), rounds).await?);
        }
        let mut sides = Vec::new();
        for (port, path) in [(port, *path), (nginx.port(), &theirs)] {
            let question = ask(path, true);
            let answer = caller.open(port).await?.ask(&question).await?;
            let question = question.with("if-none-match", answer.etag.unwrap_or_default());
            sides.push(Side { port, question });
        }
        let Ok(sides) = <[Side; 2]>::try_from(sides) else {
            continue;
        };
        let name = format!("304 of {path}");
        compared.push(alternate(caller, name, sides, StatusCode::NOT_MODIFIED, 0, rounds).await?);
    }
    Ok(compared)
}

fn packed(question: Question) -> Question {
    question.with("accept-encoding", "gzip")
}

async fn alternate(
    caller: &Caller,
    name: String,
    sides: [Side; 2],
    status: StatusCode,
    bytes: usize,
    rounds: u32,
) -> Result<Compared> {
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for (side, rates) in sides.iter().zip(&mut rates) {
            let rate = rate(caller, side, status, bytes).await?;
            // The first round warms up.
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    let [ours, nginx] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        quantile(&rates, 0.5)
    });
    Ok(Compared {
        name,
        bytes,
        ours,
        nginx,
    })
}

/// Requests per second over connections that stand when the clock starts.
async fn rate(caller: &Caller, side: &Side, status: StatusCode, bytes: usize) -> Result<f64> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(caller.open(side.port).await?);
    }
    let began = clock::steady();
    let mut asking = JoinSet::new();
    for mut client in clients {
        let question = side.question.clone();
        asking.spawn(async move {
            let mut answered = 0_u32;
            while began.elapsed() < ROUND {
                let answer = client.ask(&question).await?;
                ensure!(
                    answer.status == status && answer.body.len() == bytes,
                    "{}: status {}, {} bytes",
                    question.path,
                    answer.status,
                    answer.body.len()
                );
                answered += 1;
            }
            Ok(answered)
        });
    }
    let mut answered = 0;
    while let Some(one) = asking.join_next().await {
        answered += one??;
    }
    Ok(f64::from(answered) / began.elapsed().as_secs_f64())
}
