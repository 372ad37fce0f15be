//! Prefixes of places, as ISPs supply them: a JSON object like the data member of a network map (RFC 7285 §11.2.1.6).
//!
//! ```json
//! {"as3320:de-by": {"ipv4": ["198.51.100.0/24"], "ipv6": ["2001:db8::/32"]}}
//! ```

use super::PlaceError;
use glimpse_aggregate::TOTAL;
use glimpse_alto::{Family, PidName, Prefix};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

/// What stands between the parts of the name of a place.
const SEPARATOR: char = ':';

/// Which place a prefix belongs to. No prefix is in two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes(BTreeMap<PidName, BTreeSet<Prefix>>);

impl Prefixes {
    /// Reads a file.
    ///
    /// # Errors
    /// [`PlaceError`] with file, PID and prefix.
    pub fn read(path: &Path) -> Result<Self, PlaceError> {
        let bytes = std::fs::read(path).map_err(|source| PlaceError::Io {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&bytes, path)
    }

    /// Reads the content of the file at `path`.
    ///
    /// # Errors
    /// [`PlaceError`] with file, PID and prefix.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, PlaceError> {
        let Object(document): Object<Object<Vec<String>>> =
            serde_json::from_slice(bytes).map_err(|error| PlaceError::Syntax {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        let mut places = BTreeMap::new();
        let mut owners: BTreeMap<Prefix, PidName> = BTreeMap::new();
        for (name, Object(kinds)) in document {
            let pid = PidName::new(&name).map_err(|error| PlaceError::Name {
                path: path.to_owned(),
                name,
                error,
            })?;
            let mut prefixes = BTreeSet::new();
            for (kind, texts) in kinds {
                for text in texts {
                    let prefix = prefix(path, &pid, &kind, text)?;
                    if let Some(first) = owners.insert(prefix, pid.clone())
                        && first != pid
                    {
                        return Err(PlaceError::Overlap {
                            path: path.to_owned(),
                            prefix,
                            first,
                            second: pid,
                        });
                    }
                    prefixes.insert(prefix);
                }
            }
            places.insert(pid, prefixes);
        }
        Ok(Self(places))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(BTreeSet::is_empty)
    }

    /// The prefixes of the given PIDs, if they are to be those of one network map: what belongs to a place that is not
    /// among them goes to the nearest one around it, in the end to `TOTAL`, if any is: else it would be that of whichever ISP
    /// has the prefix around it. Prefixes that are `taken`, such as clusters' addresses, are left out.
    pub fn of<'a>(
        &'a self,
        pids: &BTreeSet<&str>,
        taken: &BTreeSet<Prefix>,
    ) -> BTreeMap<&'a str, Vec<Prefix>> {
        let mut groups: BTreeMap<&str, Vec<Prefix>> = BTreeMap::new();
        for (place, prefixes) in &self.0 {
            let chain = std::iter::successors(Some(place.as_str()), |place| {
                Some(place.rsplit_once(SEPARATOR)?.0)
            });
            let mut chain = chain.chain([TOTAL]);
            if let Some(pid) = chain.find(|place| pids.contains(place)) {
                let free = prefixes.difference(taken).copied();
                groups.entry(pid).or_default().extend(free);
            }
        }
        groups
    }
}

fn prefix(path: &Path, pid: &PidName, kind: &str, text: String) -> Result<Prefix, PlaceError> {
    let family = Family::of_name(kind);
    match text.parse::<Prefix>() {
        Ok(prefix) if family == Some(prefix.family()) => Ok(prefix),
        Err(error) if family.is_some() => Err(PlaceError::Prefix {
            path: path.to_owned(),
            pid: pid.clone(),
            error,
        }),
        _ => Err(PlaceError::AddressType {
            path: path.to_owned(),
            pid: pid.clone(),
            kind: kind.to_owned(),
            prefix: text,
        }),
    }
}

/// A JSON object without repeated members: of two, one would be lost.
struct Object<V>(BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Object<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Members<V> {
            type Value = BTreeMap<String, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of PID to address type to prefixes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    match members.entry(name) {
                        Entry::Vacant(vacant) => {
                            vacant.insert(map.next_value()?);
                        }
                        Entry::Occupied(twice) => {
                            let name = twice.key();
                            return Err(A::Error::custom(format!("{name:?} is there twice")));
                        }
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}
