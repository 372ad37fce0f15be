//! Tokens that can be read. Whether the controller signed them only a responder asks.

use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use glimpse_model::token::{Claims, MeasureId, PeerMethod, Token};

/// A token for `method` that is good for ever.
pub(crate) fn token(method: &str) -> String {
    let method = [PeerMethod::Btc, PeerMethod::PacketTrains, PeerMethod::Ping]
        .into_iter()
        .find(|known| known.as_str() == method)
        .unwrap();
    let claims = Claims {
        id: MeasureId::from_bytes([1; 16]),
        initiator: AgentId::new("one").unwrap(),
        responder: AgentId::new("two").unwrap(),
        method,
        not_before: Timestamp::from_unix_seconds(0),
        expires: Timestamp::from_unix_seconds(4_102_444_800),
        sessions: 1,
        max_bytes: 1_000_000_000,
        max_rate_bps: 1_000_000_000,
        max_duration_ms: 60_000,
    };
    Token::encode(&claims, &[0; 64])
        .unwrap()
        .as_str()
        .to_owned()
}
