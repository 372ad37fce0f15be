//! What a device says about itself: its description document (`UPnP` Device Architecture 1.1 §2.3).

use roxmltree::{Document, Node, ParsingOptions};

/// Longest description that is read, in bytes.
pub const DESCRIPTION_LIMIT: usize = 256 * 1024;
/// Elements, attributes and texts of a description at most: bounds the memory of its tree.
const NODE_LIMIT: u32 = 10_000;
/// Services that are looked at.
const SERVICE_LIMIT: usize = 64;
/// Characters that are kept of a text.
const TEXT_LIMIT: usize = 128;
/// Bytes that are kept of a URL.
const URL_LIMIT: usize = 512;

/// A service of a device or of one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Such as `urn:schemas-upnp-org:service:WANIPConnection:1`.
    pub kind: String,
    /// Where its actions are called, as written.
    pub control_url: String,
}

/// A description. Texts are as the device wrote them, without control characters, cut at 128 characters; empty where
/// it wrote none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// `deviceType`.
    pub device_type: String,
    /// `friendlyName`.
    pub friendly_name: String,
    /// `manufacturer`.
    pub manufacturer: String,
    /// `modelName`.
    pub model_name: String,
    /// `modelNumber`.
    pub model_number: String,
    /// `modelDescription`.
    pub model_description: String,
    /// `serialNumber`: identifies a household, never to be sent as it is.
    pub serial_number: String,
    /// `UDN`: identifies a household, never to be sent as it is.
    pub unique_name: String,
    /// `URLBase` of version 1.0, as written.
    pub url_base: String,
    /// The services of the device and of those inside it.
    pub services: Vec<Service>,
}

/// Why a document is no description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// Not UTF-8.
    #[error("the description is no utf-8 text")]
    NoText,
    /// No well-formed XML, one with a document type (which could define entities), or one with more than 10 000 nodes.
    #[error("the description is not acceptable: {0}")]
    Xml(String),
    /// XML of something else.
    #[error("the description holds no device")]
    NoDevice,
}

/// Reads a description of at most [`DESCRIPTION_LIMIT`] bytes; the caller keeps to that.
pub fn parse_description(bytes: &[u8]) -> Result<Description, DescriptionError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DescriptionError::NoText)?;
    let tree = tree(text, NODE_LIMIT).map_err(DescriptionError::Xml)?;
    let root = tree.root_element();
    let device = child(root, "device").ok_or(DescriptionError::NoDevice)?;
    let field = |name: &str| plain(child(device, name), TEXT_LIMIT);
    let services = device
        .descendants()
        .filter(|node| is(*node, "service"))
        .take(SERVICE_LIMIT)
        .map(|node| Service {
            kind: plain(child(node, "serviceType"), URL_LIMIT),
            control_url: plain(child(node, "controlURL"), URL_LIMIT),
        })
        .collect();
    Ok(Description {
        device_type: field("deviceType"),
        friendly_name: field("friendlyName"),
        manufacturer: field("manufacturer"),
        model_name: field("modelName"),
        model_number: field("modelNumber"),
        model_description: field("modelDescription"),
        serial_number: field("serialNumber"),
        unique_name: field("UDN"),
        url_base: plain(child(root, "URLBase"), URL_LIMIT),
        services,
    })
}

/// The tree of a document without a document type; an error in words.
pub(super) fn tree(text: &str, nodes: u32) -> Result<Document<'_>, String> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: nodes,
        ..ParsingOptions::default()
    };
    // Some devices end their documents with zeros.
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    Document::parse_with_options(text, options).map_err(|error| error.to_string())
}

/// The first child element of that local name.
pub(super) fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| is(*child, name))
}

/// Whether the node is an element of that local name; devices differ in namespaces.
pub(super) fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

