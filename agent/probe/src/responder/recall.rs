//! Taking back the leave that was given.

use std::sync::Arc;

use tokio::sync::watch;

/// By which the owner ends what it has let begin. Clones share it.
#[derive(Clone, Debug)]
pub struct Recall(Arc<watch::Sender<Option<Box<str>>>>);

impl Recall {
    /// Ends it, for a reason in a lower-case fragment; the first reason stands.
    pub fn end(&self, reason: &str) {
        self.0.send_if_modified(|said| {
            let first = said.is_none();
            said.get_or_insert_with(|| reason.into());
            first
        });
    }

    /// Why it is to end, if it is.
    pub fn reason(&self) -> Option<String> {
        self.0.borrow().as_deref().map(str::to_owned)
    }

    /// Waits until it is to end and says why.
    pub async fn ended(&self) -> String {
        let mut said = self.0.subscribe();
        // Its sender lives as long as this.
        let reason = said.wait_for(Option::is_some).await;
        reason.map_or_else(
            |_| String::new(),
            |reason| reason.as_deref().unwrap_or_default().to_owned(),
        )
    }
}

impl Default for Recall {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_is_heard_by_those_who_wait_and_those_who_come_later() {
        let recall = Recall::default();
        let waiting = tokio::spawn({
            let recall = recall.clone();
            async move { recall.ended().await }
        });
        tokio::task::yield_now().await;
        assert_eq!(recall.reason(), None);
        recall.clone().end("one");
        recall.end("two");
        assert!(waiting.await.is_ok_and(|reason| reason == "one"));
        assert_eq!(recall.ended().await, "one");
        assert_eq!(recall.reason().as_deref(), Some("one"));
    }
}
