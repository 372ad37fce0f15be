//! The driver: a netlink socket, and the questions in their order.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Outcome};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send,
    socket,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use super::netlink::{Dump, Malformed, Progress, request};
use super::nl80211::{
    CONTROL_FAMILY, FAMILY_NAME, GET_FAMILY, GET_INTERFACE, GET_STATION, GET_SURVEY, IFINDEX,
    Interface, NAME, parse_family, parse_interface, parse_station, parse_survey,
};
use super::options::WifiOptions;
use super::outcome::{Link, outcome};

/// Longest datagram that the kernel sends of a dump (`netlink_dump` allocates up to 32 KiB), in bytes.
const DATAGRAM_LIMIT: usize = 32 * 1024;
/// How long one answer is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How long all of them may take.
const TALK_LIMIT: Duration = Duration::from_secs(4);
/// Interfaces that are looked at.
const INTERFACE_LIMIT: usize = 16;
/// Stations of one interface that are told.
const STATION_LIMIT: usize = 64;

/// Why the kernel told nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// No socket, or it broke.
    #[error("netlink: {0}")]
    Socket(#[from] io::Error),
    /// The kernel has no such family, interface or question.
    #[error("the kernel refuses: {}", io::Error::from_raw_os_error(*.0))]
    Refused(i32),
    /// An answer that cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No answer.
    #[error("the kernel does not answer")]
    Silent,
}

/// Asks the kernel; a test answers from files.
pub(super) trait Ask {
    /// The bodies of the answer to `command` of `family`.
    fn ask(
        &mut self,
        family: u16,
        command: u8,
        dump: bool,
        given: &[(u16, &[u8])],
    ) -> impl Future<Output = Result<Vec<Vec<u8>>, AskError>> + Send;
}

/// Makes the measurement.
pub(super) async fn run(options: &Options) -> Outcome {
    let failed = |reason: String| Outcome::failed(reason, ByteCount::default());
    let options = match WifiOptions::read(options) {
        Ok(options) => options,
        Err(refused) => return failed(refused.to_string()),
    };
    let mut kernel = match Kernel::open() {
        Ok(kernel) => kernel,
        Err(error) => return failed(error.to_string()),
    };
    match timeout(TALK_LIMIT, look(&mut kernel, &options)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => failed(error.to_string()),
        Err(_) => failed(AskError::Silent.to_string()),
    }
}

/// Looks at the interfaces that are wanted.
pub(super) async fn look(
    kernel: &mut impl Ask,
    options: &WifiOptions,
) -> Result<Outcome, AskError> {
    let mut interfaces = match family(kernel).await? {
        None => (0, Vec::new()),
        Some(family) => (family, interfaces(kernel, family).await?),
    };
    if let Some(name) = &options.interface {
        interfaces.1.retain(|interface| interface.name == *name);
        if interfaces.1.is_empty() {
            let reason = format!("{name} is no wi-fi interface of this machine");
            return Ok(Outcome::failed(reason, ByteCount::default()));
        }
    }
    let (family, interfaces) = interfaces;
    let mut links = Vec::with_capacity(interfaces.len());
    for interface in interfaces {
        let index = interface.index.to_ne_bytes();
        let given: &[(u16, &[u8])] = &[(IFINDEX, &index)];
        // Interfaces that are down, and drivers without a survey, refuse: then there are no such figures.
        let stations = unless_refused(kernel.ask(family, GET_STATION, true, given).await)?;
        let surveys = unless_refused(kernel.ask(family, GET_SURVEY, true, given).await)?;
        links.push(Link {
            interface,
            stations: stations
                .iter()
                .take(STATION_LIMIT)
                .map(|body| parse_station(body))
                .collect::<Result<_, _>>()?,
            surveys: surveys
                .iter()
                .map(|body| parse_survey(body))
                .collect::<Result<_, _>>()?,
        });
    }
    Ok(outcome(&links))
}

/// The number of `nl80211`; `None` on a machine without Wi-Fi, where its module is not loaded.
async fn family(kernel: &mut impl Ask) -> Result<Option<u16>, AskError> {
    let given: &[(u16, &[u8])] = &[(FAMILY_NAME, NAME)];
    let bodies = match kernel.ask(CONTROL_FAMILY, GET_FAMILY, false, given).await {
        Err(AskError::Refused(number)) if number == Errno::ENOENT as i32 => return Ok(None),
        bodies => bodies?,
    };
    match bodies.first() {
        Some(body) => Ok(parse_family(body)?),
        None => Ok(None),
    }
}

async fn interfaces(kernel: &mut impl Ask, family: u16) -> Result<Vec<Interface>, AskError> {
    let bodies = kernel.ask(family, GET_INTERFACE, true, &[]).await?;
    let mut interfaces = bodies
        .iter()
        .map(|body| parse_interface(body))
        .collect::<Result<Vec<_>, _>>()?;
    interfaces.retain(|interface| interface.index != 0);
    interfaces.truncate(INTERFACE_LIMIT);
    Ok(interfaces)
}

fn unless_refused(answer: Result<Vec<Vec<u8>>, AskError>) -> Result<Vec<Vec<u8>>, AskError> {
    match answer {
        Err(AskError::Refused(number)) => {
            log::debug!(error = number; "wi-fi: the kernel has no such figures");
            Ok(Vec::new())
        }
        answer => answer,
    }
}

/// The kernel, by a generic netlink socket.
struct Kernel {
    socket: AsyncFd<OwnedFd>,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Kernel {
    fn open() -> Result<Self, AskError> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkGeneric,
        )
        .map_err(io::Error::from)?;
        // Connected to the kernel, so that no other program's message is taken for its.
        connect(socket.as_raw_fd(), &NetlinkAddr::new(0, 0)).map_err(io::Error::from)?;
        #[expect(
            deprecated,
            reason = "the successor is unsafe for descriptors that can be exchanged or closed under it; this one is owned"
        )]
        let socket = AsyncFd::with_interest(socket, Interest::READABLE)?;
        Ok(Self {
            socket,
            sequence: 0,
            buffer: vec![0; DATAGRAM_LIMIT],
        })
    }

    async fn receive(&mut self) -> Result<&[u8], AskError> {
        let buffer = &mut self.buffer;
        let length = self
            .socket
            .async_io(Interest::READABLE, |socket| {
                recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC).map_err(io::Error::from)
            })
            .await?;
        // With MSG_TRUNC the length is the datagram's own, whatever fitted.
        self.buffer
            .get(..length)
            .ok_or(AskError::Malformed(Malformed::Endless))
    }
}

impl Ask for Kernel {
    async fn ask(
        &mut self,
        family: u16,
        command: u8,
        dump: bool,
        given: &[(u16, &[u8])],
    ) -> Result<Vec<Vec<u8>>, AskError> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request(family, command, dump, self.sequence, given);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty()).map_err(io::Error::from)?;
        let mut answer = Dump::new(self.sequence);
        loop {
            let datagram = timeout(ANSWER_LIMIT, self.receive())
                .await
                .map_err(|_| AskError::Silent)??;
            match answer.take(datagram)? {
                Progress::More => {}
                Progress::Complete => return Ok(answer.into_bodies()),
                Progress::Refused(number) => return Err(AskError::Refused(number)),
            }
        }
    }
}
