//! Error objects (RFC 7285 §8.5).

use serde::{Serialize, Serializer};

/// The registered codes (RFC 7285 §14.2); there are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body is no JSON object.
    Syntax,
    /// A required member is absent.
    MissingField,
    /// A member has the wrong JSON type.
    InvalidFieldType,
    /// A member, or an element of an array, has a bad value.
    InvalidFieldValue,
}

impl Code {
    /// The code in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "E_SYNTAX",
            Self::MissingField => "E_MISSING_FIELD",
            Self::InvalidFieldType => "E_INVALID_FIELD_TYPE",
            Self::InvalidFieldValue => "E_INVALID_FIELD_VALUE",
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The one thing that is reported of a bad request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    syntax_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    meta: &'a Fault,
}

impl Fault {
    /// The body does not parse; `text` names line and column.
    pub fn syntax(text: impl Into<String>) -> Self {
        Self {
            code: Code::Syntax,
            field: None,
            syntax_error: Some(text.into()),
            value: None,
        }
    }

    /// The member at `field` (outer and inner names joined by `/`) is absent.
    pub fn missing(field: &str) -> Self {
        Self {
            code: Code::MissingField,
            field: Some(field.to_owned()),
            syntax_error: None,
            value: None,
        }
    }

    /// The member at `field` has another JSON type than it should.
    pub fn kind(field: &str) -> Self {
        Self {
            code: Code::InvalidFieldType,
            field: Some(field.to_owned()),
            syntax_error: None,
            value: None,
        }
    }

    /// The member at `field` is, or holds, the bad `value`; what is no string is given as its JSON text.
    pub fn value(field: &str, value: &serde_json::Value) -> Self {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        Self::text(field, text)
    }

    /// The member at `field` is, or holds, what is written as `text` and is a bad value.
    pub fn text(field: &str, text: impl Into<String>) -> Self {
        Self {
            code: Code::InvalidFieldValue,
            field: Some(field.to_owned()),
            syntax_error: None,
            value: Some(text.into()),
        }
    }

    /// The path of the member that is wrong.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The body of the answer, of type [`crate::media::ERROR`].
    pub fn to_bytes(&self) -> Vec<u8> {
        crate::publication::canonical(&Document { meta: self })
    }
}
