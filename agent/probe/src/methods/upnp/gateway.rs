//! What a gateway knows of the line: the actions of its services that only tell.
//!
//! Requests go through our own [`Fetcher`] to the place that our own check of the description let pass.

use glimpse_model::sorted::SortedMap;
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::description::Description;
use super::fetch::{FetchError, Fetcher};
use super::location::Location;
use super::soap::{self, SoapError, parse_reply};

/// Port mappings that are counted; there is no call that tells their number.
const MAPPING_LIMIT: u32 = 32;

const CONNECTIONS: &[&str] = &[
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];
const INTERFACE: &[&str] = &["urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1"];
const FIREWALL: &[&str] = &["urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"];

/// What a service says of an index behind the end of a table (`SpecifiedArrayIndexInvalid`).
const NO_SUCH_INDEX: u16 = 713;

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
    fetcher: &Fetcher,
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
    fetcher: &Fetcher,
    service: &Service,
    facts: &mut Map<String, Value>,
) -> Result<(), String> {
    if let Ok(values) = act(fetcher, service, "GetExternalIPAddress", None).await? {
        let address = values.get("NewExternalIPAddress");
        if let Some(address) = address.and_then(|text| text.parse::<IpAddr>().ok()) {
            facts.insert("external_ip_address".to_owned(), address.to_string().into());
        }
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
    fetcher: &Fetcher,
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
    fetcher: &Fetcher,
    service: &Service,
    facts: &mut Map<String, Value>,
) -> Result<(), String> {
    let Ok(values) = act(fetcher, service, "GetFirewallStatus", None).await? else {
        return Ok(());
    };
    let flag = |name: &str| match values.get(name)?.as_str() {
        "0" | "false" => Some(false),
        "1" | "true" => Some(true),
        _ => None,
    };
    // Both or none: what answers one of them only is no such service.
    if let (Some(enabled), Some(allowed)) = (flag("FirewallEnabled"), flag("InboundPinholeAllowed"))
    {
        facts.insert("firewall_enabled".to_owned(), enabled.into());
        facts.insert("inbound_pinhole_allowed".to_owned(), allowed.into());
    }
    Ok(())
}

/// Walks the table to its end. What is mapped stays in the home: only the number is kept.
async fn count_mappings(
    fetcher: &Fetcher,
    service: &Service,
    facts: &mut Map<String, Value>,
) -> Result<(), String> {
    let mut count = 0;
    while count < MAPPING_LIMIT {
        let index = count.to_string();
        let argument = Some(("NewPortMappingIndex", index.as_str()));
        match act(fetcher, service, "GetGenericPortMappingEntry", argument).await? {
            Ok(_) => count += 1,
            Err(SoapError::Fault(NO_SUCH_INDEX)) => break,
            Err(_) => return Ok(()),
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
    fetcher: &Fetcher,
    service: &Service,
    action: &str,
    names: &[(&str, &str, Form)],
    facts: &mut Map<String, Value>,
) -> Result<(), String> {
    let Ok(values) = act(fetcher, service, action, None).await? else {
        return Ok(());
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

/// Calls an action, with one argument at most, and reads the answer. A refusal or a wrong answer of the service only leaves values
/// out; a failure of the network ends the asking.
async fn act(
    fetcher: &Fetcher,
    service: &Service,
    action: &str,
    argument: Option<(&str, &str)>,
) -> Result<Result<SortedMap<String, String>, SoapError>, String> {
    let header = format!("\"{}#{action}\"", service.kind);
    let body = soap::call(service.kind, action, argument);
    let reply = match fetcher.call(&service.control, &header, &body).await {
        Ok(reply) => reply,
        // A service that has no such action may say so in any way.
        Err(FetchError::Status(_)) => return Ok(Err(SoapError::Malformed)),
        Err(error) => return Err(error.to_string()),
    };
    let values = parse_reply(&reply, action);
    if let Err(SoapError::Fault(code)) = values {
        log::debug!(target:% = service.control.address, action, code; "action refused");
    }
    Ok(values)
}
