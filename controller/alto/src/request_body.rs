//! Members of a request's JSON object, in the order of the document.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::Fault;

/// The members with the wanted names. Others are skipped without being kept (RFC 7285 §8.3.7).
pub(crate) struct Members(Vec<(String, Value)>);

impl Members {
    /// Reads the body. Of a repeated member the last counts.
    pub(crate) fn parse(body: &[u8], wanted: &[&str]) -> Result<Self, Fault> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let members = Wanted(wanted)
            .deserialize(&mut json)
            .map_err(|error| Fault::syntax(error.to_string()))?;
        json.end()
            .map_err(|error| Fault::syntax(error.to_string()))?;
        Ok(Self(members))
    }

    /// Refuses a body without one of the given members, the first named being the first reported.
    pub(crate) fn require(&self, names: &[&str]) -> Result<(), Fault> {
        match names
            .iter()
            .find(|name| !self.0.iter().any(|(member, _)| member == *name))
        {
            Some(absent) => Err(Fault::missing(absent)),
            None => Ok(()),
        }
    }

    /// All members as arrays, in the order of the document.
    pub(crate) fn arrays(&self) -> Result<Vec<(&str, &[Value])>, Fault> {
        self.0
            .iter()
            .map(|(name, value)| match value {
                Value::Array(elements) => Ok((name.as_str(), elements.as_slice())),
                _ => Err(Fault::kind(name)),
            })
            .collect()
    }
}

struct Wanted<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Vec<(String, Value)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if !self.0.contains(&name.as_str()) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value()?;
            members.retain(|(earlier, _)| *earlier != name);
            members.push((name, value));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn arrays(body: &str) -> Result<Vec<String>, Fault> {
        let members = Members::parse(body.as_bytes(), &["a", "b"])?;
        members.require(&["a"])?;
        Ok(members
            .arrays()?
            .into_iter()
            .map(|(name, elements)| format!("{name}{}", elements.len()))
            .collect())
    }

    #[test]
    fn members_come_in_the_order_of_the_document() {
        assert_eq!(
            arrays(r#"{"b":[1],"x":{"a":1},"a":[]}"#).unwrap(),
            ["b1", "a0"]
        );
        assert_eq!(arrays(r#"{"a":1,"b":[],"a":[1,2]}"#).unwrap(), ["b0", "a2"]);
        assert_eq!(arrays(r#"{"b":1}"#), Err(Fault::missing("a")));
        assert_eq!(arrays(r#"{"b":1,"a":2}"#), Err(Fault::kind("b")));
    }

    #[test]
    fn hostile_bodies_are_syntax_errors() {
        let deep = format!(r#"{{"a":{}"#, "[".repeat(10_000));
        let deep_closed = format!(r#"{{"a":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        for body in [
            "",
            "{",
            "[]",
            "null",
            "\"a\"",
            "{}{}",
            "{\"a\":\0}",
            "\0",
            "{\"a\":[\"\u{0}\"]}",
            &deep,
            &deep_closed,
        ] {
            let Err(fault) = arrays(body) else {
                panic!("{body} was taken")
            };
            assert_eq!(fault.code(), crate::Code::Syntax);
        }
        assert_eq!(
            Members::parse(b"{\"\xff\":1}", &[])
                .map(|_| ())
                .unwrap_err()
                .code(),
            crate::Code::Syntax
        );
    }

    #[test]
    fn an_ignored_member_may_be_deep() {
        let body = format!(
            r#"{{"x":{}{},"a":[]}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(arrays(&body).unwrap(), ["a0"]);
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Members::parse(&body, &["a"]);
        }
    }
}
