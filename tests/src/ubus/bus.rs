//! What the bus does with a message: to whom it goes on, and what is answered. Pure.

mod events;
#[cfg(test)]
mod tests;

use super::access::{Access, Credentials, Deed, matches};
use glimpse_agent::local::ubus::blob::to_json;
use glimpse_agent::local::ubus::message::{
    Attributes, EVENTS, FIRST_ID, Message, Status, Verb, signature,
};
use std::collections::BTreeMap;

/// A message and the client that gets it.
pub type Delivery = (u32, Message);

#[derive(Debug)]
struct Object {
    client: u32,
    path: Option<String>,
    /// Its type and what it can do.
    kind: Option<(u32, Vec<u8>)>,
    /// Objects that want its notifications.
    subscribers: Vec<u32>,
    /// Events it wants.
    patterns: Vec<String>,
}

/// The state of the bus.
#[derive(Debug)]
pub struct Bus {
    access: Access,
    clients: BTreeMap<u32, Credentials>,
    objects: BTreeMap<u32, Object>,
    random: u64,
    seq: u16,
}

impl Bus {
    /// A bus without clients, whose ids follow from `seed`.
    pub fn new(seed: u64, access: Access) -> Self {
        Self {
            access,
            clients: BTreeMap::new(),
            objects: BTreeMap::new(),
            random: seed,
            seq: 0,
        }
    }

    /// Somebody has come: its id and its greeting.
    pub fn greet(&mut self, who: Credentials) -> Delivery {
        let id = self.id();
        self.clients.insert(id, who);
        (id, Message::new(Verb::Hello, 0, id, Attributes::default()))
    }

    /// Somebody has gone.
    pub fn part(&mut self, client: u32) -> Vec<Delivery> {
        let objects: Vec<u32> = self
            .objects
            .iter()
            .filter(|(_, object)| object.client == client)
            .map(|(&id, _)| id)
            .collect();
        let mut sent = Vec::new();
        for object in objects {
            self.withdraw(object, &mut sent);
        }
        self.clients.remove(&client);
        sent.retain(|(receiver, _)| *receiver != client);
        sent
    }

    /// Somebody has sent a message.
    pub fn take(&mut self, client: u32, message: Message) -> Vec<Delivery> {
        let (seq, peer) = (message.seq, message.peer);
        let mut sent = Vec::new();
        let ended = match message.verb {
            Verb::Ping => {
                sent.push((
                    client,
                    Message {
                        verb: Verb::Data,
                        ..message
                    },
                ));
                Some(Status::Ok)
            }
            Verb::Lookup => Some(self.look_up(client, &message, &mut sent)),
            Verb::Invoke => self.invoke(client, message, &mut sent),
            Verb::AddObject => Some(self.add(client, message, &mut sent)),
            Verb::RemoveObject => Some(self.remove(client, &message, &mut sent)),
            Verb::Subscribe => Some(self.subscribe(client, &message, &mut sent)),
            Verb::Unsubscribe => Some(self.unsubscribe(client, &message, &mut sent)),
            Verb::Notify => self.notify(client, &message, &mut sent),
            Verb::Status | Verb::Data => {
                self.answer(client, message, &mut sent);
                None
            }
            Verb::Hello | Verb::Monitor => Some(Status::InvalidCommand),
        };
        if let Some(status) = ended {
            sent.push((client, Message::status(seq, peer, None, status)));
        }
        sent
    }

    fn look_up(&self, client: u32, message: &Message, sent: &mut Vec<Delivery>) -> Status {
        let pattern = match message.attributes.path.as_deref() {
            Some("") => return Status::InvalidArgument,
            Some(pattern) => pattern,
            None => "*",
        };
        let mut found: Vec<(&str, u32, &Object)> = self
            .objects
            .iter()
            .filter_map(|(&id, object)| Some((object.path.as_deref()?, id, object)))
            .filter(|(path, ..)| matches(pattern, path))
            .collect();
        found.sort_by_key(|(path, ..)| *path);
        if found.is_empty() && message.attributes.path.is_some() {
            return Status::NotFound;
        }
        for (path, id, object) in found {
            let Some((kind, all)) = &object.kind else {
                continue;
            };
            let visible = signature(all).is_ok_and(|methods| {
                methods.is_empty()
                    || methods
                        .iter()
                        .any(|method| self.may(client, Deed::Call(&method.name), path))
            });
            if visible {
                let attributes = Attributes {
                    path: Some(path.to_owned()),
                    object: Some(id),
                    object_type: Some(*kind),
                    signature: Some(all.clone()),
                    ..Attributes::default()
                };
                sent.push((
                    client,
                    Message::new(Verb::Data, message.seq, message.peer, attributes),
                ));
            }
        }
        Status::Ok
    }

