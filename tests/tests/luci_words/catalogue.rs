//! A catalogue of translations, with everything that is wrong with its form.

use std::collections::BTreeMap;

/// A text of the application.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Message {
    /// What tells it from the same text elsewhere.
    pub(crate) context: Option<String>,
    /// The text, in English.
    pub(crate) text: String,
    /// The same of several things.
    pub(crate) plural: Option<String>,
}

/// Messages and their translations, one or one for each plural form.
pub(crate) fn read(po: &str) -> Result<BTreeMap<Message, Vec<String>>, String> {
    let mut all = BTreeMap::new();
    for block in po.split("\n\n") {
        if block
            .lines()
            .any(|line| line.starts_with("#,") && line.contains("fuzzy"))
        {
            return Err(format!("fuzzy: {block}"));
        }
        if block.lines().any(|line| line.starts_with("#~")) {
            return Err(format!("left over: {block}"));
        }
        let (mut message, mut forms) = (Message::default(), Vec::new());
        let mut into: Option<&mut String> = None;
        for line in block.lines().filter(|line| !line.starts_with('#')) {
            let Some((word, text)) = line.split_once('"') else {
                continue;
            };
            let text = text
                .strip_suffix('"')
                .ok_or_else(|| format!("no end of the text: {line}"))?
                .replace("\\n", "\n")
                .replace("\\\"", "\"")
                .replace("\\\\", "\\");
            into = match word.trim() {
                "" => into,
                "msgctxt" => Some(message.context.insert(String::new())),
                "msgid" => Some(&mut message.text),
                "msgid_plural" => Some(message.plural.insert(String::new())),
                "msgstr" | "msgstr[0]" | "msgstr[1]" => {
                    forms.push(String::new());
                    forms.last_mut()
                }
                other => return Err(format!("not understood: {other}")),
            };
            into.as_deref_mut()
                .ok_or_else(|| format!("a text of nothing: {line}"))?
                .push_str(&text);
        }
        if !message.text.is_empty() && all.insert(message.clone(), forms).is_some() {
            return Err(format!("twice: {message:?}"));
        }
    }
    Ok(all)
}

/// The placeholders of a text, in their order: LuCI fills them by their places.
pub(crate) fn placeholders(text: &str) -> Vec<String> {
    let pieces = text.split('%').skip(1);
    pieces
        .filter_map(|piece| {
            let end = piece.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let kind = piece[end..].chars().next()?;
            "sdfx"
                .contains(kind)
                .then(|| format!("{}{kind}", &piece[..end]))
        })
        .collect()
}
