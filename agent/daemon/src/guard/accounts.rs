//! The monthly accounts: donated traffic on fixed and mobile lines, and what is counted beside.

use crate::files;
use glimpse_model::budget::Ledger;
use glimpse_model::read::{self, Cursor, Refused};
use glimpse_model::time::{Month, Timestamp};
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

/// Which account a run is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purse {
    /// Fixed lines.
    Fixed,
    /// Mobile lines.
    Mobile,
}

/// All accounts of one month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    fixed: Ledger,
    mobile: Ledger,
    beside_month: Month,
    own: u64,
    control: u64,
    door: u64,
}

impl Accounts {
    /// Empty accounts of the month of `now`.
    pub fn new(now: Timestamp) -> Self {
        Self {
            fixed: Ledger::new(now.month(), 0),
            mobile: Ledger::new(now.month(), 0),
            beside_month: now.month(),
            own: 0,
            control: 0,
            door: 0,
        }
    }

    /// The account of a kind of line.
    pub fn ledger(&self, purse: Purse) -> &Ledger {
        match purse {
            Purse::Fixed => &self.fixed,
            Purse::Mobile => &self.mobile,
        }
    }

    /// The account of a kind of line, to reserve and settle.
    pub fn ledger_mut(&mut self, purse: Purse) -> &mut Ledger {
        match purse {
            Purse::Fixed => &mut self.fixed,
            Purse::Mobile => &mut self.mobile,
        }
    }

    /// Opens a new month where `now`, from a trusted clock, is in one.
    pub fn roll(&mut self, now: Timestamp) {
        self.fixed.roll(now);
        self.mobile.roll(now);
        if now.month() > self.beside_month {
            (self.own, self.control, self.door) = (0, 0, 0);
        }
        self.beside_month = now.month();
    }

    /// Notes bytes of the household's own measurements: shown, not capped.
    pub fn note_own(&mut self, bytes: u64) {
        self.own = self.own.saturating_add(bytes);
    }

    /// Notes bytes exchanged with the controller: shown, not capped.
    pub fn note_control(&mut self, bytes: u64) {
        self.control = self.control.saturating_add(bytes);
    }

    /// Notes bytes of the LMAP door, which are of those exchanged with the controller: they have a bound of their own.
    pub fn note_door(&mut self, bytes: u64) {
        self.door = self.door.saturating_add(bytes);
    }

    /// Bytes of the LMAP door this month.
    pub fn door(&self) -> u64 {
        self.door
    }

    /// Bytes of the household's own measurements this month.
    pub fn own(&self) -> u64 {
        self.own
    }

    /// Bytes exchanged with the controller this month.
    pub fn control(&self) -> u64 {
        self.control
    }

    fn to_json(&self) -> Value {
        let month = self.beside_month.to_string();
        json!({"month": month, "fixed": self.fixed.used(), "mobile": self.mobile.used(),
            "own": self.own, "control": self.control, "door": self.door})
    }

    fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        let month = members.required("month")?;
        let bytes = |name| members.required(name)?.unsigned();
        let month = Month::parse(month.text(7)?).ok_or_else(|| month.refuse("must be a month"))?;
        Ok(Self {
            fixed: Ledger::new(month, bytes("fixed")?),
            mobile: Ledger::new(month, bytes("mobile")?),
            beside_month: month,
            own: bytes("own")?,
            control: bytes("control")?,
            // Agents before this one did not count it.
            door: match members.optional("door") {
                Some(door) => door.unsigned()?,
                None => 0,
            },
        })
    }

    /// Of two states of the accounts the later, and within a month the one with more used.
    fn later(self, other: Self) -> Self {
        let key = |a: &Self| {
            (
                a.beside_month,
                a.fixed.used().saturating_add(a.mobile.used()),
            )
        };
        if key(&self) >= key(&other) {
            self
        } else {
            other
        }
    }
}

/// Where the accounts are kept: on the volatile side at every change, on the durable side seldom
/// (flash wears out). What is read is the later of both.
#[derive(Debug)]
pub struct AccountFiles {
    durable: PathBuf,
    volatile: PathBuf,
    /// Bytes used when the durable side was written last, and those of the LMAP door.
    written: u64,
    written_door: u64,
}

/// The durable side is written when this much more was used, or a twentieth of the smaller cap: what a
/// power cut can give away.
const DURABLE_STEP: u64 = 5 << 20;

impl AccountFiles {
    /// `accounts.json` in both directories.
    pub fn new(durable: &Path, volatile: &Path) -> Self {
        Self {
            durable: durable.join("accounts.json"),
            volatile: volatile.join("accounts.json"),
            written: 0,
            written_door: 0,
        }
    }

