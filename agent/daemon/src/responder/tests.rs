#![allow(clippy::unwrap_used)]
use super::*;
use glimpse_probe::peer::frame::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

struct Bench {
    settings: watch::Sender<Settings>,
    membership: watch::Sender<Membership>,
    key: watch::Sender<Option<[u8; 32]>>,
    told: mpsc::Receiver<Told>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Bench {
    async fn new() -> Self {
        let free = TcpListener::bind("[::]:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut all = Settings::default();
        all.consent.enabled = true;
        all.responder.enabled = true;
        all.responder.port = port;
        let (settings, settings_rx) = watch::channel(all);
        let (membership, membership_rx) = watch::channel(Membership {
            agent: Some("two".to_owned()),
            ..Membership::default()
        });
        let (key, key_rx) = watch::channel(None);
        let (told_tx, told) = mpsc::channel(8);
        let sources = Sources {
            settings: settings_rx,
            membership: membership_rx,
            key: key_rx,
            memory: Memory::default(),
        };
        Self {
            settings,
            membership,
            key,
            told,
            port,
            task: tokio::spawn(follow(sources, told_tx)),
        }
    }

    /// Whether somebody listens, within a second.
    async fn listens(&self, wanted: bool) -> bool {
        for _ in 0..100 {
            let there = TcpStream::connect(("127.0.0.1", self.port)).await.is_ok();
            if there == wanted {
                return there;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        !wanted
    }
}

#[tokio::test]
async fn it_listens_only_while_all_conditions_hold() {
    let mut bench = Bench::new().await;
    assert!(!bench.listens(false).await, "there is no key");
    bench.key.send_replace(Some([1; 32]));
    assert!(bench.listens(true).await);
    bench
        .settings
        .send_modify(|all| all.consent.enabled = false);
    assert!(!bench.listens(false).await, "consent was withdrawn");
    assert!(matches!(bench.told.recv().await, Some(Told::Stopped)));
    bench.settings.send_modify(|all| all.consent.enabled = true);
    assert!(bench.listens(true).await);
    bench.membership.send_modify(|member| member.agent = None);
    assert!(!bench.listens(false).await, "it has no name");
    bench
        .membership
        .send_modify(|member| member.agent = Some("two".to_owned()));
    assert!(bench.listens(true).await);
    bench
        .settings
        .send_modify(|all| all.responder.enabled = false);
    assert!(
        !bench.listens(false).await,
        "the household has switched it off"
    );
    bench.task.abort();
}

#[tokio::test]
async fn glimpse_check_41_who_has_no_token_hears_nothing() {
    let bench = Bench::new().await;
    bench.key.send_replace(Some([1; 32]));
    assert!(bench.listens(true).await);
    let mut stream = TcpStream::connect(("127.0.0.1", bench.port)).await.unwrap();
    let frame = Frame::Refused {
        reason: "hello".to_owned(),
    };
    stream.write_all(&frame.encode()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
    bench.task.abort();
}
