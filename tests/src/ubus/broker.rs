//! The bus behind sockets.

use super::access::{Access, Credentials};
use super::bus::Bus;
use glimpse_agent::local::ubus::message::{HEADER, Header, Message};
use nix::unistd::{Gid, Group, Uid, User};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

/// A socket, and as whom its clients count; `None`: as who they are.
#[derive(Debug, Clone)]
pub struct Door {
    /// Where it is.
    pub path: PathBuf,
    /// As whom its clients count.
    pub user: Option<String>,
}

/// A running broker; it ends when this is dropped, as if the bus had crashed.
#[derive(Debug)]
pub struct Broker {
    tasks: JoinSet<()>,
    doors: Vec<Door>,
}

enum Event {
    Came(UnixStream, Credentials),
    Sent(u32, Message),
    Went(u32),
}

impl Broker {
    /// Opens `doors`; ids follow from `seed`.
    ///
    /// # Errors
    /// When a socket cannot be made.
    pub fn start(doors: Vec<Door>, access: Access, seed: u64) -> io::Result<Self> {
        let (events, inbox) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for door in &doors {
            match std::fs::remove_file(&door.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&door.path)?;
            tasks.spawn(accept(listener, door.user.clone(), events.clone()));
        }
        tasks.spawn(serve(Bus::new(seed, access), inbox, events));
        Ok(Self { tasks, doors })
    }

    /// A broker with one socket.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn at(path: &Path, seed: u64) -> io::Result<Self> {
        let door = Door {
            path: path.to_owned(),
            user: None,
        };
        Self::start(vec![door], Access::default(), seed)
    }

    /// Ends it, and every connection to it.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        for door in &self.doors {
            // Whoever comes next makes it anew.
            let _ = std::fs::remove_file(&door.path);
        }
    }
}

async fn accept(listener: UnixListener, user: Option<String>, events: UnboundedSender<Event>) {
    while let Ok((stream, _)) = listener.accept().await {
        let who = match &user {
            Some(user) => Credentials::of(user),
            None => match credentials(&stream) {
                Ok(who) => who,
                Err(_) => continue,
            },
        };
        if events.send(Event::Came(stream, who)).is_err() {
            return;
        }
    }
}

fn credentials(stream: &UnixStream) -> io::Result<Credentials> {
    let peer = stream.peer_cred()?;
    let user = User::from_uid(Uid::from_raw(peer.uid()))?.map(|user| user.name);
    let group = Group::from_gid(Gid::from_raw(peer.gid()))?.map(|group| group.name);
    Ok(Credentials {
        user: user.unwrap_or_else(|| peer.uid().to_string()),
        group: group.unwrap_or_else(|| peer.gid().to_string()),
    })
}

async fn serve(mut bus: Bus, mut inbox: UnboundedReceiver<Event>, events: UnboundedSender<Event>) {
    let mut writers = HashMap::new();
    let mut tasks = JoinSet::new();
    while let Some(event) = inbox.recv().await {
        let sent = match event {
            Event::Came(stream, who) => {
                let (id, hello) = bus.greet(who);
                let (reader, writer) = stream.into_split();
                let (outbox, letters) = mpsc::unbounded_channel();
                writers.insert(id, outbox);
                tasks.spawn(write(writer, letters));
                tasks.spawn(read(reader, id, events.clone()));
                vec![(id, hello)]
            }
            Event::Sent(client, message) => bus.take(client, message),
            Event::Went(client) => {
                writers.remove(&client);
                bus.part(client)
            }
        };
        for (client, message) in sent {
            let writer: Option<&UnboundedSender<Message>> = writers.get(&client);
            if let Some(writer) = writer {
                // One that does not read any more is gone soon.
                let _ = writer.send(message);
            }
        }
        while tasks.try_join_next().is_some() {}
    }
}

async fn write(mut writer: OwnedWriteHalf, mut letters: UnboundedReceiver<Message>) {
    while let Some(message) = letters.recv().await {
        let Ok(bytes) = message.encode() else {
            continue;
        };
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(mut reader: OwnedReadHalf, id: u32, events: UnboundedSender<Event>) {
    while let Ok(message) = receive(&mut reader).await {
        if events.send(Event::Sent(id, message)).is_err() {
            return;
        }
    }
    // Without a bus nobody cares.
    let _ = events.send(Event::Went(id));
}

/// The next message of a connection.
///
/// # Errors
/// When it has ended, or sends what is none.
pub(super) async fn receive(reader: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Message> {
    let no_message = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut head = [0; HEADER];
    reader.read_exact(&mut head).await?;
    let header = Header::parse(&head).map_err(no_message)?;
    let mut bytes = vec![0; header.length];
    reader.read_exact(&mut bytes).await?;
    Message::parse(&header, &bytes).map_err(no_message)
}