/// The text of a node, trimmed, without control characters, of at most `limit` characters.
pub(super) fn plain(node: Option<Node<'_, '_>>, limit: usize) -> String {
    let text = node.and_then(|node| node.text()).unwrap_or_default();
    text.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(limit)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    const GATEWAY: &str = include_str!("../../../tests/data/upnp/gateway.xml");

    #[test]
    fn a_gateway_is_read_down_to_its_inner_services() {
        let found = parse_description(GATEWAY.as_bytes()).unwrap();
        assert_eq!(
            found.device_type,
            "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
        );
        assert_eq!(found.friendly_name, "Router & Co");
        assert_eq!(found.manufacturer, "OpenWrt");
        assert_eq!(found.serial_number, "SN-0815-4711");
        assert_eq!(
            found.unique_name,
            "uuid:0b2f4c5e-7c1d-4f6a-9f43-3f1f0d6a4c21"
        );
        let kinds: Vec<&str> = found
            .services
            .iter()
            .map(|service| service.kind.as_str())
            .collect();
        assert_eq!(
            kinds,
            [
                "urn:schemas-upnp-org:service:Layer3Forwarding:1",
                "urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1",
                "urn:schemas-upnp-org:service:WANIPConnection:1",
                "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1",
            ]
        );
        assert_eq!(found.services[2].control_url, "/ctl/IPConn");
    }

    #[test]
    fn entities_are_never_expanded() {
        let bomb = "<?xml version=\"1.0\"?><!DOCTYPE root [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]>\
             <root><device><friendlyName>&b;</friendlyName></device></root>";
        let refused = parse_description(bomb.as_bytes()).unwrap_err();
        assert!(refused.to_string().contains("DTD"), "{refused}");
        let external = "<!DOCTYPE r SYSTEM \"file:///etc/passwd\"><root><device/></root>";
        assert!(matches!(
            parse_description(external.as_bytes()),
            Err(DescriptionError::Xml(_))
        ));
        let undeclared = "<root><device><UDN>&x;</UDN></device></root>";
        assert!(matches!(
            parse_description(undeclared.as_bytes()),
            Err(DescriptionError::Xml(_))
        ));
    }

    #[test]
    fn too_many_nodes_and_too_deep_ones_end() {
        let wide = format!("<root><device>{}</device></root>", "<a/>".repeat(20_000));
        assert!(matches!(
            parse_description(wide.as_bytes()),
            Err(DescriptionError::Xml(_))
        ));
        let deep = "<a>".repeat(DESCRIPTION_LIMIT / 3);
        assert!(matches!(
            parse_description(deep.as_bytes()),
            Err(DescriptionError::Xml(_))
        ));
        let closed = format!(
            "<root><device>{}{}</device></root>",
            "<a>".repeat(9000),
            "</a>".repeat(9000)
        );
        assert_eq!(
            parse_description(closed.as_bytes()),
            Ok(Description::default())
        );
    }

    #[test]
    fn what_is_no_description_is_told() {
        assert_eq!(
            parse_description(&[0xff, 0xfe]),
            Err(DescriptionError::NoText)
        );
        assert_eq!(
            parse_description(b"<html><body/></html>"),
            Err(DescriptionError::NoDevice)
        );
        assert!(matches!(
            parse_description(b""),
            Err(DescriptionError::Xml(_))
        ));
        let long = format!(
            "<root><device><UDN>{}</UDN></device></root>\n\0",
            "\u{e4}".repeat(500)
        );
        assert_eq!(
            parse_description(long.as_bytes())
                .unwrap()
                .unique_name
                .chars()
                .count(),
            TEXT_LIMIT
        );
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_description(&bytes);
        }

        #[test]
        fn a_damaged_description_is_read_or_refused(place in 0..GATEWAY.len(), bytes in proptest::collection::vec(any::<u8>(), 0..4)) {
            let mut text = GATEWAY.as_bytes().to_vec();
            let end = (place + bytes.len()).min(text.len());
            text.splice(place..end, bytes);
            let _ = parse_description(&text);
        }
    }
}
