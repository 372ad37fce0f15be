//! The system bus: what it sends, and what the services of the router answer there.

use glimpse_agent::local::ubus::blob::{Writer, to_json};
use glimpse_agent::local::ubus::facts::{Board, Device, Radio, Station, Wan};
use glimpse_agent::local::ubus::message::{HEADER, Header, Message, signature};
use glimpse_agent::local::ubus::object::{self, Decision};
use glimpse_agent::local::ubus::session::{Happened, Session};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

/// Most messages that one message of the bus may cause.
const CAUSED: usize = 2;

/// What the bus sends over one connection, from the greeting on. What is read is written and read alike; nobody gets more
/// messages out of the agent than that.
pub fn message(bytes: &[u8]) {
    let mut session = Session::new(object::PATH, object::methods(), &["network.interface"]);
    let _ = session.start();
    let (reply, _answer) = oneshot::channel();
    let call = glimpse_agent::local::ubus::session::Call {
        path: "system".to_owned(),
        method: "board".to_owned(),
        arguments: Map::new(),
        reply,
    };
    let _ = session.call(call);
    let mut rest = bytes;
    while let Some((head, after)) = rest.split_first_chunk::<HEADER>() {
        let Ok(header) = Header::parse(head) else {
            return;
        };
        let Some((body, after)) = after.split_at_checked(header.length) else {
            return;
        };
        rest = after;
        if let Ok(message) = Message::parse(&header, body) {
            again(&message);
            let (send, happened) = session.take(message);
            assert!(send.len() <= CAUSED);
            for message in &send {
                assert!(message.encode().is_ok());
            }
            if let Some(Happened::Called(called)) = happened {
                answered(&called.method, &called.data, called.user.as_deref());
            }
        }
    }
}

fn again(message: &Message) {
    // One that was as long as can be may become longer: what is no UTF-8 is mended.
    let Ok(written) = message.encode() else {
        return;
    };
    let read = written.split_first_chunk().map(|(head, body)| {
        let header = Header::parse(head)?;
        Message::parse(&header, body)
    });
    assert_eq!(read, Some(Ok(message.clone())));
    if let Some(data) = &message.attributes.data {
        document(data);
    }
    if let Some(methods) = &message.attributes.signature {
        let _ = signature(methods);
    }
}

/// A document; what is read is written and read alike.
fn document(bytes: &[u8]) -> Option<Value> {
    let Ok(Value::Object(members)) = to_json(bytes) else {
        return None;
    };
    let mut writer = Writer::default();
    writer.members(&members);
    let read = Value::Object(members);
    assert_eq!(to_json(&writer.into_bytes()).as_ref(), Ok(&read));
    Some(read)
}

fn answered(method: &str, data: &[u8], user: Option<&str>) {
    match object::read(method, data, user) {
        Decision::Ask(request) => {
            assert!(!request.is_of_owner() || user == Some("root"));
            assert!(object::answer(&request.to_json()).len() <= object::MAX_ANSWER);
        }
        Decision::Refuse(said) | Decision::Fail(_, said) => {
            assert!(object::refusal(&said).len() <= object::MAX_ANSWER);
        }
    }
}

/// An answer of netifd, procd or iwinfo, as a document of the bus or as JSON.
pub fn facts(bytes: &[u8]) {
    let Some(answer) = serde_json::from_slice(bytes)
        .ok()
        .or_else(|| document(bytes))
    else {
        return;
    };
    if let Some(wan) = Wan::read(&answer, Some("wan")) {
        assert!(wan.addresses.len() <= 8 && wan.servers.len() <= 8 && wan.gateways.len() <= 2);
        for name in [&wan.device, &wan.l3_device].into_iter().flatten() {
            assert!(name.len() < 16 && !name.contains('/'));
        }
        assert!(!wan.interface.chars().any(char::is_control));
    }
    let device = Device::read(&answer);
    assert!(device.parent.is_none_or(|parent| !parent.contains('/')));
    let _ = Board::read(&answer);
    assert!(
        Radio::read(&answer)
            .quality_percent
            .is_none_or(|quality| quality <= 100)
    );
    let station = Station::read(&answer, "02:00:5e:20:00:01").unwrap_or_default();
    assert!(station.signal_dbm.is_none_or(|signal| signal < 0));
}
