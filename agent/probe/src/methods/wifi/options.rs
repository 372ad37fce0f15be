//! What may be asked of `wifi`.

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;

/// Longest name of an interface (`IFNAMSIZ` less its end), in bytes.
const NAME_LIMIT: usize = 15;

/// The table of options.
pub(super) const OPTIONS: &[OptionSpec] = &[OptionSpec::optional_text(
    "interface",
    "",
    NAME_LIMIT,
    "the Wi-Fi interface to look at; all of this machine if empty",
)];

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WifiOptions {
    /// Name of the interface; `None` for all.
    pub interface: Option<String>,
}

impl WifiOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] when the name is none that an interface can have.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let name = options.text("interface");
        if name.contains(['/', ':', ' ']) {
            return Err(Refused::new("interface", "is no name of an interface"));
        }
        Ok(Self {
            interface: (!name.is_empty()).then(|| name.to_owned()),
        })
    }
}
