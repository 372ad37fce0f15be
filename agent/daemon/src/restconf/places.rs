//! Who may take how much of what there is little of.

use glimpse_restconf::User;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::credentials::CONTROLLER;

/// Whether a user is the controller, for whom places are kept.
fn is_controller(user: &User) -> bool {
    user.groups.iter().any(|group| group == CONTROLLER)
}

/// How many places there are, and for whom some of them are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    /// In all.
    pub(super) all: usize,
    /// Of these, for the controller alone.
    pub(super) controller: usize,
    /// Of the others, for those whom the household has put into a group. Readers get what is left.
    pub(super) members: usize,
}

/// Places, some of which not everybody gets.
#[derive(Debug, Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    household: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

/// A place; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(kept: Kept) -> Self {
        let household = kept.all.saturating_sub(kept.controller);
        Self {
            all: Arc::new(Semaphore::new(kept.all)),
            household: Arc::new(Semaphore::new(household)),
            readers: Arc::new(Semaphore::new(household.saturating_sub(kept.members))),
        }
    }

    /// What `user` needs, the scarcest first.
    fn of(&self, user: &User) -> impl Iterator<Item = Arc<Semaphore>> {
        let reader = user.groups.is_empty().then(|| self.readers.clone());
        let household = (!is_controller(user)).then(|| self.household.clone());
        reader
            .into_iter()
            .chain(household)
            .chain([self.all.clone()])
    }

    /// A place for `user`, if there is one.
    pub(super) fn try_take(&self, user: &User) -> Option<Place> {
        let permits = self.of(user).map(Semaphore::try_acquire_owned);
        let permits = permits.collect::<Result<_, _>>().ok()?;
        Some(Place { _permits: permits })
    }

    /// Waits for a place for `user`.
    pub(super) async fn take(&self, user: &User) -> Option<Place> {
        let mut permits = Vec::new();
        for places in self.of(user) {
            permits.push(places.acquire_owned().await.ok()?);
        }
        Some(Place { _permits: permits })
    }
}

/// What is open, by users.
#[derive(Debug, Clone, Default)]
pub(super) struct Users(Arc<Mutex<BTreeMap<String, usize>>>);

/// Something that is open of a user's.
#[derive(Debug)]
pub(super) struct Opened {
    users: Users,
    user: String,
}

impl Users {
    /// A place for `user` where fewer than `all` are open, and fewer than `own` of this user.
    pub(super) fn try_take(&self, user: &str, own: usize, all: usize) -> Option<Opened> {
        let mut open = self.lock();
        let of_user = open.get(user).copied().unwrap_or(0);
        if of_user >= own || open.values().sum::<usize>() >= all {
            return None;
        }
        open.insert(user.to_owned(), of_user + 1);
        Some(Opened {
            users: self.clone(),
            user: user.to_owned(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut open = self.users.lock();
        match open.get_mut(&self.user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.user)),
        }
    }
}

/// Connections that have not proved anything yet. Newer ones push out older ones: whoever opens many and says nothing keeps out nobody
/// who shakes hands at once.
#[derive(Debug, Clone)]
pub(super) struct Hands {
    open: Arc<Mutex<Vec<Hand>>>,
    most: usize,
    most_of_one: usize,
}

#[derive(Debug)]
struct Hand {
    number: u64,
    of: IpAddr,
    /// Dropped with it.
    _given_up: oneshot::Sender<()>,
}

/// A connection that shakes hands; not counted any more when this is dropped.
#[derive(Debug)]
pub(super) struct Shaking {
    hands: Hands,
    number: u64,
    /// Ends when another takes the place.
    pub(super) pushed_out: oneshot::Receiver<()>,
}

/// What counts as one peer: whoever has one IPv6 address has its network of 64 bits.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl Hands {
    /// At most `most`, and `most_of_one` of one peer.
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self {
            open: Arc::default(),
            most,
            most_of_one,
        }
    }

    /// Another connection begins, from this address.
    pub(super) fn begin(&self, address: IpAddr) -> Shaking {
        let (given_up, pushed_out) = oneshot::channel();
        let of = peer(address);
        let mut open = self.lock();
        let number = open.last().map_or(0, |hand| hand.number.wrapping_add(1));
        let of_peer = open.iter().filter(|hand| hand.of == of).count();
        let oldest = if of_peer >= self.most_of_one {
            open.iter().position(|hand| hand.of == of)
        } else {
            (open.len() >= self.most).then_some(0)
        };
        if let Some(oldest) = oldest {
            open.remove(oldest);
        }
        open.push(Hand {
            number,
            of,
            _given_up: given_up,
        });
        Shaking {
            hands: self.clone(),
            number,
            pushed_out,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Hand>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shaking {
    fn drop(&mut self) {
        self.hands.lock().retain(|hand| hand.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn user(group: Option<&str>) -> User {
        User {
            name: "x".to_owned(),
            groups: group.map(str::to_owned).into_iter().collect(),
            recovery: false,
        }
    }

    #[test]
    fn some_places_are_the_controllers_and_some_are_not_for_readers() {
        let places = Places::new(Kept {
            all: 4,
            controller: 2,
            members: 1,
        });
        let [reader, member, controller] = [None, Some("operator"), Some(CONTROLLER)].map(user);
        let one = places.try_take(&reader).unwrap();
        assert!(places.try_take(&reader).is_none());
        let other = places.try_take(&member).unwrap();
        assert!(places.try_take(&member).is_none());
        let held = [&controller; 2].map(|user| places.try_take(user).unwrap());
        assert!(places.try_take(&controller).is_none());
        drop(one);
        assert!(places.try_take(&controller).is_some());
        let two = places.try_take(&member).unwrap();
        assert!(places.try_take(&reader).is_none(), "the household has both");
        drop((held, other, two));
        assert!(places.try_take(&reader).is_some());
    }

    #[test]
    fn one_user_does_not_take_all_streams() {
        let streams = Users::default();
        let take = |user: &str| streams.try_take(user, 2, 3);
        let own = [take("a").unwrap(), take("a").unwrap()];
        assert!(take("a").is_none());
        let other = take("b").unwrap();
        assert!(take("c").is_none(), "all are taken");
        drop(other);
        assert!(take("c").is_some());
        drop(own);
        assert!(take("a").is_some());
    }

    #[test]
    fn silent_connections_push_out_each_other() {
        let hands = Hands::new(4, 2);
        let begin = |text: &str| hands.begin(text.parse().unwrap());
        let mut stranger = begin("192.0.2.9");
        let mut first = begin("192.0.2.1");
        let second = begin("::ffff:192.0.2.1");
        assert!(is_open(&mut first));
        let third = begin("192.0.2.1");
        assert!(!is_open(&mut first));
        drop(first);
        let [six, mut same] = ["2001:db8::1", "2001:db8::2"].map(begin);
        assert!(!is_open(&mut stranger), "the oldest");
        let newest = begin("2001:db8::3");
        assert!(is_open(&mut same));
        drop((second, third, six, newest, stranger, same));
        assert!(hands.lock().is_empty());
    }

    fn is_open(shaking: &mut Shaking) -> bool {
        shaking.pushed_out.try_recv() == Err(oneshot::error::TryRecvError::Empty)
    }
}
