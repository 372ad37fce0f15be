//! A reader of package files, written from the description of the format and not from what writes them.

use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// As it stands in the header.
    pub(crate) path: String,
    pub(crate) folder: bool,
    pub(crate) mode: u32,
    /// Owner and group.
    pub(crate) owner: (u64, u64),
    pub(crate) time: u64,
    pub(crate) content: Vec<u8>,
}

/// What a package file holds.
#[derive(Debug, Clone)]
pub(crate) struct Ipk {
    /// Members of the file itself, in their order.
    pub(crate) outer: Vec<Member>,
    pub(crate) data: Vec<Member>,
    /// Bytes of the unpacked archive of files.
    pub(crate) data_bytes: usize,
    pub(crate) control: Vec<Member>,
}

impl Ipk {
    /// Reads a file; panics where it is not as opkg wants it.
    pub(crate) fn read(path: &Path) -> Self {
        let file = fs::read(path).unwrap();
        let outer = members(&unzip(&file));
        let inner = |name: &str| {
            let found = outer.iter().find(|member| member.path == name).unwrap();
            unzip(&found.content)
        };
        let data = inner("./data.tar.gz");
        Self {
            data: members(&data),
            data_bytes: data.len(),
            control: members(&inner("./control.tar.gz")),
            outer: outer.clone(),
        }
    }

    /// A file of the package.
    pub(crate) fn file(&self, path: &str) -> &Member {
        let wanted = format!("./{path}");
        let found = self.data.iter().find(|member| member.path == wanted);
        found.unwrap_or_else(|| panic!("no {path} in the package"))
    }

    /// The text of a part of the control archive.
    pub(crate) fn part(&self, name: &str) -> String {
        let wanted = format!("./{name}");
        let found = self.control.iter().find(|member| member.path == wanted);
        let found = found.unwrap_or_else(|| panic!("no {name} in the control archive"));
        String::from_utf8(found.content.clone()).unwrap()
    }

    /// Fields of the control file, in their order.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let control = self.part("control");
        let lines = control.lines().filter(|line| !line.starts_with(' '));
        lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// One of them.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let fields: BTreeMap<_, _> = self.fields().into_iter().collect();
        fields.get(name).cloned()
    }

    /// Paths of files from the root, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let files = self.data.iter().filter(|member| !member.folder);
        let mut paths: Vec<_> = files.map(|member| member.path[1..].to_owned()).collect();
        paths.sort();
        paths
    }

    /// Unpacks into `root` and leaves there what opkg notes of an installed package. Settings that are there stay.
    pub(crate) fn install(&self, root: &Path) {
        let has_settings = self
            .control
            .iter()
            .any(|member| member.path == "./conffiles");
        let settings = if has_settings {
            self.part("conffiles")
        } else {
            String::new()
        };
        for member in &self.data {
            let path = root.join(&member.path);
            let kept = settings.lines().any(|line| line == &member.path[1..]) && path.exists();
            if member.folder {
                fs::create_dir_all(&path).unwrap();
            } else if !kept {
                fs::write(&path, &member.content).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(member.mode)).unwrap();
            }
        }
        let notes = root.join("usr/lib/opkg/info");
        fs::create_dir_all(&notes).unwrap();
        let name = self.field("Package").unwrap();
        let note = |kind: &str| notes.join(format!("{name}.{kind}"));
        fs::write(note("list"), self.files().join("\n") + "\n").unwrap();
        for member in self.control.iter().filter(|member| !member.folder) {
            let path = note(&member.path[2..]);
            fs::write(&path, &member.content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(member.mode)).unwrap();
        }
    }
}

/// The content of a `gzip` file without name and time.
pub(crate) fn unzip(bytes: &[u8]) -> Vec<u8> {
    assert_eq!(bytes[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0], "gzip -n");
    let mut content = Vec::new();
    let mut decoder = GzDecoder::new(bytes);
    decoder.read_to_end(&mut content).unwrap();
    content
}

fn members(tar: &[u8]) -> Vec<Member> {
    assert_eq!(tar.len() % 10_240, 0, "whole records");
    let mut found = Vec::new();
    let mut rest = tar;
    while rest[0] != 0 {
        let (header, behind) = rest.split_at(512);
        let text = |from: usize, length: usize| {
            let field = &header[from..from + length];
            let end = field.iter().position(|&b| b == 0 || b == b' ');
            std::str::from_utf8(&field[..end.unwrap_or(length)]).unwrap()
        };
        let number = |from: usize, length: usize| match text(from, length) {
            "" => 0,
            digits => u64::from_str_radix(digits, 8).unwrap(),
        };
        assert_eq!(header[257..265], *b"ustar  \0", "GNU's format");
        assert_eq!((text(265, 32), text(297, 32)), ("", ""), "numeric owners");
        let sum = header.iter().enumerate().map(|(at, &byte)| match at {
            148..156 => u64::from(b' '),
            _ => u64::from(byte),
        });
        assert_eq!(
            sum.sum::<u64>(),
            number(148, 8),
            "checksum of {}",
            text(0, 100)
        );
        let size = usize::try_from(number(124, 12)).unwrap();
        found.push(Member {
            path: text(0, 100).to_owned(),
            folder: match header[156] {
                b'5' => true,
                b'0' => false,
                other => panic!("a member of type {other}"),
            },
            mode: u32::try_from(number(100, 8)).unwrap(),
            owner: (number(108, 8), number(116, 8)),
            time: number(136, 12),
            content: behind[..size].to_vec(),
        });
        rest = &behind[size.next_multiple_of(512)..];
    }
    assert!(
        rest.len() >= 1024 && rest.iter().all(|&byte| byte == 0),
        "the end"
    );
    found
}
