//! Calls of a service's actions and their answers (`UPnP` Device Architecture 1.1 §3.2).

use glimpse_model::sorted::SortedMap;

use roxmltree::Document;

use super::description::{child, is, plain, tree};

/// Longest answer that is read, in bytes.
pub(super) const REPLY_LIMIT: usize = 16 * 1024;
/// Nodes of an answer at most.
const NODE_LIMIT: u32 = 512;
/// Characters that are kept of a value.
const VALUE_LIMIT: usize = 128;

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SoapError {
    /// No acceptable XML, or XML of something else.
    #[error("the answer is not acceptable")]
    Malformed,
    /// The service refused (`UPnP` error code), such as 401 for an action that it does not have.
    #[error("upnp error {0}")]
    Fault(u16),
}

/// A call of `action`, with one argument (name and value) at most, of the service of type `service`. All are words of ours.
pub(super) fn call(service: &str, action: &str, argument: Option<(&str, &str)>) -> String {
    let argument = argument.map_or_else(String::new, |(name, value)| {
        format!("<{name}>{value}</{name}>")
    });
    format!(
        "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:{action} xmlns:u=\"{service}\">{argument}\
         </u:{action}></s:Body></s:Envelope>\r\n"
    )
}

/// Reads the answer to `action`: its values by name, of at most 128 characters each.
pub fn parse_reply(bytes: &[u8], action: &str) -> Result<SortedMap<String, String>, SoapError> {
    let tree = acceptable(bytes)?;
    let body = child(tree.root_element(), "Body").ok_or(SoapError::Malformed)?;
    if let Some(answer) = child(body, &format!("{action}Response")) {
        return Ok(answer
            .children()
            .filter(roxmltree::Node::is_element)
            .map(|value| {
                let name = value.tag_name().name().to_owned();
                (name, plain(Some(value), VALUE_LIMIT))
            })
            .collect());
    }
    let code = body
        .descendants()
        .find(|node| is(*node, "errorCode"))
        .and_then(|node| plain(Some(node), 5).parse().ok());
    Err(code.map_or(SoapError::Malformed, SoapError::Fault))
}

/// The answer, if it is short, UTF-8, well-formed and without a document type.
fn acceptable(bytes: &[u8]) -> Result<Document<'_>, SoapError> {
    if bytes.len() > REPLY_LIMIT {
        return Err(SoapError::Malformed);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| SoapError::Malformed)?;
    tree(text, NODE_LIMIT).map_err(|_| SoapError::Malformed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    const REPLY: &str = "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <u:GetStatusInfoResponse xmlns:u=\"urn:x\"><NewConnectionStatus>Connected</NewConnectionStatus>\
         <NewLastConnectionError>ERROR_NONE</NewLastConnectionError><NewUptime>42</NewUptime></u:GetStatusInfoResponse></s:Body></s:Envelope>";
    const FAULT: &str = "<s:Envelope xmlns:s=\"e\"><s:Body><s:Fault><faultcode>s:Client</faultcode><detail><UPnPError xmlns=\"c\">\
         <errorCode>401</errorCode><errorDescription>Invalid Action</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>";

    #[test]
    fn values_are_read_by_name() {
        let values = parse_reply(REPLY.as_bytes(), "GetStatusInfo").unwrap();
        assert_eq!(values["NewConnectionStatus"], "Connected");
        assert_eq!(values["NewUptime"], "42");
        assert_eq!(values.len(), 3);
    }

    #[test]
    fn refusals_and_other_answers_are_told_apart() {
        assert_eq!(
            parse_reply(FAULT.as_bytes(), "GetStatusInfo"),
            Err(SoapError::Fault(401))
        );
        assert_eq!(
            parse_reply(REPLY.as_bytes(), "GetExternalIPAddress"),
            Err(SoapError::Malformed)
        );
        assert_eq!(
            parse_reply(b"<html/>", "GetStatusInfo"),
            Err(SoapError::Malformed)
        );
        let beyond = FAULT.replace("401", "65536");
        assert_eq!(
            parse_reply(beyond.as_bytes(), "GetStatusInfo"),
            Err(SoapError::Malformed)
        );
    }

    #[test]
    fn what_could_blow_up_is_not_acceptable() {
        assert!(acceptable(REPLY.as_bytes()).is_ok());
        let typed = format!(
            "<!DOCTYPE x [<!ENTITY a \"b\">]>{}",
            REPLY.split_once("?>").unwrap().1
        );
        for hostile in [
            typed,
            "<a>".repeat(3000),
            format!("<a>{}</a>", "<b/>".repeat(600)),
            " ".repeat(REPLY_LIMIT + 1),
        ] {
            assert!(acceptable(hostile.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_call_is_itself_acceptable() {
        let kind = "urn:schemas-upnp-org:service:WANIPConnection:1";
        for argument in [None, Some(("NewPortMappingIndex", "7"))] {
            let text = call(kind, "GetGenericPortMappingEntry", argument);
            let tree = acceptable(text.as_bytes()).unwrap();
            let body = child(tree.root_element(), "Body").unwrap();
            let action = child(body, "GetGenericPortMappingEntry").unwrap();
            let index = child(action, "NewPortMappingIndex");
            assert_eq!(
                index.and_then(|node| node.text()),
                argument.map(|(_, value)| value)
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_parser(place in 0..REPLY.len(), bytes in proptest::collection::vec(any::<u8>(), 0..9)) {
            let _ = parse_reply(&bytes, "GetStatusInfo");
            let mut text = REPLY.as_bytes().to_vec();
            let end = (place + bytes.len()).min(text.len());
            text.splice(place..end, bytes);
            if let Ok(values) = parse_reply(&text, "GetStatusInfo") {
                prop_assert!(values.values().all(|value| value.chars().count() <= VALUE_LIMIT));
            }
        }
    }
}
