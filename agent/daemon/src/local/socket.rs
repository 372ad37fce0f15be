//! The control socket: one JSON document a line, each way.

use super::service::{Request, Service};
use nix::unistd::Uid;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

/// Longest request, in bytes.
const REQUEST_LIMIT: u64 = 64 << 10;
/// Longest answer a client takes, in bytes.
const ANSWER_LIMIT: u64 = 16 << 20;
/// Time a client may take for a request, and the daemon for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clients served at a time.
const CLIENTS: usize = 8;

/// Opens the socket, replacing one that a daemon left behind; group members may ask too.
///
/// # Errors
/// `AddrInUse` when a daemon answers there already.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(
            ErrorKind::AddrInUse,
            "another glimpse-agent daemon is running here",
        ));
    }
    if fs::symlink_metadata(path).is_ok_and(|file| !file.file_type().is_socket()) {
        return Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "something else than a socket is there",
        ));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Serves the socket for ever.
pub async fn serve(listener: UnixListener, service: Service) {
    let mut clients = tokio::task::JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while clients.len() >= CLIENTS {
                    clients.join_next().await;
                }
                let service = service.clone();
                clients.spawn(async move {
                    if let Err(error) = converse(stream, &service).await {
                        log::debug!("control socket: {error}");
                    }
                });
            }
            Err(error) => {
                log::warn!("control socket: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        while clients.try_join_next().is_some() {}
    }
}

async fn converse(stream: UnixStream, service: &Service) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let owner = peer == 0 || peer == Uid::effective().as_raw();
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(REQUEST_LIMIT);
        if timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await?? == 0 {
            return Ok(());
        }
        let answer = if line.last() == Some(&b'\n') {
            answer(&line, service, owner).await
        } else {
            refuse("a request is one line of at most 65536 bytes")
        };
        let mut bytes = answer.to_string().into_bytes();
        bytes.push(b'\n');
        timeout(PATIENCE, writer.write_all(&bytes)).await??;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
    }
}

async fn answer(line: &[u8], service: &Service, owner: bool) -> Value {
    match Request::parse(line) {
        Ok(request) if request.is_of_owner() && !owner => {
            refuse("only root and the user of the agent may do this")
        }
        Ok(request) => match service.ask(request).await {
            Some(answer) => json!({"answer": answer}),
            None => refuse("the daemon is stopping"),
        },
        Err(refused) => refuse(&refused.to_string()),
    }
}

fn refuse(error: &str) -> Value {
    json!({"error": error})
}

/// Why there is no answer from a daemon.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no glimpse-agent daemon answers at {0}: {1}")]
    NoDaemon(String, io::Error),
    /// Somebody listens and does not answer.
    #[error("the glimpse-agent daemon at {0} does not answer: {1}")]
    Silent(String, io::Error),
    /// The daemon does not serve the request.
    #[error("the daemon says: {0}")]
    Refused(String),
}

/// Asks the daemon at `path` once.
pub async fn ask(path: &Path, request: &Request) -> Result<Value, AskError> {
    let nobody = |error| AskError::NoDaemon(path.display().to_string(), error);
    let silent = |error| AskError::Silent(path.display().to_string(), error);
    let mut stream = UnixStream::connect(path).await.map_err(nobody)?;
    let exchange = async {
        let mut bytes = request.to_json().to_string().into_bytes();
        bytes.push(b'\n');
        stream.write_all(&bytes).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_LIMIT).read_to_end(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = match timeout(PATIENCE, exchange).await {
        Ok(answer) => answer.map_err(silent)?,
        Err(late) => return Err(silent(late.into())),
    };
    let mut document: Value =
        serde_json::from_slice(&answer).map_err(|error| silent(error.into()))?;
    match document.get_mut("answer") {
        Some(answer) => Ok(answer.take()),
        None => Err(AskError::Refused(
            document["error"].as_str().unwrap_or("no reason").to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::local::service::ResultsQuery;

    #[tokio::test]
    async fn questions_are_answered_and_nonsense_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/agent.sock");
        let (service, mut asked) = Service::new();
        let listener = listen(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o660
        );
        tokio::spawn(serve(listener, service));
        tokio::spawn(async move {
            while let Some((request, reply)) = asked.recv().await {
                reply.send(request.to_json()).unwrap();
            }
        });
        let request = Request::Results(ResultsQuery::newest(3));
        assert_eq!(ask(&path, &request).await.unwrap(), request.to_json());

        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream
            .write_all(b"{\"op\":\"dance\"}\n\0\xff\n")
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text.matches("\"error\"").count(), 2, "{text}");
        assert_eq!(listen(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn what_is_the_owners_is_not_for_members_of_the_group() {
        let (service, mut asked) = Service::new();
        tokio::spawn(async move {
            while let Some((request, reply)) = asked.recv().await {
                reply.send(request.to_json()).unwrap();
            }
        });
        let reset = br#"{"op":"nacm-reset"}"#;
        assert!(answer(reset, &service, true).await["answer"].is_object());
        assert!(answer(reset, &service, false).await["error"].is_string());
        let status = br#"{"op":"status"}"#;
        assert!(answer(status, &service, false).await["answer"].is_object());
    }

    #[tokio::test]
    async fn without_a_daemon_the_path_is_named() {
        let error = ask(Path::new("/nonexistent/s"), &Request::Status)
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("no glimpse-agent daemon answers at /nonexistent/s")
        );
    }
}
