//! `must` and `when` as rows.

use super::{Encoder, one, run};
use crate::Error;
use crate::expand::Condition;
use crate::types::Type;
use crate::xpath::{Expression, Steps};

impl Encoder<'_> {
    pub(super) fn conditions(
        &mut self,
        at: usize,
        conditions: &[Condition],
    ) -> Result<String, Error> {
        let mut rows = Vec::new();
        for condition in conditions {
            let refused = |what: String| {
                self.fault(
                    at,
                    format!("the condition `{}`: {what}", condition.expression),
                )
            };
            let expression = Expression::parse(&condition.expression).map_err(refused)?;
            let test = self.test(at, &expression, condition)?;
            let message = self.text(&condition.message);
            let app_tag = self.text(&condition.app_tag);
            let text = self.text(&condition.expression);
            rows.push(format!("c({test},{message},{app_tag},{text})"));
        }
        Ok(run(&mut self.table.conditions, &rows))
    }

    fn test(
        &mut self,
        at: usize,
        expression: &Expression,
        condition: &Condition,
    ) -> Result<String, Error> {
        Ok(match expression {
            Expression::Exists(path) => {
                format!(
                    "Test::Exists({})",
                    self.condition_path(at, path, condition)?.0
                )
            }
            Expression::Equals(path, text) | Expression::Differs(path, text) => {
                let (path, last) = self.condition_path(at, path, condition)?;
                let kind = last.and_then(|last| self.flat[last].tree.kind_of_value.as_ref());
                let text = match kind {
                    Some(Type::Identity(_)) => self.qualified(at, text, condition.origin)?,
                    Some(_) => text.clone(),
                    None => {
                        return Err(self.fault(
                            at,
                            format!(
                                "the condition `{}` compares something other than a leaf",
                                condition.expression
                            ),
                        ));
                    }
                };
                let text = self.text(&text);
                let shape = if matches!(expression, Expression::Equals(..)) {
                    "Equals"
                } else {
                    "Differs"
                };
                format!("Test::{shape}({path},{text})")
            }
            Expression::Any(parts) => format!("Test::Any({})", self.tests(at, parts, condition)?),
            Expression::All(parts) => format!("Test::All({})", self.tests(at, parts, condition)?),
            Expression::Not(inner) => match &**inner {
                Expression::Exists(path) => {
                    format!(
                        "Test::Absent({})",
                        self.condition_path(at, path, condition)?.0
                    )
                }
                other => {
                    let row = self.test(at, other, condition)?;
                    format!("Test::Not({})", one(&mut self.table.tests, row))
                }
            },
            Expression::Derived {
                path,
                identity,
                or_self,
            } => {
                let (prefix, local) = identity.split_once(':').unwrap_or(("", identity));
                let module = match prefix {
                    "" => Some(&self.flat[at].tree.module),
                    _ => self.modules.all[condition.origin].prefixes.get(prefix),
                };
                let number = module
                    .and_then(|&module| self.identity(module, local))
                    .ok_or_else(|| self.fault(at, format!("there is no identity `{identity}`")))?;
                let path = self.condition_path(at, path, condition)?.0;
                format!("Test::Derived{{path:{path},identity:{number},or_self:{or_self}}}")
            }
        })
    }

    /// The canonical form of an identity that a condition names.
    fn qualified(&self, at: usize, name: &str, origin: usize) -> Result<String, Error> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let module = match prefix {
            "" => Some(&self.flat[at].tree.module),
            _ => self.modules.all[origin].prefixes.get(prefix),
        };
        module
            .filter(|&&module| self.identity(module, local).is_some())
            .map(|&module| format!("{}:{local}", self.modules.all[module].name))
            .ok_or_else(|| self.fault(at, format!("there is no identity `{name}`")))
    }

    fn tests(
        &mut self,
        at: usize,
        parts: &[Expression],
        condition: &Condition,
    ) -> Result<String, Error> {
        let mut rows = Vec::new();
        for part in parts {
            rows.push(self.test(at, part, condition)?);
        }
        Ok(run(&mut self.table.tests, &rows))
    }

    fn condition_path(
        &mut self,
        at: usize,
        steps: &Steps,
        condition: &Condition,
    ) -> Result<(String, Option<usize>), Error> {
        let node = self.flat[at].tree;
        let mut steps = steps.clone();
        if condition.above && !node.kind.is_schema_only() && !steps.absolute {
            steps.up += 1;
        }
        self.steps(at, &steps, condition.origin, node.module)
    }
}
