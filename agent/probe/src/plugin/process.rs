//! One call of a plug-in, from the agent's side.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::prctl;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::shim::{self, Order};
use super::{Account, Stage};

/// How long start and end may take beyond the plug-in's own time.
pub(super) const ENDS: Duration = Duration::from_secs(4);
/// After the deadline, how long the keeper may take to notice it by itself.
const GRACE: Duration = Duration::from_secs(1);
/// How long the keeper may take to end everything and itself.
const FAREWELL: Duration = Duration::from_secs(3);
/// Longest line forwarded to the log, in bytes.
const LINE_LIMIT: usize = 512;
/// Lines forwarded of one call.
const LINES: u32 = 100;
/// Most that is told of its complaint, in characters.
const COMPLAINT_LIMIT: usize = 200;

/// What is asked of a plug-in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// The executable.
    pub(super) program: &'a Path,
    /// What it is called in the log.
    pub(super) name: &'a str,
    /// Its one argument.
    pub(super) word: &'a str,
    /// What it reads: one JSON document in one line.
    pub(super) input: &'a [u8],
    /// When it is ended.
    pub(super) time: Duration,
    /// What it may print, and log.
    pub(super) output_bytes: u64,
}

/// Why a call yielded nothing; to be read after "the plug-in".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Something on our side of it.
    #[error("could not be started: {0}")]
    Start(String),
    /// Its time was up.
    #[error("was stopped at its time limit of {0} ms")]
    Late(u128),
    /// It printed or logged too much.
    #[error("was stopped: it wrote more than {0} bytes")]
    Flood(u64),
    /// Somebody killed its keeper; it was killed too.
    #[error("was stopped: its keeper was killed")]
    Bereft,
    /// It said itself that it failed.
    #[error("ended with code {code}{complaint}")]
    Code {
        /// Its exit code; the largest told apart is [`shim::CODES`].
        code: u8,
        /// `: ` and what it logged first, if anything.
        complaint: String,
    },
    /// It was killed: by a limit, by itself, by the system.
    #[error("was killed by signal {signal}{complaint}")]
    Signal {
        /// Number of the signal.
        signal: u8,
        /// `: ` and what it logged first, if anything.
        complaint: String,
    },
}

impl Failure {
    /// The exit status it ended with, or minus the signal that ended it; none where it did not end by itself.
    pub fn exit(&self) -> Option<i32> {
        match self {
            Self::Code { code, .. } => Some(i32::from(*code)),
            Self::Signal { signal, .. } => Some(-i32::from(*signal)),
            _ => None,
        }
    }
}

/// Calls a plug-in and gives what it printed. Everything that it has started is gone afterwards; when this is dropped, a
/// moment later.
pub(super) async fn call(stage: &Stage, call: &Call<'_>) -> Result<Vec<u8>, Failure> {
    if call.input.len() > shim::INPUT_LIMIT {
        let limit = shim::INPUT_LIMIT;
        return Err(Failure::Start(format!(
            "its options have more than {limit} bytes"
        )));
    }
    let order = Order {
        account: stage.account,
        time_ms: u64::try_from(call.time.as_millis()).unwrap_or(u64::MAX),
        memory_bytes: stage.limits.memory_bytes,
        program: call.program.to_owned(),
        word: call.word.to_owned(),
    };
    // What a keeper that is killed leaves behind comes to this process, which ends it.
    prctl::set_child_subreaper(true).map_err(|error| Failure::Start(error.to_string()))?;
    // Not killed on drop: it is the keeper that ends the others, as soon as `control` is closed.
    let mut keeper = Command::new(&stage.shim)
        .args(order.words(shim::KEEP))
        .env_clear()
        .envs(shim::ENVIRONMENT)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| Failure::Start(error.to_string()))?;
    let mut control = keeper.stdin.take();
    if let Some(control) = &mut control {
        let line = [call.input, b"\n"].concat();
        // A keeper that is gone already says why by its end.
        let _ = control.write_all(&line).await;
    }
    let mut printed = Vec::new();
    let mut log = Log::new(call.name);
    let (stdout, stderr) = (keeper.stdout.take(), keeper.stderr.take());
    let limit = call.output_bytes;
    let heard = tokio::time::timeout(call.time.saturating_add(GRACE), async {
        let mut out = std::pin::pin!(hear(stdout, limit, |bytes| printed.extend_from_slice(bytes)));
        let mut err = std::pin::pin!(hear(stderr, limit, |bytes| log.hear(bytes)));
        let voices = async {
            tokio::select! {
                in_bounds = &mut out => in_bounds && err.await,
                in_bounds = &mut err => in_bounds && out.await,
            }
        };
        // Those whom a killed keeper leaves may hold its voices for ever.
        let keeping = async {
            if keeper.wait().await.is_ok_and(is_killed) {
                // What is left then is told below.
                let _ = shim::end_orphans(stage.account).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            in_bounds = voices => in_bounds,
            () = keeping => false,
        }
    })
    .await;
    log.end();
    drop(control);
    let status = end(&mut keeper, stage.account, call.name).await;
    match heard {
        _ if status.is_some_and(is_killed) => Err(Failure::Bereft),
        Err(_) => Err(Failure::Late(call.time.as_millis())),
        Ok(false) => Err(Failure::Flood(call.output_bytes)),
        Ok(true) => judge(status, &log.complaint, call.time).map(|()| printed),
    }
}

