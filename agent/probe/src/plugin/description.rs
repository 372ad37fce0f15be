//! What a plug-in says of itself.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use glimpse_model::capability::Need;
use glimpse_model::options::{Kind, OptionSpec, Options};
use glimpse_model::read::{self, Cursor, Members, Refused};

use crate::registry::PLUGIN_BASE;
use crate::resolve::HOST_LIMIT;

/// The contract that this host keeps.
const CONTRACT: i64 = 1;
/// Longest name of a method or option, in bytes.
const NAME_LIMIT: usize = 32;
/// Most options, choices of one option, functions, needs.
const LIST_LIMIT: usize = 32;
/// Longest text value, in bytes: so that a whole set of options goes into a pipe at once.
const TEXT_LIMIT: i64 = 512;
/// Longest word of a choice, as the reader of options has it, in bytes.
const WORD_LIMIT: usize = 64;
/// Longest help text and URI, in bytes.
const HELP_LIMIT: usize = 200;

/// Methods of the agent, compiled in or not: a plug-in by such a name would be taken for the other.
const RESERVED: &[&str] = &[
    "ping",
    "ping_ma",
    "ping_mp",
    "traceroute",
    "httpdownload",
    "httpupload",
    "latencyload",
    "btc",
    "btc_ma",
    "btc_mp",
    "packettrains",
    "packettrains_ma",
    "packettrains_mp",
    "udpping",
    "dnslookup",
    "reversednslookup",
    "upnp",
    "wifi",
    "wifilookup",
];

/// A plug-in's answer to `describe`.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Name of the method.
    pub name: String,
    /// URIs of what it measures.
    pub functions: Vec<String>,
    /// Its options.
    pub options: Vec<OptionSpec>,
    /// What it needs.
    pub needs: Vec<Need>,
    /// Bytes at IP level, both directions together, that a run uses at most.
    pub worst_case_bytes: Formula,
    /// Milliseconds that a run takes at most.
    pub longest_run_ms: Formula,
}

impl Description {
    /// Reads what `describe` printed. What is not understood is refused: it could be a limit.
    ///
    /// # Errors
    /// [`Refused`] with the path of the member at fault.
    pub fn parse(printed: &[u8]) -> Result<Self, Refused> {
        let document = read::json(printed)?;
        let members = Cursor::root(&document).object()?;
        members.only(&[
            "contract",
            "name",
            "functions",
            "options",
            "needs",
            "worst_case_bytes",
            "longest_run_ms",
        ])?;
        let contract = members.required("contract")?;
        if contract.value().as_i64() != Some(CONTRACT) {
            return Err(contract.refuse(format_args!("must be {CONTRACT}")));
        }
        let name = method_name(&members.required("name")?)?;
        let options = members.optional("options").map_or(Ok(Vec::new()), |list| {
            list.array(LIST_LIMIT)?
                .iter()
                .map(option)
                .collect::<Result<Vec<_>, _>>()
        })?;
        for (index, spec) in options.iter().enumerate() {
            if options
                .iter()
                .skip(index + 1)
                .any(|other| other.name == spec.name)
            {
                return Err(Refused::new(
                    "options",
                    format!("has '{}' twice", spec.name),
                ));
            }
        }
        let functions = members.optional("functions").map_or_else(
            || Ok(vec![format!("{PLUGIN_BASE}{name}")]),
            |list| list.array(LIST_LIMIT)?.iter().map(uri).collect(),
        )?;
        let needs = members.optional("needs").map_or(Ok(Vec::new()), |list| {
            list.array(LIST_LIMIT)?.iter().map(need).collect()
        })?;
        Ok(Self {
            worst_case_bytes: Formula::read(&members.required("worst_case_bytes")?, &options)?,
            longest_run_ms: Formula::read(&members.required("longest_run_ms")?, &options)?,
            name,
            functions,
            options,
            needs,
        })
    }

    /// Whether it measures a host, which is looked up and judged before it runs.
    pub fn has_host(&self) -> bool {
        self.options.iter().any(|spec| spec.name == "host")
    }
}

/// A number that grows with options: `base + Σ option × factor`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formula {
    base: u64,
    per: Vec<(String, u64)>,
}

impl Formula {
    fn read(cursor: &Cursor<'_>, specs: &[OptionSpec]) -> Result<Self, Refused> {
        if cursor.value().is_u64() {
            return Ok(Self {
                base: cursor.unsigned()?,
                per: Vec::new(),
            });
        }
        let members = cursor.object()?;
        members.only(&["base", "per"])?;
        let mut per = Vec::new();
        if let Some(factors) = members.optional("per") {
            let factors = factors.object()?;
            for name in factors.map().keys() {
                let spec = specs.iter().find(|spec| spec.name == name.as_str());
                if !matches!(
                    spec.map(|spec| &spec.kind),
                    Some(Kind::Integer { min: 0.., .. })
                ) {
                    let path = factors.path_of(&read::printable(name));
                    return Err(Refused::new(path, "is no integer option with a min >= 0"));
                }
                per.push((name.clone(), factors.required(name)?.unsigned()?));
            }
        }
        Ok(Self {
            base: members.required("base")?.unsigned()?,
            per,
        })
    }

