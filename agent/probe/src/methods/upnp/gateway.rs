//! What a gateway knows of the line: the actions of its services that only tell.
//!
//! Calls to the connection service and the IPv6 firewall are igd-next's, whose requests go through our own [`Fetcher`] to
//! the place that our own check of the description let pass; its search, and its HTTP client, are not used.

use std::collections::HashMap;
use std::sync::Arc;

use igd_next::aio::{Gateway, Provider};
use igd_next::{GetExternalIpError, GetGenericPortMappingEntryError, PinholeError, RequestError};
use serde_json::{Map, Value};

use super::description::Description;
use super::fetch::{FetchError, Fetcher};
use super::location::Location;
use super::soap::{self, SoapError, acceptable, parse_reply};

/// Port mappings that are counted; there is no call that tells their number.
const MAPPING_LIMIT: u32 = 32;

const CONNECTIONS: &[&str] = &[
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];
const INTERFACE: &[&str] = &["urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1"];
const FIREWALL: &[&str] = &["urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"];

/// Whether the description is a gateway's.
pub(super) fn is_gateway(description: &Description) -> bool {
    description
        .device_type
        .starts_with("urn:schemas-upnp-org:device:InternetGatewayDevice:")
}

/// Asks for everything and writes it into `facts` as it comes, by the names of the original.
///
/// # Errors
/// Why no more could be asked; what a service refuses is only missing.
pub(super) async fn ask(
    fetcher: &Arc<Fetcher>,
    description: &Description,
    location: &Location,
    facts: &mut Map<String, Value>,
) -> Result<(), String> {
    let base = location.join(&description.url_base);
    let base = base.as_ref().unwrap_or(location);
    let connection = service(description, base, CONNECTIONS)?;
    let interface = service(description, base, INTERFACE)?;
    let firewall = service(description, base, FIREWALL)?;
    if let Some(service) = &connection {
        about_connection(fetcher, service, facts).await?;
    }
    if let Some(service) = &interface {
        about_interface(fetcher, service, facts).await?;
    }
    if let Some(service) = &firewall {
        about_firewall(fetcher, service, facts).await?;
    }
    if let Some(service) = &connection {
        count_mappings(fetcher, service, facts).await?;
    }
    Ok(())
}

/// A service, by its name of ours, and where its actions are called.
struct Service {
    kind: &'static str,
    control: Location,
}

/// The first service of one of these types. That its control URL leads elsewhere is an error: such a device is not asked.
fn service(
    description: &Description,
    base: &Location,
    kinds: &[&'static str],
) -> Result<Option<Service>, String> {
    let found = description.services.iter().find_map(|service| {
        let kind = kinds.iter().find(|kind| **kind == service.kind)?;
        Some((kind, &service.control_url))
    });
    let Some((kind, url)) = found else {
        return Ok(None);
    };
    match base.join(url) {
        Ok(control) => Ok(Some(Service { kind, control })),
        Err(reason) => Err(format!("the control url refused: it {reason}")),
    }
}

async fn about_connection(
    fetcher: &Arc<Fetcher>,
    service: &Service,
    facts: &mut Map<String, Value>,
) -> Result<(), String> {
    let gateway = gateway(service);
    let address = within(fetcher, service, gateway.get_external_ip()).await;
    match address {
        Ok(address) => {
            facts.insert("external_ip_address".to_owned(), address.to_string().into());
        }
        Err(GetExternalIpError::RequestError(error)) => unless_network(error)?,
        Err(GetExternalIpError::ActionNotAuthorized) => {}
    }
    let names = [
        ("NewConnectionStatus", "status", Form::Text),
        ("NewUptime", "uptime", Form::Number),
        (
            "NewLastConnectionError",
            "last_connection_error",
            Form::Text,
        ),
    ];
    take(fetcher, service, "GetStatusInfo", &names, facts).await?;
    let names = [("NewConnectionType", "connection_type", Form::Text)];
    take(fetcher, service, "GetConnectionTypeInfo", &names, facts).await
}

async fn about_interface(
    fetcher: &Arc<Fetcher>,
    service: &Service,
    facts: &mut Map<String, Value>,
) -> Result<(), String> {
    let names = [
        (
            "NewLayer1DownstreamMaxBitRate",
            "link_layer_max_download",
            Form::Number,
        ),
        (
            "NewLayer1UpstreamMaxBitRate",
            "link_layer_max_upload",
            Form::Number,
        ),
    ];
    take(fetcher, service, "GetCommonLinkProperties", &names, facts).await?;
    for (action, argument, name) in [
        ("GetTotalBytesSent", "NewTotalBytesSent", "total_bytes_sent"),
        (
            "GetTotalBytesReceived",
            "NewTotalBytesReceived",
            "total_bytes_received",
        ),
        (
            "GetTotalPacketsSent",
            "NewTotalPacketsSent",
            "total_packets_sent",
        ),
        (
            "GetTotalPacketsReceived",
            "NewTotalPacketsReceived",
            "total_packets_received",
        ),
    ] {
        take(
            fetcher,
            service,
            action,
            &[(argument, name, Form::Number)],
            facts,
        )
        .await?;
    }
    Ok(())
}

async fn about_firewall(
    fetcher: &Arc<Fetcher>,
    service: &Service,
    facts: &mut Map<String, Value>,
) -> Result<(), String> {
    let gateway = Gateway {
        ipv6_firewall_control_url: Some(service.control.path.clone()),
        ..gateway(service)
    };
    match within(fetcher, service, gateway.get_firewall_status()).await {
        Ok(status) => {
            facts.insert(
                "firewall_enabled".to_owned(),
                status.firewall_enabled.into(),
            );
            facts.insert(
                "inbound_pinhole_allowed".to_owned(),
                status.inbound_pinhole_allowed.into(),
            );
        }
        Err(PinholeError::RequestError(error)) => unless_network(error)?,
        Err(_) => {}
    }
    Ok(())
}

/// Walks the table to its end. What is mapped stays in the home: only the number is kept.
async fn count_mappings(
    fetcher: &Arc<Fetcher>,
    service: &Service,
    facts: &mut Map<String, Value>,
) -> Result<(), String> {
    let gateway = gateway(service);
    let mut count = 0;
    while count < MAPPING_LIMIT {
        match within(
            fetcher,
            service,
            gateway.get_generic_port_mapping_entry(count),
        )
        .await
        {
            Ok(_) => count += 1,
            Err(GetGenericPortMappingEntryError::SpecifiedArrayIndexInvalid) => break,
            Err(GetGenericPortMappingEntryError::RequestError(error)) => {
                return unless_network(error);
            }
            Err(GetGenericPortMappingEntryError::ActionNotAuthorized) => return Ok(()),
        }
    }
    facts.insert("number_of_port_mappings".to_owned(), count.into());
    Ok(())
}

/// What a value is.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Number,
}

