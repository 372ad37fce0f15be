//! Constraints on costs (RFC 7285 §11.3.2.3, RFC 8189 §4.1.2): an OR of ANDs of comparisons.

use crate::Cost;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Gt,
    Lt,
    Ge,
    Le,
    Eq,
}

/// A comparison of the cost with a number, such as `[1] le 10`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Predicate {
    /// Which of the cost types is compared; 0 if the text does not say.
    pub(crate) index: usize,
    operator: Operator,
    number: f64,
}

impl Predicate {
    /// Reads `OP NUMBER` or `[INDEX] OP NUMBER`, parted by white space; the number is one of JSON.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let first = words.next()?;
        let (index, operator) = if first.starts_with('[') {
            (index(first)?, words.next()?)
        } else {
            (0, first)
        };
        let operator = match operator {
            "gt" => Operator::Gt,
            "lt" => Operator::Lt,
            "ge" => Operator::Ge,
            "le" => Operator::Le,
            "eq" => Operator::Eq,
            _ => return None,
        };
        let number = words.next().filter(|number| is_json_number(number))?;
        let number = number.parse().ok()?;
        words.next().is_none().then_some(Self {
            index,
            operator,
            number,
        })
    }

    /// Whether a cost passes, compared as a double. A pair without the cost never does.
    pub(crate) fn holds(&self, cost: Option<Cost>) -> bool {
        let Some(cost) = cost.map(Cost::as_f64) else {
            return false;
        };
        match self.operator {
            Operator::Gt => cost > self.number,
            Operator::Lt => cost < self.number,
            Operator::Ge => cost >= self.number,
            Operator::Le => cost <= self.number,
            #[expect(clippy::float_cmp, reason = "`eq` is the equality of doubles")]
            Operator::Eq => cost == self.number,
        }
    }
}

fn index(word: &str) -> Option<usize> {
    let digits = word.strip_prefix('[')?.strip_suffix(']')?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// RFC 8259 §6: Rust's own reader also takes `+5`, `5.`, `.5`, `inf`.
fn is_json_number(text: &str) -> bool {
    let some_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, decimals) = match mantissa.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (mantissa, None),
    };
    some_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && decimals.is_none_or(some_digits)
        && exponent.is_none_or(|e| some_digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

/// Which pairs are wanted: those for which all predicates of one of the alternatives hold; all, if there is no alternative.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Constraint(Vec<Vec<Predicate>>);

impl Constraint {
    /// One of the alternatives must hold.
    pub(crate) fn any(alternatives: Vec<Vec<Predicate>>) -> Self {
        Self(alternatives)
    }

    /// Whether a pair passes, given its cost of the type that a predicate names.
    pub(crate) fn passes(&self, cost: impl Fn(usize) -> Option<Cost>) -> bool {
        let holds = |predicate: &Predicate| predicate.holds(cost(predicate.index));
        self.0.is_empty() || self.0.iter().any(|all| all.iter().all(holds))
    }

    /// The indices that are named.
    pub(crate) fn indices(&self) -> impl Iterator<Item = usize> {
        self.0.iter().flatten().map(|predicate| predicate.index)
    }
}

#[cfg(test)]
mod tests;
