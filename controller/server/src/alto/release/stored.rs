//! From the database to what a release is made of.

use super::Window;
use crate::alto::{AltoError, figures, service};
use crate::config::Alto;
use glimpse_store::Store;

/// The windows that this controller shows, with their maps: what a server of the same database publishes.
///
/// # Errors
/// [`AltoError`].
pub(crate) async fn stored(store: &dyn Store, config: &Alto) -> Result<Vec<Window>, AltoError> {
    let supplied = service::supplied(config)?;
    let shown = service::published(store, config).await?;
    let editions = figures::editions(&shown, &supplied)?;
    Ok(Window::all(shown, editions))
}