/// Calls an action and takes the named values; what is missing or of another form is left out.
async fn take(
    fetcher: &Arc<Fetcher>,
    service: &Service,
    action: &str,
    names: &[(&str, &str, Form)],
    facts: &mut Map<String, Value>,
) -> Result<(), String> {
    let header = format!("\"{}#{action}\"", service.kind);
    let body = soap::call(service.kind, action);
    let reply = match fetcher.call(&service.control, &header, &body).await {
        Ok(reply) => reply,
        // A service that has no such action may say so in any way.
        Err(FetchError::Status(_)) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let values = match parse_reply(&reply, action) {
        Ok(values) => values,
        Err(SoapError::Fault(code)) => {
            log::debug!(target:% = service.control.address, action, code; "action refused");
            return Ok(());
        }
        Err(SoapError::Malformed) => return Ok(()),
    };
    for (argument, name, form) in names {
        let value = values.get(*argument).and_then(|text| match form {
            Form::Text => Some(Value::from(text.as_str())),
            Form::Number => text.parse::<u64>().ok().map(Value::from),
        });
        if let Some(value) = value {
            facts.insert((*name).to_owned(), value);
        }
    }
    Ok(())
}

/// A gateway of igd-next at a place that has been checked.
fn gateway(service: &Service) -> Gateway<Checked> {
    Gateway {
        addr: service.control.address,
        root_url: "/".to_owned(),
        control_url: service.control.path.clone(),
        control_schema_url: String::new(),
        control_schema: HashMap::new(),
        service_type: service.kind.to_owned(),
        ipv6_firewall_control_url: None,
        provider: Checked,
    }
}

tokio::task_local! {
    /// Where the request under way goes, and by whom: igd-next hands its provider nothing but texts.
    static CALL: (Arc<Fetcher>, Location);
}

async fn within<T>(
    fetcher: &Arc<Fetcher>,
    service: &Service,
    request: impl Future<Output = T>,
) -> T {
    CALL.scope((fetcher.clone(), service.control.clone()), request)
        .await
}

/// Sends what igd-next has written, to the place that was checked whatever URL it made of it.
#[derive(Clone, Debug)]
struct Checked;

impl Provider for Checked {
    async fn send_async(_url: &str, action: &str, body: &str) -> Result<String, RequestError> {
        let (fetcher, location) = CALL
            .try_with(Clone::clone)
            .map_err(|_| RequestError::InvalidResponse("outside of a call".to_owned()))?;
        let refused = |error: FetchError| match error {
            FetchError::Status(status) => RequestError::InvalidResponse(format!("status {status}")),
            error => RequestError::IoError(std::io::Error::other(error)),
        };
        let reply = fetcher
            .call(&location, action, body)
            .await
            .map_err(refused)?;
        // Read before igd-next's parser sees it, which would expand entities.
        let text =
            acceptable(&reply).map_err(|error| RequestError::InvalidResponse(error.to_string()))?;
        Ok(text.to_owned())
    }
}

/// A refusal or a wrong answer of a service leaves a value out; a failure of the network ends the asking.
fn unless_network(error: RequestError) -> Result<(), String> {
    match error {
        RequestError::IoError(error) => Err(error.to_string()),
        _ => Ok(()),
    }
}
