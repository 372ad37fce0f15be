//! Circumstances under which a run is skipped.

use crate::read::{Cursor, Refused};
use serde::Serialize;

/// The link by which the agent reaches the Internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Ethernet, fibre, DSL.
    Wired,
    /// WLAN as the way to the Internet.
    Wireless,
    /// A mobile network.
    Mobile,
    /// Not known.
    Unknown,
}

/// What must hold for a run; a run for which it does not leaves a skip record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Precondition {
    /// May run when the way to the Internet is WLAN.
    pub on_wireless: bool,
    /// May run when it is wired; a link of unknown kind counts as wired.
    pub on_wire: bool,
    /// May run when it is a mobile network.
    pub on_cellular: bool,
    /// Least battery charge in percent, where there is a battery.
    pub min_charge: u8,
}

impl Default for Precondition {
    fn default() -> Self {
        Self {
            on_wireless: true,
            on_wire: true,
            on_cellular: true,
            min_charge: 0,
        }
    }
}

impl Precondition {
    /// Reads the object. The original's `loc_*` members are accepted with a radius of 0 only: a
    /// gateway has no location, and a limit that cannot be kept must not be dropped.
    pub fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        members.only(&[
            "on_wireless",
            "on_wire",
            "on_cellular",
            "min_charge",
            "loc_lat",
            "loc_long",
            "loc_radius",
        ])?;
        if let Some(radius) = members.optional("loc_radius")
            && radius.value().as_f64() != Some(0.0)
        {
            return Err(radius.refuse("must be 0: this agent does not know where it stands"));
        }
        let flag = |name| {
            members
                .optional(name)
                .map_or(Ok(true), |flag| flag.boolean())
        };
        Ok(Self {
            on_wireless: flag("on_wireless")?,
            on_wire: flag("on_wire")?,
            on_cellular: flag("on_cellular")?,
            min_charge: match members.optional("min_charge") {
                Some(charge) => u8::try_from(charge.integer(0, 100)?).unwrap_or(100),
                None => 0,
            },
        })
    }

    /// What is not met, as words for the skip record; `None` when the run may go on.
    pub fn unmet(&self, link: Link, charge: Option<u8>) -> Option<&'static str> {
        let allowed = match link {
            Link::Wireless => self.on_wireless,
            Link::Wired | Link::Unknown => self.on_wire,
            Link::Mobile => self.on_cellular,
        };
        if !allowed {
            return Some(match link {
                Link::Wireless => "on_wireless is false and the link is wireless",
                Link::Wired => "on_wire is false and the link is wired",
                Link::Unknown => "on_wire is false and the kind of link is not known",
                Link::Mobile => "on_cellular is false and the link is mobile",
            });
        }
        charge
            .is_some_and(|charge| charge < self.min_charge)
            .then_some("the battery is below min_charge")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn links_and_charge() {
        let value = json!({"on_wire": false, "min_charge": 50, "loc_lat": 1.5, "loc_radius": 0});
        let precondition = Precondition::read(&Cursor::at(&value, "p")).unwrap();
        assert!(precondition.unmet(Link::Wired, None).is_some());
        assert!(precondition.unmet(Link::Unknown, None).is_some());
        assert_eq!(precondition.unmet(Link::Wireless, None), None);
        assert_eq!(precondition.unmet(Link::Wireless, Some(50)), None);
        assert!(precondition.unmet(Link::Mobile, Some(49)).is_some());
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        for value in [json!({"loc_radius": 100}), json!({"on_satellite": false})] {
            assert!(Precondition::read(&Cursor::at(&value, "p")).is_err());
        }
    }
}
