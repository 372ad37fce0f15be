//! Addresses and prefixes: what is said of a prefix holds for all inside it of which nothing else is said
//! (RFC 9240 §6.1.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::entity::Identifier;
use crate::{Family, NetworkMap, Prefix, PropertyName};

/// Properties of addresses, with what is said of prefixes.
pub(super) type Addresses = BTreeMap<PropertyName, Values>;

/// What is said of prefixes.
#[derive(Clone, Debug)]
pub(super) enum Values {
    /// What stands here. `None` is "no value".
    Own(BTreeMap<Prefix, Option<String>>),
    /// The PIDs of a network map.
    Pids(Arc<NetworkMap>),
}

/// What is said of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said<'a> {
    /// Nothing.
    Nothing,
    /// That there is no value.
    Null,
    /// A value.
    Text(&'a str),
}

impl Said<'_> {
    /// Whether clients are told the same by either.
    fn agrees(self, other: Self) -> bool {
        let empty = |said| matches!(said, Self::Nothing | Self::Null);
        self == other || (empty(self) && empty(other))
    }
}

impl Serialize for Said<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing | Self::Null => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl Values {
    /// What holds for all of a prefix: said of it or of the longest prefix around it.
    fn at(&self, prefix: Prefix) -> Said<'_> {
        match self {
            Self::Own(values) => around(prefix)
                .find_map(|prefix| values.get(&prefix))
                .map_or(Said::Nothing, |value| said(value.as_ref())),
            Self::Pids(map) => map
                .pid_around(prefix)
                .map_or(Said::Nothing, |pid| Said::Text(pid.as_str())),
        }
    }

    /// What is said of prefixes inside `outer`, itself among them, in their order.
    fn inside<'a>(&'a self, outer: Prefix, mut visit: impl FnMut(Prefix, Said<'a>)) {
        match self {
            Self::Own(values) => values
                .range(outer..)
                .take_while(|(prefix, _)| outer.covers(**prefix))
                .for_each(|(prefix, value)| visit(*prefix, said(value.as_ref()))),
            Self::Pids(map) => map
                .inside(outer)
                .for_each(|(prefix, pid)| visit(prefix, Said::Text(pid.as_str()))),
        }
    }
}

fn said(value: Option<&String>) -> Said<'_> {
    value.map_or(Said::Null, |text| Said::Text(text))
}

/// The prefix and all around it, the longest first.
fn around(prefix: Prefix) -> impl Iterator<Item = Prefix> {
    std::iter::successors(Some(prefix), |prefix| prefix.parent())
}

fn width(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 32,
        Family::Ipv6 => 128,
    }
}

/// What is answered of addresses and prefixes of one family.
pub(super) struct AddressAnswer<'a> {
    names: Vec<&'a PropertyName>,
    /// In the order of their prefixes, those of one prefix in that of the names.
    cells: Vec<Cell<'a>>,
    /// Prefixes as the client wrote them, in order.
    spelled: Vec<(Prefix, &'a str)>,
    /// Whether only the entities matter.
    bare: bool,
}

#[derive(Clone, Copy)]
struct Cell<'a> {
    prefix: Prefix,
    /// Index into the names.
    column: usize,
    said: Said<'a>,
}

