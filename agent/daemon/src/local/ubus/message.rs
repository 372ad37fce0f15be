//! Messages of the bus.
//!
//! ```text
//!  u8 version (0) | u8 kind | u16 seq | u32 peer | one attribute (id 0) that holds the attributes of the message
//! ```
//! Which attributes a message has is said by its kind; here all of them are optional, and whoever gets a message looks
//! at what it needs.

#[cfg(test)]
mod tests;

use super::blob::{self, Kind, Malformed, Writer, attributes, fields};

/// Bytes before the attributes: the header and the head of the attribute that holds them.
pub const HEADER: usize = 8 + blob::HEAD;
/// Most bytes of that attribute.
pub const MAX_LENGTH: usize = 1 << 20;
/// The bus's own object that distributes events.
pub const EVENTS: u32 = 1;
/// Ids below this one are the bus's own.
pub const FIRST_ID: u32 = 1024;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The bus greets a client; the peer is the client's id.
    Hello = 0,
    /// The end of a request.
    Status = 1,
    /// An answer to a request.
    Data = 2,
    /// Asks whether the bus is there.
    Ping = 3,
    /// Asks for objects by path.
    Lookup = 4,
    /// Calls a method; an event, when the bus delivers it from peer 0.
    Invoke = 5,
    /// Offers an object.
    AddObject = 6,
    /// Withdraws an object.
    RemoveObject = 7,
    /// Asks for the notifications of an object.
    Subscribe = 8,
    /// Ends that; from the bus: the object is gone.
    Unsubscribe = 9,
    /// A notification; from the bus: whether anybody listens.
    Notify = 10,
    /// Watching the bus.
    Monitor = 11,
}

impl Verb {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Hello,
            1 => Self::Status,
            2 => Self::Data,
            3 => Self::Ping,
            4 => Self::Lookup,
            5 => Self::Invoke,
            6 => Self::AddObject,
            7 => Self::RemoveObject,
            8 => Self::Subscribe,
            9 => Self::Unsubscribe,
            10 => Self::Notify,
            11 => Self::Monitor,
            _ => return None,
        })
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Status {
    /// Done.
    #[error("success")]
    Ok,
    /// The bus does not know the command.
    #[error("invalid command")]
    InvalidCommand,
    /// An argument is missing or of the wrong type.
    #[error("invalid argument")]
    InvalidArgument,
    /// The object has no such method.
    #[error("method not found")]
    MethodNotFound,
    /// There is no such object, or no such thing in it.
    #[error("not found")]
    NotFound,
    /// There is no answer.
    #[error("no response")]
    NoData,
    /// An access list of the bus forbids it.
    #[error("permission denied")]
    PermissionDenied,
    /// It took too long.
    #[error("request timed out")]
    Timeout,
    /// Not supported.
    #[error("operation not supported")]
    NotSupported,
    /// Something else, or a code that is not known.
    #[error("unknown error")]
    Unknown,
    /// The connection is gone.
    #[error("connection failed")]
    ConnectionFailed,
}

impl Status {
    /// The status of that code.
    pub fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::InvalidCommand,
            2 => Self::InvalidArgument,
            3 => Self::MethodNotFound,
            4 => Self::NotFound,
            5 => Self::NoData,
            6 => Self::PermissionDenied,
            7 => Self::Timeout,
            8 => Self::NotSupported,
            10 => Self::ConnectionFailed,
            _ => Self::Unknown,
        }
    }

    /// Its code.
    pub fn code(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::InvalidCommand => 1,
            Self::InvalidArgument => 2,
            Self::MethodNotFound => 3,
            Self::NotFound => 4,
            Self::NoData => 5,
            Self::PermissionDenied => 6,
            Self::Timeout => 7,
            Self::NotSupported => 8,
            Self::Unknown => 9,
            Self::ConnectionFailed => 10,
        }
    }
}

/// What is known of a message before its attributes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What it is; `None`: of a kind that is not known, to be passed over.
    pub verb: Option<Verb>,
    /// Which request it belongs to.
    pub seq: u16,
    /// Who sent it, or to whom it goes.
    pub peer: u32,
    /// How many bytes of attributes follow.
    pub length: usize,
}

