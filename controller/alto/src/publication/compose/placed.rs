//! Editions on their shelves.

use std::sync::Arc;

use crate::publication::{Document, Publication, PublicationError, Shelf, Shelved};
use crate::{Edition, ResourceId, VersionTag};

/// An edition on its shelf, with the names of its columns as they stand in URIs.
pub(super) struct Placed<'a> {
    pub(super) edition: Arc<Edition>,
    pub(super) vtag: VersionTag,
    pub(super) shelf: Shelf,
    pub(super) ends: Vec<String>,
    /// The same edition in the publication before.
    before: Option<(&'a Edition, &'a Publication)>,
}

impl Placed<'_> {
    /// The document of that id from before, if it was made of the same network map and `unchanged` says that it would come out equal.
    pub(super) fn taken_over(
        &self,
        id: &ResourceId,
        unchanged: impl Fn(&Edition) -> bool,
    ) -> Option<Document> {
        let (edition, publication) = self.before?;
        let same = edition.map.tag() == self.vtag.tag && unchanged(edition);
        same.then(|| publication.document(id).cloned()).flatten()
    }
}

/// Checks an edition, and gives its cost types names of their own where several windows meet.
pub(super) fn place(
    shelved: Shelved,
    before: Option<&Publication>,
) -> Result<Placed<'_>, PublicationError> {
    let Shelved { mut edition, shelf } = shelved;
    check(&edition)?;
    let ends = edition.columns.iter().map(|c| c.name.clone()).collect();
    if shelf != Shelf::Current {
        for column in &mut edition.columns {
            column.name = format!("{}-{}", edition.id, column.name);
        }
    }
    let before = before.and_then(|before| Some((&**before.edition(&edition.id)?, before)));
    if let Some((before, _)) = before {
        edition.share(before);
    }
    Ok(Placed {
        vtag: edition.vtag(),
        edition: Arc::new(edition),
        shelf,
        ends,
        before,
    })
}

fn check(edition: &Edition) -> Result<(), PublicationError> {
    let said = edition.properties.keys();
    if let Some(unknown) = said.into_iter().find(|pid| !edition.map.contains(pid)) {
        return Err(PublicationError::UnknownPid(unknown.clone()));
    }
    for column in &edition.columns {
        let calendars = column.calendars.iter().flat_map(|c| c.cells.pids());
        let mut pids = column.costs.pids().chain(calendars);
        if let Some(unknown) = pids.find(|pid| !edition.map.contains(pid)) {
            return Err(PublicationError::UnknownPid(unknown.clone()));
        }
        let uneven = column.calendars.iter().find(|calendar| {
            let cells = &calendar.cells;
            !cells.is_empty() && cells.each() != calendar.intervals
        });
        if let Some(calendar) = uneven {
            return Err(PublicationError::Calendar {
                column: column.name.clone(),
                kind: calendar.kind,
            });
        }
    }
    Ok(())
}