    /// Reads both sides; `now` names the month when there is none.
    pub fn load(&mut self, now: Timestamp) -> Accounts {
        let accounts = [&self.durable, &self.volatile]
            .into_iter()
            .filter_map(|path| match load(path) {
                Ok(accounts) => accounts,
                Err(error) => {
                    log::warn!("{}: {error}; this account is left aside", path.display());
                    None
                }
            })
            .reduce(Accounts::later)
            .unwrap_or_else(|| Accounts::new(now));
        self.written = used(&accounts);
        self.written_door = accounts.door;
        accounts
    }

    /// Path and content of the volatile side.
    pub fn volatile(&self, accounts: &Accounts) -> (&Path, Vec<u8>) {
        (&self.volatile, accounts.to_json().to_string().into_bytes())
    }

    /// Writes the durable side when [`DURABLE_STEP`] bytes more were used, by measurements or by the LMAP door, a month was opened, or the
    /// agent is `stopping`.
    pub fn save_durable(
        &mut self,
        accounts: &Accounts,
        smaller_cap: u64,
        stopping: bool,
    ) -> io::Result<()> {
        let used = used(accounts);
        let step = DURABLE_STEP.min((smaller_cap / 20).max(1));
        let door = accounts.door.saturating_sub(self.written_door) >= DURABLE_STEP;
        if stopping || door || used < self.written || used - self.written >= step {
            let document = accounts.to_json().to_string();
            files::replace(&self.durable, document.as_bytes(), 0o600)?;
            self.written = used;
            self.written_door = accounts.door;
        }
        Ok(())
    }
}

fn used(accounts: &Accounts) -> u64 {
    accounts.fixed.used().saturating_add(accounts.mobile.used())
}

fn load(path: &Path) -> Result<Option<Accounts>, String> {
    match files::read_bounded(path, 4096) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
        Ok(bytes) => read::json(&bytes)
            .and_then(|document| Accounts::read(&Cursor::root(&document)))
            .map(Some)
            .map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    fn november() -> Timestamp {
        Timestamp::parse("2026-11-21T12:00:00Z").unwrap()
    }

    #[test]
    fn the_account_survives_a_restart_with_open_reservations_charged() {
        let (flash, ram) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut files = AccountFiles::new(flash.path(), ram.path());
        let mut accounts = files.load(november());
        let open = accounts
            .ledger_mut(Purse::Fixed)
            .reserve(november(), 10_000, 700)
            .unwrap();
        accounts.note_control(5);
        accounts.note_door(3);
        files.save_durable(&accounts, u64::MAX, false).unwrap();
        let (path, content) = files.volatile(&accounts);
        fs::write(path, content).unwrap();
        drop(open);

        let again = AccountFiles::new(flash.path(), ram.path()).load(november());
        assert_eq!(again.ledger(Purse::Fixed).used(), 700);
        assert_eq!((again.control(), again.door()), (5, 3));
        assert!(
            !flash.path().join("accounts.json").exists(),
            "flash is spared"
        );
    }

    #[test]
    fn the_mobile_account_is_its_own() {
        let mut accounts = Accounts::new(november());
        let run = accounts
            .ledger_mut(Purse::Mobile)
            .reserve(november(), 1000, 900)
            .unwrap();
        accounts.ledger_mut(Purse::Mobile).settle(run, 900);
        assert_eq!(accounts.ledger(Purse::Fixed).used(), 0);
        assert_eq!(accounts.ledger(Purse::Mobile).used(), 900);
    }

    #[test]
    fn durable_after_a_step_and_at_the_end() {
        let (flash, ram) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut files = AccountFiles::new(flash.path(), ram.path());
        let mut accounts = files.load(november());
        let step = DURABLE_STEP;
        let run = accounts
            .ledger_mut(Purse::Fixed)
            .reserve(november(), u64::MAX, step)
            .unwrap();
        accounts.ledger_mut(Purse::Fixed).settle(run, step);
        files.save_durable(&accounts, u64::MAX, false).unwrap();
        drop(ram);
        let again = AccountFiles::new(flash.path(), flash.path()).load(november());
        assert_eq!(again.ledger(Purse::Fixed).used(), step);
    }

    #[test]
    fn a_power_cut_does_not_give_back_the_bytes_of_the_door() {
        let (flash, ram) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut files = AccountFiles::new(flash.path(), ram.path());
        let mut accounts = files.load(november());
        let mut written = 0;
        for _ in 0..10 {
            accounts.note_door(DURABLE_STEP / 2);
            files.save_durable(&accounts, 0, false).unwrap();
            written += u32::from(fs::remove_file(flash.path().join("accounts.json")).is_ok());
        }
        assert_eq!(written, 5, "not each time: flash wears");
        files.save_durable(&accounts, 0, true).unwrap();
        let again = AccountFiles::new(flash.path(), flash.path()).load(november());
        assert_eq!(again.door(), 5 * DURABLE_STEP);
    }

    #[test]
    fn a_damaged_account_is_left_aside() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("accounts.json"), "{\"month\":\"x\"}").unwrap();
        let accounts = AccountFiles::new(dir.path(), dir.path()).load(november());
        assert_eq!(accounts, Accounts::new(november()));
    }
}