    /// The number for these options; the largest there is where it would be larger.
    pub fn of(&self, options: &Options) -> u64 {
        self.per.iter().fold(self.base, |sum, (name, factor)| {
            let value = u64::try_from(options.integer(name)).unwrap_or(0);
            sum.saturating_add(value.saturating_mul(*factor))
        })
    }
}

fn method_name(cursor: &Cursor<'_>) -> Result<String, Refused> {
    let name = cursor.text(NAME_LIMIT)?;
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(cursor.refuse("must be 1 to 32 of a-z, 0-9, _ and -"));
    }
    if RESERVED.contains(&name) {
        return Err(cursor.refuse(format_args!("'{name}' is a method of the agent")));
    }
    Ok(name.to_owned())
}

fn uri(cursor: &Cursor<'_>) -> Result<String, Refused> {
    let text = cursor.text(HELP_LIMIT)?;
    let shape = text.contains(':') && text.bytes().all(|byte| byte.is_ascii_graphic());
    if shape {
        Ok(text.to_owned())
    } else {
        Err(cursor.refuse("must be a URI"))
    }
}

fn need(cursor: &Cursor<'_>) -> Result<Need, Refused> {
    match cursor.text(WORD_LIMIT)? {
        "raw_socket" => Ok(Need::RawSocket),
        "peer" => Ok(Need::Peer),
        "exclusive_line" => Ok(Need::ExclusiveLine),
        _ => Err(cursor.refuse("must be one of raw_socket, peer, exclusive_line")),
    }
}

fn option(cursor: &Cursor<'_>) -> Result<OptionSpec, Refused> {
    let members = cursor.object()?;
    let name = option_name(&members.required("name")?)?;
    let help = members.required("help")?.text(HELP_LIMIT)?;
    let kind = members.required("type")?;
    let own: (&[&str], Kind) = match kind.text(WORD_LIMIT)? {
        "boolean" => (&["default"], boolean(&members)?),
        "integer" => (&["default", "min", "max", "unit"], integer(&members)?),
        "text" => (&["default", "max_len"], text(&members)?),
        "choice" => (&["default", "choices"], choice(&members)?),
        _ => return Err(kind.refuse("must be one of boolean, integer, text, choice")),
    };
    let (own, kind_read) = own;
    members.only(&[&["name", "type", "help", "secret"], own].concat())?;
    let secret = members
        .optional("secret")
        .map_or(Ok(false), |given| given.boolean())?;
    if name == "host"
        && !matches!(
            kind_read,
            Kind::Text {
                max_len: ..=HOST_LIMIT,
                ..
            }
        )
    {
        return Err(kind.refuse(format_args!(
            "must be text of at most {HOST_LIMIT} bytes where the option is called host"
        )));
    }
    Ok(OptionSpec {
        name: Cow::Owned(name),
        kind: kind_read,
        help: Cow::Owned(help.to_owned()),
        above_max: None,
        secret,
    })
}

fn option_name(cursor: &Cursor<'_>) -> Result<String, Refused> {
    let name = cursor.text(NAME_LIMIT)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.bytes().all(plain) {
        return Err(cursor.refuse("must be 1 to 32 of a-z, 0-9 and _, a letter first"));
    }
    match name {
        "address" => Err(cursor.refuse("is what the agent adds to a host")),
        "url" => Err(cursor.refuse("hides where it leads: take host, and the rest beside it")),
        _ => Ok(name.to_owned()),
    }
}

fn boolean(members: &Members<'_>) -> Result<Kind, Refused> {
    let default = members
        .optional("default")
        .map_or(Ok(false), |given| given.boolean())?;
    Ok(Kind::Bool { default })
}

fn integer(members: &Members<'_>) -> Result<Kind, Refused> {
    let min = members.required("min")?.integer(i64::MIN, i64::MAX)?;
    let max = members.required("max")?.integer(min, i64::MAX)?;
    let default = members.required("default")?.integer(min, max)?;
    let unit = members
        .optional("unit")
        .map_or(Ok(""), |unit| unit.text(NAME_LIMIT))?;
    Ok(Kind::Integer {
        default,
        min,
        max,
        unit: Cow::Owned(unit.to_owned()),
    })
}

fn text(members: &Members<'_>) -> Result<Kind, Refused> {
    let max_len = members.required("max_len")?.integer(1, TEXT_LIMIT)?;
    let max_len = usize::try_from(max_len).unwrap_or(0);
    let default = members
        .optional("default")
        .map(|given| given.text(max_len))
        .transpose()?
        .map(|given| Cow::Owned(given.to_owned()));
    Ok(Kind::Text { default, max_len })
}

fn choice(members: &Members<'_>) -> Result<Kind, Refused> {
    let list = members.required("choices")?;
    let mut words = Vec::new();
    for word in list.array(LIST_LIMIT)? {
        words.push(Cow::Owned(word.text(WORD_LIMIT)?.to_owned()));
    }
    if words.is_empty() {
        return Err(list.refuse("must have at least one element"));
    }
    if let Some(given) = members.optional("default") {
        let default = given.text(WORD_LIMIT)?;
        match words
            .iter()
            .position(|word: &Cow<'static, str>| word == default)
        {
            // The first is the default everywhere.
            Some(index) => words[..=index].rotate_right(1),
            None => return Err(given.refuse("must be one of the choices")),
        }
    }
    Ok(Kind::Choice(words.into()))
}
