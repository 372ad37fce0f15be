//! The way to the server that is measured: redirects on request, then the permission to fill its line. Each hop is resolved
//! and admitted anew, and none leads from TLS to plain text.

use std::net::IpAddr;

use glimpse_net::stream::Tally;

use super::body::Body;
use super::connection::{Connection, Origin};
use super::error::HttpError;
use super::head::Head;
use super::url::{Scheme, Url};
use crate::context::{Bulk, Context};
use crate::resolve::FamilyChoice;

/// Where a server says that it wants bulk transfers: status 200 and a body that begins with `allow`.
pub const CONSENT_TARGET: &str = "/.well-known/glimpse-measurement";
/// Longest such body, in bytes.
pub const CONSENT_LIMIT: usize = 1024;
/// Buffer of connections that carry no bulk, in bytes.
pub(super) const SMALL_BUFFER: usize = 32 * 1024;
/// What of a `Location` is told in the record, in characters.
const LOCATION_SHOWN: usize = 200;

/// By which request redirects are found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// `HEAD`, or `GET` of servers that know no other.
    Content,
    /// `POST` of nothing.
    Upload,
}

/// Where a URL leads.
#[derive(Clone)]
pub(crate) struct Way {
    /// The server that is measured.
    pub(crate) origin: Origin,
    /// The URLs that were redirected from, in order.
    pub(crate) redirected_from: Vec<String>,
}

/// Locates the server of `url`, following at most `limit` redirects. With 0, nothing is asked: the transfer will see.
pub(crate) async fn find(
    url: &Url,
    limit: u32,
    asking: Asking,
    family: FamilyChoice,
    context: &Context,
    tally: &Tally,
) -> Result<Way, HttpError> {
    let mut origin = Origin::locate(url, family, context, tally).await?;
    let mut redirected_from = Vec::new();
    if limit == 0 {
        return Ok(Way {
            origin,
            redirected_from,
        });
    }
    loop {
        let head = ask(&origin, asking).await?;
        if !head.is_redirect() {
            break;
        }
        let next = next(&origin.url, &head)?;
        if redirected_from.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            let last = next.to_string();
            return Err(HttpError::Redirects { limit, last });
        }
        redirected_from.push(origin.url.to_string());
        origin = Origin::locate(&next, family, context, tally).await?;
    }
    Ok(Way {
        origin,
        redirected_from,
    })
}

/// Where a redirect leads from `url`.
pub(super) fn next(url: &Url, head: &Head) -> Result<Url, HttpError> {
    let location = head.location.as_deref().unwrap_or_default();
    let next = url.join(location).map_err(|reason| HttpError::Location {
        location: location.chars().take(LOCATION_SHOWN).collect(),
        reason,
    })?;
    if url.scheme == Scheme::Https && next.scheme == Scheme::Http {
        return Err(HttpError::Downgrade(next.to_string()));
    }
    Ok(next)
}

async fn ask(origin: &Origin, asking: Asking) -> Result<Head, HttpError> {
    let (method, fields) = match asking {
        Asking::Content => ("HEAD", ""),
        Asking::Upload => ("POST", "Content-Length: 0\r\n"),
    };
    let head = exchange(origin, method, fields).await?.0;
    if asking == Asking::Content && matches!(head.status, 405 | 501) {
        return Ok(exchange(origin, "GET", "").await?.0);
    }
    Ok(head)
}

/// One request on a connection of its own; the answer's head, the connection where its body stands.
async fn exchange(
    origin: &Origin,
    method: &str,
    fields: &str,
) -> Result<(Head, Connection), HttpError> {
    let mut connection = origin.connect(0, SMALL_BUFFER).await?;
    let request = origin.request(method, &origin.url.target);
    connection
        .send(format!("{request}{fields}Connection: close\r\n\r\n").as_bytes())
        .await?;
    let head = connection.head(|_| ()).await?;
    Ok((head, connection))
}

/// Whether a transfer that fills the line may go to `origin`: anywhere, to hosts of the list, or to servers that say so
/// themselves at [`CONSENT_TARGET`] of the same scheme, address and port.
pub(crate) async fn permit(origin: &Origin, bulk: &Bulk) -> Result<(), HttpError> {
    let Bulk::Listed(hosts) = bulk else {
        return Ok(());
    };
    if is_listed(&origin.url, hosts) {
        return Ok(());
    }
    let asked = origin.at(CONSENT_TARGET);
    let refuse = |reason: String| HttpError::NotListed {
        host: origin.url.host_text(),
        reason: format!("{CONSENT_TARGET}: {reason}"),
    };
    let (head, mut connection) = match exchange(&asked, "GET", "").await {
        Ok(answer) => answer,
        Err(error) => return Err(refuse(error.to_string())),
    };
    if head.status != 200 {
        return Err(refuse(format!("status {}", head.status)));
    }
    let text = read_all(&head, &mut connection)
        .await
        .map_err(|error| refuse(error.to_string()))?;
    match text {
        None => Err(refuse(format!("longer than {CONSENT_LIMIT} bytes"))),
        Some(text) if text.starts_with(b"allow") => Ok(()),
        Some(_) => Err(refuse("does not begin with allow".to_owned())),
    }
}

/// A name of the list, or an address in any of its forms.
fn is_listed(url: &Url, hosts: &[String]) -> bool {
    let host = url.host_text();
    let host = host.trim_end_matches('.');
    let address = host.parse::<IpAddr>().ok();
    hosts.iter().any(|listed| {
        listed.trim_end_matches('.').eq_ignore_ascii_case(host)
            || (address.is_some() && listed.parse().ok() == address)
    })
}

/// A short body, whole; `None` when it is longer than [`CONSENT_LIMIT`].
async fn read_all(head: &Head, connection: &mut Connection) -> Result<Option<Vec<u8>>, HttpError> {
    let mut body = Body::new(head.framing);
    let mut text = Vec::new();
    let reading = async {
        loop {
            let taken = body.take(connection.rest(), |content| {
                let room = (CONSENT_LIMIT + 1).saturating_sub(text.len());
                text.extend_from_slice(&content[..content.len().min(room)]);
            })?;
            connection.used(taken);
            if body.is_done() || text.len() > CONSENT_LIMIT {
                return Ok::<(), HttpError>(());
            }
            if connection.fill().await? == 0 {
                body.closed()?;
                return Ok(());
            }
        }
    };
    let limit = super::connection::PHASE_LIMIT;
    match tokio::time::timeout(limit, reading).await {
        Ok(result) => result?,
        Err(_) => return Err(HttpError::Slow(super::connection::millis(limit))),
    }
    Ok((text.len() <= CONSENT_LIMIT).then_some(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn hosts_are_listed_by_name_or_by_address() {
        let hosts = [
            "speed.example.net".to_owned(),
            "2001:db8::5".to_owned(),
            "192.0.2.1".to_owned(),
        ];
        for (url, listed) in [
            ("http://speed.example.net:8080/x", true),
            ("https://Speed.Example.NET./", true),
            ("http://[2001:db8:0::5]/", true),
            ("http://192.0.2.1/", true),
            ("http://a.speed.example.net/", false),
            ("http://example.net/", false),
            ("http://192.0.2.10/", false),
        ] {
            assert_eq!(
                is_listed(&Url::parse(url).unwrap(), &hosts),
                listed,
                "{url}"
            );
        }
    }
}