impl Header {
    /// Reads the first bytes of a message.
    ///
    /// # Errors
    /// [`Malformed`]: what follows cannot be found; the connection is of no use any more.
    pub fn parse(bytes: &[u8; HEADER]) -> Result<Self, Malformed> {
        let [version, verb, s0, s1, p0, p1, p2, p3, l0, l1, l2, l3] = *bytes;
        if version != 0 {
            return Err(Malformed::Version);
        }
        let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3]) & blob::LENGTH)
            .map_err(|_| Malformed::TooLong)?;
        if blob::padded(length) > MAX_LENGTH {
            return Err(Malformed::TooLong);
        }
        Ok(Self {
            verb: Verb::from_code(verb),
            seq: u16::from_be_bytes([s0, s1]),
            peer: u32::from_be_bytes([p0, p1, p2, p3]),
            length: length.checked_sub(blob::HEAD).ok_or(Malformed::Length)?,
        })
    }
}

/// A method of an object, and its arguments with their types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Its name.
    pub name: String,
    /// Name and type of each argument.
    pub arguments: Vec<(String, Kind)>,
}

/// The attributes of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// No answer is wanted.
    pub no_reply: bool,
    /// How a request ended.
    pub status: Option<u32>,
    /// Path of an object.
    pub path: Option<String>,
    /// Id of an object.
    pub object: Option<u32>,
    /// Name of a method, an event or a notification.
    pub method: Option<String>,
    /// Id of an object's type.
    pub object_type: Option<u32>,
    /// What an object can do: named values, to be read by [`signature`].
    pub signature: Option<Vec<u8>>,
    /// The object of which notifications are wanted.
    pub target: Option<u32>,
    /// Whether anybody listens.
    pub active: Option<bool>,
    /// Who listens.
    pub subscribers: Option<Vec<u32>>,
    /// The user that calls.
    pub user: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// Arguments or answer: named values, to be read by [`blob::to_json`].
    pub data: Option<Vec<u8>>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub verb: Verb,
    /// Which request it belongs to.
    pub seq: u16,
    /// Who sent it, or to whom it goes.
    pub peer: u32,
    /// The rest.
    pub attributes: Attributes,
}

impl Message {
    /// A message; the attributes are to be filled in.
    pub fn new(verb: Verb, seq: u16, peer: u32, attributes: Attributes) -> Self {
        Self {
            verb,
            seq,
            peer,
            attributes,
        }
    }

    /// The end of request `seq` of `peer` to `object`; of no object, when the bus itself was asked.
    pub fn status(seq: u16, peer: u32, object: Option<u32>, status: Status) -> Self {
        let attributes = Attributes {
            status: Some(status.code()),
            object,
            ..Attributes::default()
        };
        Self::new(Verb::Status, seq, peer, attributes)
    }

    /// Asks for the objects whose path is `path`, which may end with `*`.
    pub fn lookup(seq: u16, path: &str) -> Self {
        let attributes = Attributes {
            path: Some(path.to_owned()),
            ..Attributes::default()
        };
        Self::new(Verb::Lookup, seq, 0, attributes)
    }

    /// Calls a method of an object.
    pub fn invoke(seq: u16, object: u32, method: &str, data: Vec<u8>) -> Self {
        let attributes = Attributes {
            object: Some(object),
            method: Some(method.to_owned()),
            data: Some(data),
            ..Attributes::default()
        };
        Self::new(Verb::Invoke, seq, object, attributes)
    }

    /// An answer to request `seq` of `peer` to `object`.
    pub fn data(seq: u16, peer: u32, object: u32, data: Vec<u8>) -> Self {
        let attributes = Attributes {
            object: Some(object),
            data: Some(data),
            ..Attributes::default()
        };
        Self::new(Verb::Data, seq, peer, attributes)
    }

    /// Offers an object under `path`; without one, to be the receiver of events.
    pub fn add_object(seq: u16, path: Option<&str>, methods: &[Method]) -> Self {
        let attributes = Attributes {
            path: path.map(str::to_owned),
            signature: path.map(|_| encode_signature(methods)),
            ..Attributes::default()
        };
        Self::new(Verb::AddObject, seq, 0, attributes)
    }

    /// A notification of `object`, to which nobody need answer.
    pub fn notify(seq: u16, object: u32, name: &str, data: Vec<u8>) -> Self {
        let attributes = Attributes {
            no_reply: true,
            object: Some(object),
            method: Some(name.to_owned()),
            data: Some(data),
            ..Attributes::default()
        };
        Self::new(Verb::Notify, seq, object, attributes)
    }

