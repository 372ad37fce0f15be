#![allow(clippy::unwrap_used)]
use super::*;
use glimpse_agent::local::ubus::blob::{Kind, Writer};
use glimpse_agent::local::ubus::message::Method;
use serde_json::{Value, json};

fn document(value: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.members(value.as_object().unwrap());
    writer.into_bytes()
}

struct Scene {
    bus: Bus,
    provider: u32,
    caller: u32,
}

impl Scene {
    fn new(user: &str) -> Self {
        let mut access = Access::default();
        access.permit(json!({"user": "luci", "access": {"hello": {"methods": ["run"]}}}));
        let mut bus = Bus::new(7, access);
        let (provider, hello) = bus.greet(Credentials::of("root"));
        assert_eq!((hello.verb, hello.peer), (Verb::Hello, provider));
        let (caller, _) = bus.greet(Credentials::of(user));
        Self {
            bus,
            provider,
            caller,
        }
    }

    fn offer(&mut self) -> (u32, Vec<Delivery>) {
        let run = Method {
            name: "run".to_owned(),
            arguments: vec![("n".to_owned(), Kind::Int32)],
        };
        let mut sent = self
            .bus
            .take(self.provider, Message::add_object(1, Some("hello"), &[run]));
        let (_, status) = sent.pop().unwrap();
        assert_eq!(status, Message::status(1, 0, None, Status::Ok));
        let (receiver, added) = sent.pop().unwrap();
        assert_eq!(receiver, self.provider);
        (added.attributes.object.unwrap(), sent)
    }

    fn nameless(&mut self) -> u32 {
        let sent = self
            .bus
            .take(self.caller, Message::add_object(1, None, &[]));
        sent[0].1.attributes.object.unwrap()
    }

    fn refused(&mut self, message: Message) -> Status {
        let sent = self.bus.take(self.caller, message);
        let [(_, status)] = &sent[..] else {
            panic!("{sent:?}");
        };
        Status::from_code(status.attributes.status.unwrap())
    }
}

#[test]
fn a_call_goes_to_the_provider_and_its_answer_back() {
    let mut scene = Scene::new("luci");
    let (object, _) = scene.offer();
    let sent = scene.bus.take(scene.caller, Message::lookup(4, "hel*"));
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].1.attributes.object, Some(object));
    let call = Message::invoke(5, object, "run", document(&json!({"n": 21})));
    let sent = scene.bus.take(scene.caller, call.clone());
    let [(receiver, delivered)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (*receiver, delivered.peer, delivered.seq),
        (scene.provider, scene.caller, 5)
    );
    assert_eq!(delivered.attributes.user.as_deref(), Some("luci"));
    assert_eq!(delivered.attributes.data, call.attributes.data);
    for answer in [
        Message::data(5, scene.caller, object, document(&json!({"twice": 42}))),
        Message::status(5, scene.caller, Some(object), Status::Ok),
    ] {
        let sent = scene.bus.take(scene.provider, answer.clone());
        let expected = Message {
            peer: object,
            ..answer.clone()
        };
        assert_eq!(sent, [(scene.caller, expected)]);
        // Not in another's name.
        assert_eq!(scene.bus.take(scene.caller, answer), []);
    }
}

#[test]
fn what_is_not_permitted_is_refused() {
    let mut scene = Scene::new("luci");
    let (object, _) = scene.offer();
    assert_eq!(
        scene.refused(Message::invoke(1, object, "stop", Vec::new())),
        Status::PermissionDenied
    );
    assert_eq!(
        scene.refused(Message::invoke(1, 99_999, "run", Vec::new())),
        Status::NotFound
    );
    assert_eq!(scene.refused(Message::lookup(1, "hallo")), Status::NotFound);
    assert_eq!(
        scene.refused(Message::add_object(1, Some("mine"), &[])),
        Status::InvalidArgument
    );
    let register = document(&json!({"object": object.cast_signed(), "pattern": "*"}));
    assert_eq!(
        scene.refused(Message::invoke(1, EVENTS, "register", register)),
        Status::PermissionDenied
    );
    let mut nobody = Scene::new("nobody");
    nobody.offer();
    // Objects without a method that one may call are not seen.
    assert_eq!(
        nobody
            .bus
            .take(nobody.caller, Message::lookup(1, "hello"))
            .len(),
        1
    );
}

#[test]
fn notifications_reach_who_wants_them_until_the_object_is_gone() {
    let mut scene = Scene::new("root");
    let (object, _) = scene.offer();
    let listener = scene.nameless();
    let attributes = Attributes {
        object: Some(listener),
        target: Some(object),
        ..Attributes::default()
    };
    let subscribe = Message::new(Verb::Subscribe, 2, 0, attributes);
    let sent = scene.bus.take(scene.caller, subscribe);
    assert_eq!(
        (sent[0].0, sent[0].1.attributes.active),
        (scene.provider, Some(true))
    );
    let notice = Message::notify(3, object, "result", document(&json!({"id": 1})));
    let sent = scene.bus.take(scene.provider, notice.clone());
    let [(receiver, delivered)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(*receiver, scene.caller);
    assert_eq!(
        (delivered.verb, delivered.attributes.no_reply),
        (Verb::Invoke, true)
    );
    assert_eq!(delivered.attributes.object, Some(listener));
    assert_eq!(delivered.attributes.method.as_deref(), Some("result"));
    // Only the owner notifies.
    assert_eq!(scene.refused(notice), Status::PermissionDenied);
    let sent = scene.bus.part(scene.provider);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (sent[0].0, sent[0].1.verb),
        (scene.caller, Verb::Unsubscribe)
    );
    assert_eq!(sent[0].1.attributes.target, Some(object));
}

#[test]
fn events_reach_each_listener_once() {
    let mut scene = Scene::new("root");
    let listener = scene.nameless();
    for pattern in ["ubus.*", "ubus.object.*", "net"] {
        let data = document(&json!({"object": listener.cast_signed(), "pattern": pattern}));
        assert_eq!(
            scene.refused(Message::invoke(1, EVENTS, "register", data)),
            Status::Ok
        );
    }
    let (object, sent) = scene.offer();
    let [(receiver, event)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((*receiver, event.peer), (scene.caller, 0));
    assert_eq!(event.attributes.method.as_deref(), Some("ubus.object.add"));
    let data = to_json(event.attributes.data.as_deref().unwrap()).unwrap();
    assert_eq!(data, json!({"id": object.cast_signed(), "path": "hello"}));
    let send = |scene: &mut Scene, client, event| {
        let data = document(&json!({"id": event, "data": {"a": 1}}));
        scene
            .bus
            .take(client, Message::invoke(9, EVENTS, "send", data))
    };
    let provider = scene.provider;
    assert_eq!(send(&mut scene, provider, "net").len(), 2);
    assert_eq!(send(&mut scene, provider, "network").len(), 1);
    // Not one's own.
    let caller = scene.caller;
    assert_eq!(send(&mut scene, caller, "net").len(), 1);
    assert_eq!(
        send(&mut scene, caller, "ubus.object.add")[0]
            .1
            .attributes
            .status,
        Some(6)
    );
}