impl<'a> AddressAnswer<'a> {
    /// All that is said and is not inherited.
    pub(super) fn all(
        addresses: &'a Addresses,
        family: Family,
        names: &[&'a PropertyName],
    ) -> Self {
        let mut answer = Self::empty(names);
        let everything = Prefix::everything(family);
        answer.columns(addresses, |cells, column, values| {
            refine(cells, column, values, everything, Said::Nothing);
        });
        answer.sort();
        answer
    }

    /// What is said of the given prefixes: all that holds for each as a whole, and what holds for parts of it only
    /// (RFC 9240 §8.6). A prefix whose parts make up the whole of it gives way to them.
    pub(super) fn of(
        addresses: &'a Addresses,
        names: &[&'a PropertyName],
        mut spelled: Vec<(Prefix, &'a str)>,
    ) -> Self {
        spelled.sort_unstable();
        spelled.dedup();
        let mut answer = Self::empty(names);
        let outermost = outermost(&spelled);
        answer.columns(addresses, |cells, column, values| {
            for outer in &outermost {
                refine(cells, column, values, *outer, values.at(*outer));
            }
            whole(cells, column, values, &spelled);
        });
        answer.spelled = spelled;
        answer.sort();
        answer.give_way();
        answer
    }

    /// Those of the given prefixes of which anything is said at all.
    pub(super) fn known(
        addresses: &'a Addresses,
        names: &[&'a PropertyName],
        mut spelled: Vec<(Prefix, &'a str)>,
    ) -> Self {
        spelled.sort_unstable();
        spelled.dedup();
        let mut answer = Self::empty(names);
        answer.columns(addresses, |cells, column, values| {
            whole(cells, column, values, &spelled);
        });
        answer.spelled = spelled;
        answer.sort();
        answer.bare()
    }

    /// The same without what is said.
    pub(super) fn bare(self) -> Self {
        Self { bare: true, ..self }
    }

    fn empty(names: &[&'a PropertyName]) -> Self {
        Self {
            names: names.to_vec(),
            cells: Vec::new(),
            spelled: Vec::new(),
            bare: false,
        }
    }

    fn columns(
        &mut self,
        addresses: &'a Addresses,
        mut fill: impl FnMut(&mut Vec<Cell<'a>>, usize, &'a Values),
    ) {
        for (column, name) in self.names.iter().enumerate() {
            if let Some(values) = addresses.get(*name) {
                fill(&mut self.cells, column, values);
            }
        }
    }

    fn sort(&mut self) {
        let key = |cell: &Cell<'_>| (cell.prefix, cell.column);
        self.cells.sort_by_key(key);
        self.cells.dedup_by_key(|cell| key(cell));
    }

    /// Takes out the prefixes that others of the answer make up, and gives these what they inherited from them.
    fn give_way(&mut self) {
        let mut kept: Vec<Cell<'a>> = Vec::with_capacity(self.cells.len());
        let entities: Vec<&[Cell<'a>]> = self
            .cells
            .chunk_by(|one, other| one.prefix == other.prefix)
            .collect();
        let made_up = made_up(&entities);
        if !made_up.contains(&true) {
            return;
        }
        // Around the entity at hand, the innermost last: what is said of those that give way, as a whole.
        let mut stack: Vec<(Prefix, Vec<Cell<'a>>)> = Vec::new();
        for (cells, made_up) in entities.into_iter().zip(made_up) {
            let Some(first) = cells.first() else { continue };
            while stack
                .pop_if(|(outer, _)| !outer.covers(first.prefix))
                .is_some()
            {}
            let mut own = cells.to_vec();
            for cell in stack.last().map_or(&[][..], |(_, cells)| cells) {
                if !own.iter().any(|other| other.column == cell.column) {
                    own.push(Cell {
                        prefix: first.prefix,
                        ..*cell
                    });
                }
            }
            own.sort_by_key(|cell| cell.column);
            if made_up {
                stack.push((first.prefix, own));
            } else {
                stack.push((first.prefix, Vec::new()));
                kept.append(&mut own);
            }
        }
        self.cells = kept;
    }

    /// Writes the entities as members.
    pub(super) fn write<M: SerializeMap>(&self, members: &mut M) -> Result<(), M::Error> {
        for cells in self.cells.chunk_by(|one, other| one.prefix == other.prefix) {
            let Some(Cell { prefix, .. }) = cells.first() else {
                continue;
            };
            let said = Members {
                names: &self.names,
                cells: if self.bare { &[] } else { cells },
            };
            let from = self.spelled.partition_point(|(other, _)| other < prefix);
            let as_spelled = self.spelled[from..]
                .iter()
                .take_while(|(other, _)| other == prefix);
            let mut unspelled = true;
            for (_, text) in as_spelled {
                unspelled = false;
                members.serialize_entry(text, &said)?;
            }
            if unspelled {
                members.serialize_entry(&Identifier(*prefix), &said)?;
            }
        }
        Ok(())
    }
}

/// What is said of one entity.
struct Members<'a> {
    names: &'a [&'a PropertyName],
    cells: &'a [Cell<'a>],
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.cells
                .iter()
                .map(|cell| (self.names[cell.column], cell.said)),
        )
    }
}

/// Those of the prefixes, which are in order, that are in no other and have others inside them.
fn outermost(spelled: &[(Prefix, &str)]) -> Vec<Prefix> {
    let mut outermost: Vec<Prefix> = Vec::new();
    for (prefix, _) in spelled {
        let inside = outermost.last().is_some_and(|outer| outer.covers(*prefix));
        if !inside && prefix.length() < width(prefix.family()) {
            outermost.push(*prefix);
        }
    }
    outermost
}

/// What holds for each of the prefixes as a whole.
fn whole<'a>(
    cells: &mut Vec<Cell<'a>>,
    column: usize,
    values: &'a Values,
    spelled: &[(Prefix, &'a str)],
) {
    for (prefix, _) in spelled {
        let said = values.at(*prefix);
        if said != Said::Nothing {
            cells.push(Cell {
                prefix: *prefix,
                column,
                said,
            });
        }
    }
}

/// What is said inside `outer` and is not what would be inherited; `around` holds for `outer` itself.
fn refine<'a>(
    cells: &mut Vec<Cell<'a>>,
    column: usize,
    values: &'a Values,
    outer: Prefix,
    around: Said<'a>,
) {
    // The prefixes around the one at hand, the innermost last.
    let mut stack: Vec<(Prefix, Said<'a>)> = Vec::new();
    values.inside(outer, |prefix, said| {
        while stack.pop_if(|(outer, _)| !outer.covers(prefix)).is_some() {}
        let inherited = stack.last().map_or(around, |(_, said)| *said);
        if !said.agrees(inherited) {
            cells.push(Cell {
                prefix,
                column,
                said,
            });
        }
        stack.push((prefix, said));
    });
}

/// Of each entity whether entities inside it have all its addresses.
fn made_up(entities: &[&[Cell<'_>]]) -> Vec<bool> {
    // Addresses of the entities directly inside one; all of IPv6 wraps to nothing.
    let mut inside: Vec<(bool, u128)> = vec![(false, 0); entities.len()];
    let size = |prefix: Prefix| {
        let host = u32::from(width(prefix.family()) - prefix.length());
        1_u128.checked_shl(host).unwrap_or(0)
    };
    let mut stack: Vec<(usize, Prefix)> = Vec::new();
    let mut own = Vec::with_capacity(entities.len());
    for (index, cells) in entities.iter().enumerate() {
        let Some(Cell { prefix, .. }) = cells.first() else {
            continue;
        };
        own.push(size(*prefix));
        while stack.pop_if(|(_, outer)| !outer.covers(*prefix)).is_some() {}
        if let Some((outer, _)) = stack.last() {
            let (any, sum) = &mut inside[*outer];
            *any = true;
            *sum = sum.wrapping_add(size(*prefix));
        }
        stack.push((index, *prefix));
    }
    inside
        .into_iter()
        .zip(own)
        .map(|((any, sum), own)| any && sum == own)
        .collect()
}
