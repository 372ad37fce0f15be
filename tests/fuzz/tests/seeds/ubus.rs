//! The system bus: exchanges as they were captured, and the services of a router.

use crate::Seed;
use glimpse_agent::local::ubus::blob::Writer;
use glimpse_agent::local::ubus::message::{Attributes, Message, Status, Verb};
use serde_json::{Value, json};

/// What stands in the files of the router that the tests play.
const ROUTER: [(&str, &str); 4] = [
    (
        "interfaces",
        include_str!("../../../data/ubus/network.interface.json"),
    ),
    (
        "device",
        include_str!("../../../data/ubus/network.device.json"),
    ),
    ("wifi", include_str!("../../../data/ubus/iwinfo.json")),
    ("machine", include_str!("../../../data/ubus/system.json")),
];

const OBJECT: u32 = 0xf5d5_7686;
const LISTENER: u32 = 0x7000_0002;
const OTHER: u32 = 0x9000_0003;
const CALLER: u32 = 0xa494_7983;

fn document(value: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    if let Some(members) = value.as_object() {
        writer.members(members);
    }
    writer.into_bytes()
}

fn found(seq: u16, object: u32) -> Message {
    let attributes = Attributes {
        object: Some(object),
        ..Attributes::default()
    };
    Message::new(Verb::Data, seq, 0, attributes)
}

fn ended(seq: u16) -> Message {
    Message::status(seq, 0, None, Status::Ok)
}

/// The bus takes object and listener, and finds what is asked for.
fn begun() -> Vec<Message> {
    vec![
        found(1, OBJECT),
        ended(1),
        found(2, LISTENER),
        ended(2),
        found(3, OTHER),
        ended(3),
        ended(4),
    ]
}

fn called(method: &str, user: &str, arguments: &Value) -> Message {
    let mut message = Message::invoke(9, OBJECT, method, document(arguments));
    message.peer = CALLER;
    message.attributes.user = Some(user.to_owned());
    message.attributes.group = Some(user.to_owned());
    message
}

fn stream(messages: impl IntoIterator<Item = Message>) -> Vec<u8> {
    let messages = messages.into_iter();
    messages
        .flat_map(|message| message.encode().unwrap())
        .collect()
}

pub(crate) fn seeds() -> Vec<Seed> {
    let run = json!({"method": "ping", "options": {"target": "192.0.2.1", "count": 3}});
    let wrong = json!({"limit": "20", "own": 1});
    let event = json!({"action": "ifup", "interface": "wan"});
    let mut ifup = Message::invoke(3, LISTENER, "network.interface", document(&event));
    ifup.peer = 0;
    let mut seeds = vec![
        ("ubus_message", "begun", stream(begun())),
        (
            "ubus_message",
            "run",
            stream(begun().into_iter().chain([called("run", "root", &run)])),
        ),
        (
            "ubus_message",
            "wrong",
            stream(
                begun()
                    .into_iter()
                    .chain([called("results", "root", &wrong)]),
            ),
        ),
        (
            "ubus_message",
            "erase",
            stream(begun().into_iter().chain([called(
                "erase",
                "nobody",
                &json!({"confirm": "erase"}),
            )])),
        ),
        (
            "ubus_message",
            "event",
            stream(begun().into_iter().chain([ifup])),
        ),
        (
            "ubus_message",
            "answer",
            stream(begun().into_iter().chain([
                Message::data(5, OTHER, OTHER, document(&json!({"model": "X1"}))),
                Message::status(5, OTHER, Some(OTHER), Status::Ok),
            ])),
        ),
        (
            "ubus_message",
            "long",
            b"\0\x05\0\x01\0\0\0\0\0\xff\xff\xff".to_vec(),
        ),
    ];
    for (name, text) in ROUTER {
        let object: Value = serde_json::from_str(text).unwrap();
        let methods = object["methods"].as_object().unwrap();
        let answers = methods
            .values()
            .flat_map(|method| method["answers"].as_array().unwrap());
        let longest = answers
            .map(|answer| &answer["answer"])
            .max_by_key(|answer| answer.to_string().len());
        let answer = longest.unwrap();
        seeds.push(("ubus_facts", name, document(answer)));
        if name == "interfaces" {
            seeds.push((
                "ubus_facts",
                "interfaces.json",
                answer.to_string().into_bytes(),
            ));
        }
    }
    seeds
}
