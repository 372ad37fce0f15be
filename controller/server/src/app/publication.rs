//! What is published is computed, put in force, and followed.

use super::Shared;
use crate::alto;
use std::sync::Arc;

impl Shared {
    /// Computes what is due, and what late results change, and puts it in force; the old publication stands when that fails.
    pub async fn publish(&self) {
        let _alone = self.publishing.lock().await;
        let shown = self.publication.load_full();
        let computed = alto::compute(
            self.store.as_ref(),
            &self.config.alto,
            &self.supplied,
            self.now(),
            shown.as_deref(),
        );
        self.put_in_force(computed.await.map(Some));
    }

    /// Puts in force what is new, whoever computed it.
    pub(crate) async fn renew_publication(&self) {
        let _alone = self.publishing.lock().await;
        let shown = self.publication.load_full();
        let renewed = alto::renew(
            self.store.as_ref(),
            &self.config.alto,
            &self.supplied,
            self.now(),
            shown.as_deref(),
        );
        self.put_in_force(renewed.await);
    }

    fn put_in_force(&self, computed: Result<Option<alto::Published>, alto::AltoError>) {
        match computed {
            Ok(Some(published)) => {
                let new = Arc::clone(&published.publication);
                let old = self.publication.swap(Some(Arc::new(published)));
                if old.is_none_or(|old| !Arc::ptr_eq(&old.publication, &new)) {
                    self.published.send_modify(|count| *count += 1);
                    self.metrics.publications.count();
                }
            }
            Ok(None) => {}
            Err(error) => {
                self.metrics.publication_failures.count();
                tracing::error!(error = %error, "no new ALTO maps");
            }
        }
    }
}

/// Looks whether a window has closed, or another controller has published; at the start first at what was published before.
pub(super) async fn follow(shared: Arc<Shared>) {
    shared.renew_publication().await;
    loop {
        shared.renew_publication().await;
        tokio::time::sleep(shared.config.alto.interval).await;
    }
}