/// Whether a signal ended it: it never ends itself so.
fn is_killed(keeper: ExitStatus) -> bool {
    keeper.code().is_none()
}

async fn hear(
    pipe: Option<impl AsyncRead + Unpin>,
    limit: u64,
    mut take: impl FnMut(&[u8]),
) -> bool {
    let Some(mut pipe) = pipe else {
        return true;
    };
    let mut chunk = [0; 4096];
    let mut heard = 0_u64;
    loop {
        match pipe.read(&mut chunk).await {
            Ok(0) | Err(_) => return true,
            Ok(read) => {
                heard = heard.saturating_add(read as u64);
                if heard > limit {
                    return false;
                }
                take(chunk.get(..read).unwrap_or_default());
            }
        }
    }
}

/// Waits for the keeper; one that does not end is killed. Nobody is left afterwards, whatever became of it.
async fn end(keeper: &mut Child, account: Account, name: &str) -> Option<ExitStatus> {
    let waited = tokio::time::timeout(FAREWELL, keeper.wait()).await;
    if let Ok(Ok(status)) = waited
        && !is_killed(status)
    {
        return Some(status);
    }
    if waited.is_err() {
        log::error!(method = name; "the keeper of a plug-in does not end; it is killed");
        // Gone already is as good.
        let _ = tokio::time::timeout(GRACE, keeper.kill()).await;
    }
    log::warn!(method = name; "the keeper of a plug-in was killed; what it kept is ended");
    if !shim::end_orphans(account).await {
        log::error!(method = name; "processes of a plug-in are left");
    }
    waited.ok()?.ok()
}

fn judge(status: Option<ExitStatus>, complaint: &str, time: Duration) -> Result<(), Failure> {
    let code = status.and_then(|status| status.code());
    let said = || {
        if complaint.is_empty() {
            String::new()
        } else {
            format!(": {complaint}")
        }
    };
    match code.and_then(|code| u8::try_from(code).ok()) {
        Some(0) => Ok(()),
        Some(shim::LATE) => Err(Failure::Late(time.as_millis())),
        Some(shim::CANNOT) => Err(Failure::Start(complaint.to_owned())),
        Some(code @ 1..=shim::CODES) => Err(Failure::Code {
            code,
            complaint: said(),
        }),
        Some(code) if code > shim::SIGNALS => Err(Failure::Signal {
            signal: code - shim::SIGNALS,
            complaint: said(),
        }),
        _ => Err(Failure::Bereft),
    }
}

/// What a plug-in says on its standard error, on its way to our log.
struct Log<'a> {
    name: &'a str,
    line: Vec<u8>,
    lines: u32,
    /// The first line with a word in it.
    complaint: String,
}

impl<'a> Log<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            line: Vec::new(),
            lines: 0,
            complaint: String::new(),
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_LIMIT.saturating_sub(self.line.len());
            self.line.extend(part.iter().take(room));
            if part.last() == Some(&b'\n') {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        let line: String = String::from_utf8_lossy(&self.line)
            .trim()
            .chars()
            .filter(|letter| !letter.is_control())
            .collect();
        self.line.clear();
        if line.is_empty() {
            return;
        }
        if self.complaint.is_empty() {
            self.complaint = line.chars().take(COMPLAINT_LIMIT).collect();
        }
        self.lines = self.lines.saturating_add(1);
        match self.lines {
            ..=LINES => log::debug!(method = self.name; "{line}"),
            n if n == LINES + 1 => log::debug!(method = self.name; "says more than {LINES} lines"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn the_log_takes_bounded_lines_in_any_pieces() {
        let mut log = Log::new("x");
        log.hear(b"\n \n fi");
        log.hear(b"rst\x1b[31m\nsecond\n");
        assert_eq!((log.complaint.as_str(), log.lines), ("first[31m", 2));
        log.hear(&vec![b'a'; 100_000]);
        assert_eq!(log.line.len(), LINE_LIMIT);
        log.end();
        assert_eq!(log.lines, 3);
    }

    #[test]
    fn the_end_of_the_keeper_tells_the_end_of_the_plug_in() {
        let time = Duration::from_millis(70);
        let judged = |code: i32| judge(Some(ExitStatus::from_raw(code << 8)), "why", time);
        assert_eq!(judged(0), Ok(()));
        for (code, said) in [
            (3, "ended with code 3: why"),
            (i32::from(shim::CODES), "ended with code 118: why"),
            (i32::from(shim::CANNOT), "could not be started: why"),
            (
                i32::from(shim::LATE),
                "was stopped at its time limit of 70 ms",
            ),
            (128 + 9, "was killed by signal 9: why"),
        ] {
            assert_eq!(judged(code).unwrap_err().to_string(), said);
        }
        let exit = |code: i32| judged(code).unwrap_err().exit();
        assert_eq!((exit(3), exit(128 + 9)), (Some(3), Some(-9)));
        assert_eq!(exit(i32::from(shim::LATE)), None);
        let killed = judge(Some(ExitStatus::from_raw(9)), "", time).unwrap_err();
        assert_eq!(killed.to_string(), "was stopped: its keeper was killed");
    }
}
