#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::json;

const CALLER: u32 = 0x0a00_0001;
const OBJECT: u32 = 0xf5d5_7686;
const LISTENER: u32 = 0x7000_0002;
const OTHER: u32 = 0x9000_0003;

fn document(value: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.members(value.as_object().unwrap());
    writer.into_bytes()
}

fn found(seq: u16, object: u32) -> Message {
    let attributes = Attributes {
        object: Some(object),
        ..Attributes::default()
    };
    Message::new(Verb::Data, seq, 0, attributes)
}

fn ended(seq: u16, status: Status) -> Message {
    Message::status(seq, 0, None, status)
}

/// A session whose object and listener are on the bus.
fn ready() -> Session {
    let mut session = Session::new("glimpse", Vec::new(), &["network.interface"]);
    let [object, listener] = &session.start()[..] else {
        panic!("two objects are offered");
    };
    assert_eq!(object.attributes.path.as_deref(), Some("glimpse"));
    assert_eq!(
        (listener.verb, &listener.attributes.path),
        (Verb::AddObject, &None)
    );
    let (object, listener) = (object.seq, listener.seq);
    assert_eq!(session.take(found(object, OBJECT)), (vec![], None));
    let offered = session.take(ended(object, Status::Ok)).1;
    assert_eq!(offered, Some(Happened::Offered));
    session.take(found(listener, LISTENER));
    let (register, _) = session.take(ended(listener, Status::Ok));
    assert_eq!(register[0].attributes.object, Some(EVENTS));
    let data = to_json(register[0].attributes.data.as_deref().unwrap()).unwrap();
    let expected = json!({"object": LISTENER.cast_signed(), "pattern": "network.interface"});
    assert_eq!(data, expected);
    assert_eq!(
        session.take(ended(register[0].seq, Status::Ok)),
        (vec![], None)
    );
    assert!(session.waiting.is_empty());
    session
}

fn called(object: u32, peer: u32) -> Message {
    let mut message = Message::invoke(9, object, "status", document(&json!({})));
    message.peer = peer;
    message.attributes.user = Some("root".to_owned());
    message
}

#[test]
fn calls_of_our_object_are_told_and_answered_in_their_name() {
    let mut session = ready();
    let (send, happened) = session.take(called(OBJECT, CALLER));
    let Some(Happened::Called(call)) = happened else {
        panic!("{happened:?}");
    };
    assert!(send.is_empty());
    assert_eq!(
        (call.method.as_str(), call.user.as_deref()),
        ("status", Some("root"))
    );
    let data = document(&json!({"id": 7}));
    assert_eq!(
        call.answered(Some(data.clone()), Status::Ok),
        [
            Message::data(9, CALLER, OBJECT, data),
            Message::status(9, CALLER, Some(OBJECT), Status::Ok)
        ]
    );
}

#[test]
fn calls_of_what_is_not_ours_are_refused() {
    let mut session = ready();
    let (send, happened) = session.take(called(OTHER, CALLER));
    assert_eq!(
        send,
        [Message::status(9, CALLER, Some(OTHER), Status::NotFound)]
    );
    assert_eq!(happened, None);
    let mut nameless = called(OBJECT, CALLER);
    nameless.attributes.method = None;
    let (send, _) = session.take(nameless);
    assert_eq!(
        send,
        [Message::status(
            9,
            CALLER,
            Some(OBJECT),
            Status::InvalidArgument
        )]
    );
    // Where no answer is wanted there is none.
    let mut quiet = called(OBJECT, CALLER);
    quiet.attributes.no_reply = true;
    assert_eq!(session.take(quiet), (vec![], None));
}

#[test]
fn events_are_told() {
    let mut session = ready();
    let data = json!({"action": "ifup", "interface": "wan"});
    let mut event = Message::invoke(3, LISTENER, "network.interface", document(&data));
    event.peer = 0;
    let name = "network.interface".to_owned();
    assert_eq!(
        session.take(event),
        (vec![], Some(Happened::Event { name, data }))
    );
}

