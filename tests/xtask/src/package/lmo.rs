//! Translations as LuCI reads them: `.po` text to a `.lmo` table of hashes.
//!
//! ```text
//!   texts, each filled up to four bytes
//!   index: (hash of the key, number of forms, offset, length), by hash; 32 bits each, most significant byte first
//!   offset of the index
//! ```
//! The key is the text itself, after `CONTEXT\1` where there is one, before `\2N` where it has plural forms. The first entry
//! (hash 0) is the rule of plurals.

use anyhow::{Result, ensure};
use std::fmt::Write as _;

/// One message of a `.po` file.
#[derive(Default)]
struct Message {
    context: Option<String>,
    id: String,
    plural: bool,
    texts: Vec<String>,
}

/// Which text the lines that follow belong to.
#[derive(Clone, Copy)]
enum Part {
    Context,
    Id,
    Plural,
    Text,
}

/// The table of the messages in `po`; nothing when none is translated.
pub(super) fn compile(po: &str) -> Result<Vec<u8>> {
    let mut texts = Vec::new();
    let mut index: Vec<[u32; 4]> = Vec::new();
    let mut add = |key: u32, forms: u32, text: &str| -> Result<()> {
        let entry = [
            key,
            forms,
            u32::try_from(texts.len())?,
            u32::try_from(text.len())?,
        ];
        index.push(entry);
        texts.extend(text.as_bytes());
        texts.resize(texts.len().next_multiple_of(4), 0);
        Ok(())
    };
    for message in parse(po)? {
        if message.id.is_empty() {
            let header = message.texts.concat();
            if let Some((_, rest)) = header.split_once("Plural-Forms: ") {
                add(0, 0, rest.split("\\n").next().unwrap_or_default())?;
            }
            continue;
        }
        let forms = u32::try_from(message.texts.len())?;
        for (form, text) in message.texts.iter().enumerate() {
            let context = message.context.iter().map(|text| format!("{text}\u{1}"));
            let mut key: String = context.collect();
            key.push_str(&message.id);
            if message.plural {
                write!(key, "\u{2}{form}")?;
            }
            let key = hash(key.as_bytes());
            if !text.is_empty() && key != hash(text.as_bytes()) {
                add(key, forms, text)?;
            }
        }
    }
    if texts.is_empty() {
        return Ok(texts);
    }
    index.sort_unstable();
    let offset = u32::try_from(texts.len())?;
    let numbers = index.into_iter().flatten().chain([offset]);
    texts.extend(numbers.flat_map(u32::to_be_bytes));
    Ok(texts)
}

fn parse(po: &str) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    let mut message = Message::default();
    let mut part = Part::Id;
    for (number, line) in po.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line.split_at(line.find('"').unwrap_or(line.len()));
        ensure!(
            rest.len() > 1 && rest.ends_with('"'),
            "line {}: no text in quotes",
            number + 1
        );
        let word = word.trim();
        let begins = matches!(word, "msgctxt" | "msgid") && !message.texts.is_empty();
        if begins {
            messages.push(std::mem::take(&mut message));
        }
        match word {
            "msgctxt" => part = Part::Context,
            "msgid" => part = Part::Id,
            "msgid_plural" => {
                message.plural = true;
                part = Part::Plural;
            }
            "" => {}
            _ => {
                ensure!(
                    word.starts_with("msgstr"),
                    "line {}: '{word}' is not known",
                    number + 1
                );
                message.texts.push(String::new());
                part = Part::Text;
            }
        }
        let text = unquoted(rest);
        match part {
            Part::Context => message.context.get_or_insert_default().push_str(&text),
            Part::Id => message.id.push_str(&text),
            Part::Plural => {}
            Part::Text => {
                if let Some(last) = message.texts.last_mut() {
                    last.push_str(&text);
                }
            }
        }
    }
    messages.push(message);
    Ok(messages)
}

/// What stands in the quotes. Only quotes and backslashes lose their backslash: LuCI knows the others by both characters.
fn unquoted(quoted: &str) -> String {
    let inside = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    let mut text = String::new();
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some(escaped @ ('"' | '\\')) => text.push(escaped),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

/// Paul Hsieh's "`SuperFastHash`", begun with the length.
fn hash(data: &[u8]) -> u32 {
    let Some(length) = u32::try_from(data.len()).ok().filter(|&length| length > 0) else {
        return 0;
    };
    let pair = |bytes: &[u8]| u32::from(bytes[0]) | u32::from(bytes[1]) << 8;
    // The last byte is a signed one.
    let signed = |byte: u8| i32::from(byte.cast_signed()).cast_unsigned();
    let mut hash = length;
    let (quads, rest) = data.as_chunks::<4>();
    for quad in quads {
        hash = hash.wrapping_add(pair(&quad[..2]));
        let mixed = (pair(&quad[2..]) << 11) ^ hash;
        hash = (hash << 16) ^ mixed;
        hash = hash.wrapping_add(hash >> 11);
    }
    match *rest {
        [a, b, c] => {
            hash = hash.wrapping_add(pair(&[a, b]));
            hash ^= hash << 16;
            hash ^= signed(c) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [a, b] => {
            hash = hash.wrapping_add(pair(&[a, b]));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [a] => {
            hash = hash.wrapping_add(signed(a));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PO: &str = r#"msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=n != 1;\n"

#: a.js:1
msgid "Overview"
msgstr "Übersicht"

msgid ""
"Measured "
"for others"
msgstr ""
"Für andere "
"gemessen"

msgctxt "line"
msgid "down"
msgstr "unterbrochen"

msgid "%d test"
msgid_plural "%d tests"
msgstr[0] "%d Messung"
msgstr[1] "%d Messungen"

msgid "say \"yes\"\\n"
msgstr "sag \"ja\"\\n"

msgid "same"
msgstr "same"

msgid "not yet"
msgstr ""

msgid "é"
msgstr "e"
"#;
    /// What LuCI's `po2lmo` makes of it.
    const LMO: &str = "6e706c7572616c733d323b20706c7572616c3d6e20213d20313b0000c39c6265727369636874000046c3bc7220616e6465726520\
        67656d657373656e756e74657262726f6368656e2564204d657373756e6700002564204d657373756e67656e73616720226a61225c6e00006500\
        00000000000000000000000000000000001a143f193200000001000000600000000a1a79756700000002000000540000000c4b3ab94b00000002\
        000000480000000aadbaae97000000010000001c0000000ac4fba554000000010000006c00000001e6657573000000010000003c0000000ced9a\
        060600000001000000280000001400000070";

    #[test]
    fn the_table_is_the_one_of_po2lmo() {
        let made = compile(PO).unwrap();
        let hex = made.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        assert_eq!(hex, LMO.replace(' ', ""));
    }

    #[test]
    fn nothing_translated_is_no_table_and_faults_have_lines() {
        assert_eq!(compile("msgid \"a\"\nmsgstr \"\"\n").unwrap(), b"");
        for (po, said) in [
            ("msgid \"a\"\nmsgstr b\n", "line 2"),
            ("\n\nmsgfoo \"a\"\n", "line 3: 'msgfoo'"),
        ] {
            let error = compile(po).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
