//! Events: who wants which, and who gets it.

use super::super::access::{Deed, matches};
use super::{Bus, Delivery};
use glimpse_agent::local::ubus::blob::Writer;
use glimpse_agent::local::ubus::message::{FIRST_ID, Message, Status};
use serde_json::Value;

impl Bus {
    pub(super) fn listen(&mut self, client: u32, data: &Value) -> Status {
        let id = data["object"].as_i64();
        // Ids above the half are negative in JSON.
        let id = id
            .and_then(|id| i32::try_from(id).ok())
            .map(i32::cast_unsigned);
        let (Some(id), Some(pattern)) = (id, data["pattern"].as_str()) else {
            return Status::InvalidArgument;
        };
        let begin = pattern.strip_suffix('*').unwrap_or(pattern);
        let allowed = self.may(client, Deed::Listen, begin);
        match self.objects.get_mut(&id) {
            _ if id < FIRST_ID => Status::PermissionDenied,
            None => Status::NotFound,
            Some(object) if object.client != client || pattern.is_empty() || !allowed => {
                Status::PermissionDenied
            }
            Some(object) => {
                object.patterns.push(pattern.to_owned());
                Status::Ok
            }
        }
    }

    pub(super) fn send(&mut self, client: u32, data: &Value, sent: &mut Vec<Delivery>) -> Status {
        let (Some(event), Some(members)) = (data["id"].as_str(), data["data"].as_object()) else {
            return Status::InvalidArgument;
        };
        if event.starts_with("ubus.") || !self.may(client, Deed::Send, event) {
            return Status::PermissionDenied;
        }
        let mut writer = Writer::default();
        writer.members(members);
        self.distribute(Some(client), event, &writer.into_bytes(), sent);
        Status::Ok
    }

    pub(super) fn announce(&mut self, event: &str, id: u32, path: &str, sent: &mut Vec<Delivery>) {
        let mut writer = Writer::default();
        writer.integer("id", i64::from(id.cast_signed()));
        writer.text("path", path);
        self.distribute(None, event, &writer.into_bytes(), sent);
    }

    /// Each object that listens gets an event once, but not that of its own client.
    fn distribute(
        &mut self,
        from: Option<u32>,
        event: &str,
        data: &[u8],
        sent: &mut Vec<Delivery>,
    ) {
        let mut seq = self.seq;
        for (&id, object) in &self.objects {
            let wanted = object
                .patterns
                .iter()
                .any(|pattern| matches(pattern, event));
            if wanted && from != Some(object.client) {
                seq = seq.wrapping_add(1);
                let mut message = Message::invoke(seq, id, event, data.to_vec());
                message.peer = 0;
                sent.push((object.client, message));
            }
        }
        self.seq = seq;
    }
}
