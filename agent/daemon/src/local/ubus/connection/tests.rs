#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::json;
use std::path::Path;
use tokio::net::UnixListener;

/// The bus, played by hand.
struct Played {
    listener: UnixListener,
    _dir: tempfile::TempDir,
}

struct Talk {
    stream: UnixStream,
}

impl Talk {
    async fn say(&mut self, message: &Message) {
        self.stream
            .write_all(&message.encode().unwrap())
            .await
            .unwrap();
    }

    async fn hear(&mut self) -> Message {
        timeout(PATIENCE, receive(&mut self.stream))
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }
}

impl Played {
    fn new() -> (Self, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ubus.sock");
        let listener = UnixListener::bind(&path).unwrap();
        (
            Self {
                listener,
                _dir: dir,
            },
            path,
        )
    }

    /// Greets, and takes the object and the listener.
    async fn greet(&self, object: u32) -> Talk {
        let (stream, _) = timeout(PATIENCE, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        let mut talk = Talk { stream };
        talk.say(&Message::new(
            Verb::Hello,
            0,
            5000,
            super::super::message::Attributes::default(),
        ))
        .await;
        for id in [object, object + 1] {
            let offered = talk.hear().await;
            assert_eq!(offered.verb, Verb::AddObject);
            let mut answer = Message::data(offered.seq, 0, id, Vec::new());
            answer.attributes.data = None;
            talk.say(&answer).await;
            talk.say(&Message::status(offered.seq, 0, None, Status::Ok))
                .await;
        }
        assert_eq!(
            talk.hear().await.attributes.method.as_deref(),
            Some("register")
        );
        talk
    }
}

fn keep_at(path: &Path) -> (Bus, mpsc::Receiver<crate::local::service::Asked>, Service) {
    let (service, asked) = Service::new();
    let (bus, calls) = Bus::new();
    let (changes, _) = broadcast::channel(8);
    tokio::spawn(keep(vec![path.to_owned()], service.clone(), calls, changes));
    (bus, asked, service)
}

fn status_call(object: u32, peer: u32) -> Message {
    let mut message = Message::invoke(1, object, "status", Vec::new());
    message.peer = peer;
    message
}

#[tokio::test]
async fn a_slow_answer_does_not_keep_others_waiting() {
    let (played, path) = Played::new();
    let (_bus, mut asked, _service) = keep_at(&path);
    let mut talk = played.greet(9000).await;
    talk.say(&status_call(9000, 6001)).await;
    talk.say(&status_call(9000, 6002)).await;
    let (_, first) = asked.recv().await.unwrap();
    let (_, second) = asked.recv().await.unwrap();
    second.send(json!({"n": 2})).unwrap();
    assert_eq!(
        (talk.hear().await.peer, talk.hear().await.peer),
        (6002, 6002)
    );
    first.send(json!({"n": 1})).unwrap();
    assert_eq!(
        (talk.hear().await.peer, talk.hear().await.verb),
        (6001, Verb::Status)
    );
}

#[tokio::test]
async fn too_many_calls_are_refused() {
    let (played, path) = Played::new();
    let (_bus, mut asked, _service) = keep_at(&path);
    let mut talk = played.greet(9000).await;
    for _ in 0..=CALLS {
        talk.say(&status_call(9000, 6001)).await;
    }
    let data = talk.hear().await.attributes.data.unwrap();
    let said = super::super::blob::to_json(&data).unwrap();
    assert!(
        said["error"]
            .as_str()
            .unwrap()
            .starts_with("too many questions")
    );
    assert!(asked.recv().await.is_some());
}

#[tokio::test]
async fn messages_that_are_not_understood_do_no_harm() {
    let (played, path) = Played::new();
    let (_bus, mut asked, _service) = keep_at(&path);
    let mut talk = played.greet(9000).await;
    // Of an unknown kind; with an attribute that does not end; a status without anything.
    talk.stream
        .write_all(b"\0\x63\0\x01\0\0\0\0\0\0\0\x08abcd")
        .await
        .unwrap();
    talk.stream
        .write_all(b"\0\x05\0\x01\0\0\0\0\0\0\0\x08\x03\0\xff\xff")
        .await
        .unwrap();
    talk.stream
        .write_all(b"\0\x01\0\x01\0\0\0\0\0\0\0\x04")
        .await
        .unwrap();
    talk.say(&status_call(9000, 6001)).await;
    assert!(asked.recv().await.is_some());
}

#[tokio::test]
async fn when_the_bus_comes_back_the_object_does_too() {
    let (played, path) = Played::new();
    let (bus, mut asked, _service) = keep_at(&path);
    let talk = played.greet(9000).await;
    let call = tokio::spawn(async move { bus.call("system", "board", Map::new()).await });
    let mut talk = talk;
    assert_eq!(talk.hear().await.verb, Verb::Lookup);
    drop(talk);
    // Who was waiting is told.
    assert_eq!(call.await.unwrap(), Err(CallError::NoBus));
    let mut talk = played.greet(7000).await;
    talk.say(&status_call(7000, 6001)).await;
    assert!(asked.recv().await.is_some());
}

#[tokio::test]
async fn without_a_bus_a_call_fails_at_once() {
    let (bus, _asked, _service) = keep_at(Path::new("/nonexistent/ubus.sock"));
    let answer = timeout(
        Duration::from_secs(2),
        bus.call("system", "board", Map::new()),
    )
    .await;
    assert_eq!(answer.unwrap(), Err(CallError::NoBus));
}