    fn invoke(
        &mut self,
        client: u32,
        message: Message,
        sent: &mut Vec<Delivery>,
    ) -> Option<Status> {
        let (Some(id), Some(method)) = (message.attributes.object, &message.attributes.method)
        else {
            return Some(Status::InvalidArgument);
        };
        if id == EVENTS {
            let data = message.attributes.data.as_deref().map(to_json);
            let Some(Ok(data)) = data else {
                return Some(Status::InvalidArgument);
            };
            return Some(match method.as_str() {
                "register" => self.listen(client, &data),
                "send" => self.send(client, &data, sent),
                _ => Status::InvalidCommand,
            });
        }
        let Some(object) = self.objects.get(&id) else {
            return Some(Status::NotFound);
        };
        let path = object.path.as_deref().unwrap_or_default();
        if !path.is_empty() && !self.may(client, Deed::Call(method), path) {
            return Some(Status::PermissionDenied);
        }
        let receiver = object.client;
        sent.push((receiver, self.forwarded(client, id, message)));
        None
    }

    /// A call or notification as its receiver gets it: with who it is that calls.
    fn forwarded(&self, client: u32, object: u32, message: Message) -> Message {
        let who = self.clients.get(&client);
        let attributes = Attributes {
            object: Some(object),
            no_reply: message.verb == Verb::Notify && message.attributes.no_reply,
            method: message.attributes.method,
            user: who.map(|who| who.user.clone()),
            group: who.map(|who| who.group.clone()),
            data: message.attributes.data,
            ..Attributes::default()
        };
        Message::new(Verb::Invoke, message.seq, client, attributes)
    }

    fn add(&mut self, client: u32, message: Message, sent: &mut Vec<Delivery>) -> Status {
        let Attributes {
            path,
            signature: methods,
            ..
        } = message.attributes;
        if methods
            .as_deref()
            .is_some_and(|methods| signature(methods).is_err())
        {
            return Status::InvalidArgument;
        }
        if let Some(path) = &path {
            let taken = self
                .objects
                .values()
                .any(|object| object.path.as_ref() == Some(path));
            // One status for both, as ubusd has it.
            if taken || !self.may(client, Deed::Publish, path) {
                return Status::InvalidArgument;
            }
        }
        let id = self.id();
        let kind = methods.map(|methods| (self.id(), methods));
        let attributes = Attributes {
            object: Some(id),
            object_type: kind.as_ref().map(|(kind, _)| *kind),
            ..Attributes::default()
        };
        if let Some(path) = &path {
            self.announce("ubus.object.add", id, path, sent);
        }
        let object = Object {
            client,
            path,
            kind,
            subscribers: Vec::new(),
            patterns: Vec::new(),
        };
        self.objects.insert(id, object);
        sent.push((
            client,
            Message::new(Verb::Data, message.seq, message.peer, attributes),
        ));
        Status::Ok
    }

    fn remove(&mut self, client: u32, message: &Message, sent: &mut Vec<Delivery>) -> Status {
        let Some(id) = message.attributes.object else {
            return Status::InvalidArgument;
        };
        match self.objects.get(&id) {
            None => Status::NotFound,
            Some(object) if object.client != client => Status::PermissionDenied,
            Some(object) => {
                let attributes = Attributes {
                    object: Some(id),
                    object_type: object.kind.as_ref().map(|(kind, _)| *kind),
                    ..Attributes::default()
                };
                sent.push((
                    client,
                    Message::new(Verb::Data, message.seq, message.peer, attributes),
                ));
                self.withdraw(id, sent);
                Status::Ok
            }
        }
    }

    fn withdraw(&mut self, id: u32, sent: &mut Vec<Delivery>) {
        let Some(object) = self.objects.remove(&id) else {
            return;
        };
        let targets: Vec<u32> = self.objects.keys().copied().collect();
        for target in targets {
            self.leave(id, target, sent);
        }
        for subscriber in object.subscribers {
            let seq = self.seq();
            if let Some(listener) = self.objects.get(&subscriber) {
                let attributes = Attributes {
                    object: Some(subscriber),
                    target: Some(id),
                    ..Attributes::default()
                };
                let gone = Message::new(Verb::Unsubscribe, seq, 0, attributes);
                sent.push((listener.client, gone));
            }
        }
        if let Some(path) = &object.path {
            self.announce("ubus.object.remove", id, path, sent);
        }
    }