    /// The message of that header and those attributes; attributes that are not known are passed over.
    ///
    /// # Errors
    /// [`Malformed`], also when the kind is not known.
    pub fn parse(header: &Header, bytes: &[u8]) -> Result<Self, Malformed> {
        let verb = header.verb.ok_or(Malformed::Type)?;
        let mut found = Attributes::default();
        for attribute in attributes(bytes) {
            let attribute = attribute?;
            match attribute.id {
                1 => found.status = Some(attribute.integer()?),
                2 => found.path = Some(attribute.text()?),
                3 => found.object = Some(attribute.integer()?),
                4 => found.method = Some(attribute.text()?),
                5 => found.object_type = Some(attribute.integer()?),
                6 => found.signature = Some(attribute.payload.to_vec()),
                7 => found.data = Some(attribute.payload.to_vec()),
                8 => found.target = Some(attribute.integer()?),
                9 => found.active = Some(attribute.flag()?),
                10 => found.no_reply = attribute.flag()?,
                11 => {
                    let ids = attributes(attribute.payload).map(|id| id?.integer());
                    found.subscribers = Some(ids.collect::<Result<_, _>>()?);
                }
                12 => found.user = Some(attribute.text()?),
                13 => found.group = Some(attribute.text()?),
                _ => {}
            }
        }
        Ok(Self::new(verb, header.seq, header.peer, found))
    }

    /// The bytes of the message.
    ///
    /// # Errors
    /// [`Malformed::TooLong`] when nobody would take them.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let inner = self.attributes.encode();
        let length = blob::HEAD + inner.len();
        if length > MAX_LENGTH {
            return Err(Malformed::TooLong);
        }
        let length = u32::try_from(length).map_err(|_| Malformed::TooLong)?;
        let mut bytes = Vec::with_capacity(HEADER + inner.len());
        bytes.extend_from_slice(&[0, self.verb as u8]);
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.peer.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&inner);
        Ok(bytes)
    }
}

impl Attributes {
    /// In the order in which the bus and its clients write them.
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let integer = |writer: &mut Writer, id, value: Option<u32>| {
            if let Some(value) = value {
                writer.attribute(id, &value.to_be_bytes());
            }
        };
        let text = |writer: &mut Writer, id, text: &Option<String>| {
            if let Some(text) = text {
                writer.text_attribute(id, text);
            }
        };
        if self.no_reply {
            writer.attribute(10, &[1]);
        }
        integer(&mut writer, 1, self.status);
        text(&mut writer, 2, &self.path);
        integer(&mut writer, 3, self.object);
        text(&mut writer, 4, &self.method);
        integer(&mut writer, 5, self.object_type);
        if let Some(signature) = &self.signature {
            writer.attribute(6, signature);
        }
        integer(&mut writer, 8, self.target);
        if let Some(active) = self.active {
            writer.attribute(9, &[u8::from(active)]);
        }
        if let Some(subscribers) = &self.subscribers {
            let mut ids = Writer::default();
            for id in subscribers {
                ids.attribute(0, &id.to_be_bytes());
            }
            writer.attribute(11, &ids.into_bytes());
        }
        text(&mut writer, 12, &self.user);
        text(&mut writer, 13, &self.group);
        if let Some(data) = &self.data {
            writer.attribute(7, data);
        }
        writer.into_bytes()
    }
}

/// The methods as an object announces them.
pub fn encode_signature(methods: &[Method]) -> Vec<u8> {
    let mut writer = Writer::default();
    for method in methods {
        writer.table(&method.name, |inner| {
            for (name, kind) in &method.arguments {
                inner.integer(name, i64::from(kind.code()));
            }
        });
    }
    writer.into_bytes()
}

/// The methods that an object announced.
///
/// # Errors
/// [`Malformed`] when it is no table of tables of types.
pub fn signature(bytes: &[u8]) -> Result<Vec<Method>, Malformed> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    fields(bytes)
        .map(|method| {
            let method = method?;
            let arguments = fields(method.value).map(|argument| {
                let argument = argument?;
                let code: [u8; 4] = argument.value.try_into().map_err(|_| Malformed::Value)?;
                let code = u8::try_from(u32::from_be_bytes(code)).map_err(|_| Malformed::Type)?;
                let kind = Kind::from_code(code).ok_or(Malformed::Type)?;
                Ok((text(argument.name), kind))
            });
            Ok(Method {
                name: text(method.name),
                arguments: arguments.collect::<Result<_, _>>()?,
            })
        })
        .collect()
}