#[test]
fn notifications_are_sent_while_somebody_listens() {
    let mut session = ready();
    let heard = |active| {
        let attributes = Attributes {
            object: Some(OBJECT),
            active: Some(active),
            ..Attributes::default()
        };
        Message::new(Verb::Notify, 1, 0, attributes)
    };
    assert_eq!(session.notify("result", &json!({"id": 1})), None);
    session.take(heard(true));
    let sent = session.notify("result", &json!({"id": 1})).unwrap();
    assert_eq!(
        (sent.verb, sent.peer, sent.attributes.no_reply),
        (Verb::Notify, OBJECT, true)
    );
    session.take(heard(false));
    assert_eq!(session.notify("result", &json!({"id": 1})), None);
}

#[test]
fn a_declined_object_is_offered_again() {
    let mut session = Session::new("glimpse", Vec::new(), &["network.interface"]);
    let first = session.start();
    let declined = session.take(ended(first[0].seq, Status::InvalidArgument)).1;
    assert_eq!(declined, Some(Happened::Declined(Status::InvalidArgument)));
    session.take(found(first[1].seq, LISTENER));
    let register = session.take(ended(first[1].seq, Status::Ok)).0;
    session.take(ended(register[0].seq, Status::PermissionDenied));
    let again = session.start();
    assert_eq!(again.len(), 2);
    assert_eq!(again[0].attributes.path.as_deref(), Some("glimpse"));
    assert_eq!(again[1].attributes.method.as_deref(), Some("register"));
    session.take(ended(again[1].seq, Status::Ok));
    // The object still waits for its answer; there is nothing else to ask for.
    session.take(ended(again[0].seq, Status::InvalidArgument));
    assert_eq!(session.start().len(), 1);
}

type Answer = oneshot::Receiver<Result<Value, CallError>>;

fn call(session: &mut Session) -> (Option<Message>, Answer) {
    let (reply, answer) = oneshot::channel();
    let call = Call {
        path: "system".to_owned(),
        method: "board".to_owned(),
        arguments: Map::new(),
        reply,
    };
    (session.call(call), answer)
}

#[test]
fn a_call_looks_the_object_up_and_takes_its_last_answer() {
    let mut session = ready();
    let (lookup, mut answer) = call(&mut session);
    let lookup = lookup.unwrap();
    assert_eq!(
        (lookup.verb, lookup.attributes.path.as_deref()),
        (Verb::Lookup, Some("system"))
    );
    let (send, _) = session.take(found(lookup.seq, OTHER));
    let [invoke] = &send[..] else {
        panic!("{send:?}");
    };
    assert_eq!(
        (invoke.peer, invoke.attributes.method.as_deref()),
        (OTHER, Some("board"))
    );
    assert_eq!(session.take(ended(lookup.seq, Status::Ok)), (vec![], None));
    for n in [1, 2] {
        session.take(Message::data(
            invoke.seq,
            OTHER,
            OTHER,
            document(&json!({ "n": n })),
        ));
    }
    session.take(ended(invoke.seq, Status::Ok));
    assert_eq!(answer.try_recv().unwrap(), Ok(json!({"n": 2})));
    assert!(session.waiting.is_empty());
}

#[test]
fn a_call_that_fails_says_why() {
    let mut session = ready();
    let (lookup, mut answer) = call(&mut session);
    session.take(ended(lookup.unwrap().seq, Status::Ok));
    assert_eq!(
        answer.try_recv().unwrap(),
        Err(CallError::Refused(Status::NotFound))
    );
    let (lookup, mut answer) = call(&mut session);
    let (send, _) = session.take(found(lookup.unwrap().seq, OTHER));
    session.take(Message::data(send[0].seq, OTHER, OTHER, b"junk".to_vec()));
    session.take(ended(send[0].seq, Status::Ok));
    assert_eq!(answer.try_recv().unwrap(), Err(CallError::Garbled));
}

#[test]
fn calls_under_way_are_bounded_and_those_given_up_make_room() {
    let mut session = ready();
    let mut answers: Vec<Answer> = (0..UNDER_WAY)
        .map(|_| {
            let (lookup, answer) = call(&mut session);
            assert!(lookup.is_some());
            answer
        })
        .collect();
    let (refused, mut answer) = call(&mut session);
    assert_eq!(refused, None);
    assert!(answer.try_recv().is_err());
    answers.pop();
    assert!(call(&mut session).0.is_some());
    assert_eq!(session.waiting.len(), UNDER_WAY);
}
