//! The initiator's side of the handshake over UDP. Pure.

use std::time::Duration;

use glimpse_model::token::MeasureId;
use glimpse_net::count::datagram_bytes;
use glimpse_net::packet::Family;

use super::Limits;
use super::datagram::{Cookie, Datagram, HELLO_LENGTH, LONGEST, Tag};
use super::plan::{RETRY_NS, TRIES};
use super::sender::Step;

/// How long it takes at most.
pub const LONGEST_OPENING: Duration = Duration::from_nanos(2 * TRIES as u64 * RETRY_NS);

/// Bytes at IP level that it needs at most, both directions together, with every try of every datagram.
pub fn opening_bytes() -> u64 {
    2 * u64::from(TRIES) * 2 * datagram_bytes(Family::V6, HELLO_LENGTH.max(LONGEST))
}

/// What the responder opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// By which the session's packets are known.
    pub tag: Tag,
    /// What it may use.
    pub limits: Limits,
}

#[derive(Clone, Debug)]
enum State {
    Hello,
    Start { time: u32, cookie: Cookie },
    Opened(Opened),
    Refused(String),
}

/// The handshake: HELLO, CHALLENGE, START, ACCEPTED.
#[derive(Clone, Debug)]
pub struct Opening {
    session: MeasureId,
    token: Box<str>,
    request: Vec<u8>,
    state: State,
    tries: u32,
    next_ns: u64,
}

impl Opening {
    /// A handshake that begins at `now_ns`.
    pub fn new(session: MeasureId, token: &str, request: Vec<u8>, now_ns: u64) -> Self {
        Self {
            session,
            token: token.into(),
            request,
            state: State::Hello,
            tries: 0,
            next_ns: now_ns,
        }
    }

    /// What came of it, once [`Self::poll`] says [`Step::Done`].
    pub const fn opened(&self) -> Option<Opened> {
        match self.state {
            State::Opened(opened) => Some(opened),
            _ => None,
        }
    }

    /// What is to be done at `now_ns`; a datagram to send is in `out`.
    pub fn poll(&mut self, now_ns: u64, out: &mut Vec<u8>) -> Step {
        match &self.state {
            State::Opened(_) => return Step::Done,
            State::Refused(reason) => {
                return Step::Failed(format!("the responder refuses: {reason}"));
            }
            _ if now_ns < self.next_ns => return Step::Wait(self.next_ns),
            _ if self.tries >= TRIES => {
                let words = "the responder does not answer: it is off, out of reach, or does not know this token";
                return Step::Failed(words.to_owned());
            }
            State::Hello => Datagram::Hello {
                session: self.session,
                token: &self.token,
            }
            .write(out),
            State::Start { time, cookie } => Datagram::Start {
                session: self.session,
                time: *time,
                cookie: *cookie,
                token: &self.token,
                request: &self.request,
            }
            .write(out),
        }
        self.tries += 1;
        self.next_ns = now_ns.saturating_add(RETRY_NS);
        Step::Control
    }

    /// Takes what came.
    pub fn heard(&mut self, datagram: &Datagram<'_>, now_ns: u64) {
        match (&self.state, datagram) {
            (
                State::Hello,
                Datagram::Challenge {
                    session,
                    time,
                    cookie,
                },
            ) if *session == self.session => {
                self.state = State::Start {
                    time: *time,
                    cookie: *cookie,
                };
                (self.tries, self.next_ns) = (0, now_ns);
            }
            (
                State::Start { .. },
                Datagram::Accepted {
                    session,
                    tag,
                    limits,
                },
            ) if *session == self.session => {
                self.state = State::Opened(Opened {
                    tag: *tag,
                    limits: *limits,
                });
            }
            (State::Start { .. }, Datagram::Refused { session, reason })
                if *session == self.session =>
            {
                self.state = State::Refused(glimpse_model::read::printable(reason));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::datagram::parse;
    use super::*;

    #[test]
    fn a_silent_responder_is_given_up() {
        let session = MeasureId::from_random([1; 16]);
        let mut opening = Opening::new(session, "g1.x.y", Vec::new(), 0);
        let (mut out, mut now, mut sent) = (Vec::new(), 0, 0);
        loop {
            match opening.poll(now, &mut out) {
                Step::Control => sent += 1,
                Step::Wait(until) => now = until,
                Step::Failed(reason) => break assert!(reason.contains("does not answer")),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((sent, now), (TRIES, u64::from(TRIES) * RETRY_NS));
    }

    #[test]
    fn the_handshake_goes_through_and_strangers_are_not_heard() {
        let session = MeasureId::from_random([1; 16]);
        let mut opening = Opening::new(session, "g1.x.y", b"{}".to_vec(), 0);
        let mut out = Vec::new();
        assert_eq!(opening.poll(0, &mut out), Step::Control);
        let accepted = |session| Datagram::Accepted {
            session,
            tag: [1; 8],
            limits: Limits {
                max_bytes: 1,
                max_rate_bps: 2,
                max_duration_ms: 3,
            },
        };
        // Nobody opens a session that has not begun.
        opening.heard(&accepted(session), 1);
        assert_eq!(opening.opened(), None);
        let challenge = |session| Datagram::Challenge {
            session,
            time: 9,
            cookie: [7; 16],
        };
        opening.heard(&challenge(MeasureId::from_random([2; 16])), 1);
        assert!(matches!(opening.poll(1, &mut out), Step::Wait(_)));
        opening.heard(&challenge(session), 2);
        assert_eq!(opening.poll(2, &mut out), Step::Control);
        assert_eq!(
            parse(&out),
            Ok(Datagram::Start {
                session,
                time: 9,
                cookie: [7; 16],
                token: "g1.x.y",
                request: b"{}",
            })
        );
        opening.heard(&accepted(session), 3);
        assert_eq!(opening.poll(3, &mut out), Step::Done);
        assert_eq!(opening.opened().unwrap().tag, [1; 8]);
    }
}
