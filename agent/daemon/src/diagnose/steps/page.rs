//! The known page: whether it comes as it is known, or something stands in the way.

use super::super::bench::Bench;
use super::super::down::{Came, Page};
use super::super::finding::Reason;
use super::super::values::{Families, Version};
use glimpse_net::stream::Tally;
use glimpse_probe::methods::http::body::Body;
use glimpse_probe::methods::http::connection::Origin;
use glimpse_probe::methods::http::error::HttpError;
use glimpse_probe::methods::http::url::Url;
use glimpse_probe::resolve::FamilyChoice;
use std::net::IpAddr;
use std::time::Duration;

/// How long the page may take over each version.
const LIMIT: Duration = Duration::from_secs(6);
/// Content that is looked at, in bytes: more than any known page has.
const CONTENT: usize = 4096;
/// Bytes on the line for it.
const BYTES: u64 = 64 << 10;
const BUFFER: usize = 8 << 10;

pub(in crate::diagnose) async fn page(bench: &Bench<'_>) -> Result<Page, Reason> {
    let diagnose = &bench.means.settings.diagnose;
    let text = diagnose.page_url.as_deref();
    let text = text.ok_or(Reason::NotConfigured("diagnose.page_url"))?;
    let answer = diagnose.page_answer.as_deref();
    let answer = answer.ok_or(Reason::NotConfigured("diagnose.page_answer"))?;
    let url = Url::parse(text).map_err(|_| Reason::NotConfigured("diagnose.page_url"))?;
    let addresses = bench.locate(&url.host).await;
    let mut came = Families::none();
    if addresses.iter().next().is_none() {
        let host = url.authority();
        came.ipv4 = Some(Came::None(format!("{host} has no address here")));
    }
    let (ipv4, ipv6) = tokio::join!(
        over(bench, text, &url, answer, addresses.ipv4, Version::V4),
        over(bench, text, &url, answer, addresses.ipv6, Version::V6),
    );
    Ok(Page {
        url: text.to_owned(),
        came: Families {
            ipv4: ipv4.or(came.ipv4),
            ipv6,
        },
    })
}

async fn over(
    bench: &Bench<'_>,
    text: &str,
    url: &Url,
    answer: &str,
    address: Option<IpAddr>,
    version: Version,
) -> Option<Came> {
    address?;
    let family = match version {
        Version::V4 => FamilyChoice::Ipv4,
        Version::V6 => FamilyChoice::Ipv6,
    };
    let fetched = tokio::time::timeout(LIMIT, fetch(bench, text, url, answer, family)).await;
    Some(match fetched {
        Ok(Ok(came)) => came,
        // A server that speaks something else than HTTP is not the one that was asked.
        Ok(Err(HttpError::Head(_))) => Came::Other {
            status: 0,
            location: None,
        },
        Ok(Err(error)) => Came::None(error.to_string()),
        Err(_) => Came::None(format!("no page within {} s", LIMIT.as_secs())),
    })
}

async fn fetch(
    bench: &Bench<'_>,
    text: &str,
    url: &Url,
    answer: &str,
    family: FamilyChoice,
) -> Result<Came, HttpError> {
    let context = bench.context_for(text, LIMIT);
    let tally = Tally::limited(BYTES);
    let origin = Origin::locate(url, family, &context, &tally).await?;
    let mut connection = origin.connect(0, BUFFER).await?;
    let request = origin.request("GET", &url.target);
    let sent = connection
        .send(format!("{request}Connection: close\r\n\r\n").as_bytes())
        .await;
    let came = match sent {
        Ok(()) => read(&mut connection, answer).await,
        Err(error) => Err(error),
    };
    context.meter.show(&tally.read());
    came
}

async fn read(
    connection: &mut glimpse_probe::methods::http::connection::Connection,
    answer: &str,
) -> Result<Came, HttpError> {
    let head = connection.head(|_| ()).await?;
    let mut body = Body::new(head.framing);
    let mut content = Vec::new();
    while !body.is_done() && content.len() < CONTENT {
        if connection.rest().is_empty() && connection.fill().await? == 0 {
            break;
        }
        let used = body.take(connection.rest(), |bytes| content.extend_from_slice(bytes))?;
        connection.used(used);
    }
    let expected = head.status == 200 && content.trim_ascii_end() == answer.trim_end().as_bytes();
    Ok(if expected {
        Came::Expected
    } else {
        Came::Other {
            status: head.status,
            // What follows is the portal's own affair, and often names devices.
            location: head
                .location
                .map(|to| to.split(['?', '#']).next().unwrap_or_default().to_owned()),
        }
    })
}