    fn subscribe(&mut self, client: u32, message: &Message, sent: &mut Vec<Delivery>) -> Status {
        let (Some(id), Some(target)) = (message.attributes.object, message.attributes.target)
        else {
            return Status::InvalidArgument;
        };
        match (self.objects.get(&id), self.objects.get(&target)) {
            (None, _) | (_, None) => return Status::NotFound,
            (Some(own), _) if own.client != client => return Status::InvalidArgument,
            (_, Some(other)) if other.client == client => return Status::InvalidArgument,
            (_, Some(other)) => {
                let path = other.path.as_deref().unwrap_or_default();
                if !self.may(client, Deed::Subscribe, path) {
                    return Status::NotFound;
                }
            }
        }
        let seq = self.seq();
        if let Some(other) = self.objects.get_mut(&target) {
            other.subscribers.push(id);
            if other.subscribers.len() == 1 {
                sent.push((other.client, heard(seq, target, true)));
            }
        }
        Status::Ok
    }

    fn unsubscribe(&mut self, client: u32, message: &Message, sent: &mut Vec<Delivery>) -> Status {
        let (Some(id), Some(target)) = (message.attributes.object, message.attributes.target)
        else {
            return Status::InvalidArgument;
        };
        let owner = self.objects.get(&id).map(|own| own.client);
        if owner.is_some_and(|owner| owner != client) {
            return Status::InvalidArgument;
        }
        if owner.is_some() && self.leave(id, target, sent) {
            Status::Ok
        } else {
            Status::NotFound
        }
    }

    /// Ends the subscription of `id` to `target`, if there is one.
    fn leave(&mut self, id: u32, target: u32, sent: &mut Vec<Delivery>) -> bool {
        let seq = self.seq();
        let Some(object) = self.objects.get_mut(&target) else {
            return false;
        };
        let before = object.subscribers.len();
        object.subscribers.retain(|&subscriber| subscriber != id);
        let left = object.subscribers.len() < before;
        if left && object.subscribers.is_empty() {
            sent.push((object.client, heard(seq, target, false)));
        }
        left
    }

    fn notify(
        &mut self,
        client: u32,
        message: &Message,
        sent: &mut Vec<Delivery>,
    ) -> Option<Status> {
        let (Some(id), Some(_)) = (message.attributes.object, &message.attributes.method) else {
            return Some(Status::InvalidArgument);
        };
        let Some(object) = self.objects.get(&id) else {
            return Some(Status::NotFound);
        };
        if object.client != client {
            return Some(Status::PermissionDenied);
        }
        if !message.attributes.no_reply {
            let mut status = Message::status(message.seq, message.peer, Some(id), Status::Ok);
            status.attributes.subscribers = Some(object.subscribers.clone());
            sent.push((client, status));
        }
        for subscriber in &object.subscribers {
            if let Some(listener) = self.objects.get(subscriber) {
                sent.push((
                    listener.client,
                    self.forwarded(client, *subscriber, message.clone()),
                ));
            }
        }
        None
    }

    /// An answer of a provider goes to the client that called.
    fn answer(&mut self, client: u32, mut message: Message, sent: &mut Vec<Delivery>) {
        let Some(id) = message.attributes.object else {
            return;
        };
        let own = self
            .objects
            .get(&id)
            .is_some_and(|object| object.client == client);
        let complete = match message.verb {
            Verb::Status => message.attributes.status.is_some(),
            _ => message.attributes.data.is_some(),
        };
        let caller = message.peer;
        if own && complete && self.clients.contains_key(&caller) {
            message.peer = id;
            sent.push((caller, message));
        }
    }

    fn may(&self, client: u32, deed: Deed<'_>, name: &str) -> bool {
        let who = self.clients.get(&client);
        who.is_some_and(|who| self.access.permits(who, deed, name))
    }

    fn seq(&mut self) -> u16 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }

    /// A new id, by splitmix64.
    fn id(&mut self) -> u32 {
        loop {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let id = (mixed >> 32) as u32;
            if id > FIRST_ID && !self.clients.contains_key(&id) && !self.objects.contains_key(&id) {
                return id;
            }
        }
    }
}

/// Tells the client of `object` whether anybody listens to it.
fn heard(seq: u16, object: u32, active: bool) -> Message {
    let attributes = Attributes {
        object: Some(object),
        active: Some(active),
        ..Attributes::default()
    };
    Message::new(Verb::Notify, seq, 0, attributes)
}
