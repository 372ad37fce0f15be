//! Regular expressions of XML Schema (part 2, appendix F), matched against whole strings without going back.
//!
//! The expression becomes a list of steps that all run side by side, so that the time is at most the length of the string times the
//! length of the list. `\d` means ASCII digits only: no module that uses it means any other.

use std::cell::RefCell;
use std::rc::Rc;

mod parser;
mod set;
#[cfg(test)]
mod tests;

use parser::Expression;
use set::Set;

/// Steps an expression may take.
const LONGEST: usize = 20_000;

#[derive(Debug)]
enum Step {
    One(Set),
    Either(usize, usize),
    Go(usize),
    Done,
}

/// A compiled expression.
#[derive(Debug)]
pub struct Pattern {
    steps: Vec<Step>,
}

impl Pattern {
    /// Compiles an expression. Errors say where it is not one, or that it is too long.
    pub fn new(expression: &str) -> Result<Self, String> {
        let parsed = parser::parse(expression)?;
        let mut pattern = Self { steps: Vec::new() };
        pattern.add(&parsed)?;
        pattern.push(Step::Done)?;
        Ok(pattern)
    }

    fn push(&mut self, step: Step) -> Result<usize, String> {
        if self.steps.len() >= LONGEST {
            return Err("the expression is too long".to_owned());
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    fn add(&mut self, expression: &Expression) -> Result<(), String> {
        match expression {
            Expression::One(set) => {
                self.push(Step::One(set.clone()))?;
            }
            Expression::All(parts) => {
                for part in parts {
                    self.add(part)?;
                }
            }
            Expression::Any(branches) => {
                let mut ends = Vec::new();
                for (at, branch) in branches.iter().enumerate() {
                    if at + 1 == branches.len() {
                        self.add(branch)?;
                    } else {
                        let fork = self.push(Step::Go(0))?;
                        self.add(branch)?;
                        ends.push(self.push(Step::Go(0))?);
                        self.steps[fork] = Step::Either(fork + 1, self.steps.len());
                    }
                }
                for end in ends {
                    self.steps[end] = Step::Go(self.steps.len());
                }
            }
            Expression::Repeat(part, least, most) => self.repeat(part, *least, *most)?,
        }
        Ok(())
    }

    fn repeat(&mut self, part: &Expression, least: u32, most: Option<u32>) -> Result<(), String> {
        for _ in 0..least {
            let before = self.steps.len();
            self.add(part)?;
            if self.steps.len() == before {
                // Nothing, however often, is nothing.
                return Ok(());
            }
        }
        if let Some(most) = most {
            let mut forks = Vec::new();
            for _ in least..most.max(least) {
                forks.push(self.push(Step::Go(0))?);
                self.add(part)?;
            }
            for fork in forks {
                self.steps[fork] = Step::Either(fork + 1, self.steps.len());
            }
        } else {
            let fork = self.push(Step::Go(0))?;
            self.add(part)?;
            self.push(Step::Go(fork))?;
            self.steps[fork] = Step::Either(fork + 1, self.steps.len());
        }
        Ok(())
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let mut here = Front::new(self.steps.len());
        let mut next = Front::new(self.steps.len());
        let mut waiting = Vec::new();
        self.follow(0, &mut here, &mut waiting);
        for character in text.chars() {
            if here.steps.is_empty() {
                return false;
            }
            for at in &here.steps {
                if let Step::One(set) = &self.steps[*at]
                    && set.contains(character)
                {
                    self.follow(at + 1, &mut next, &mut waiting);
                }
            }
            std::mem::swap(&mut here, &mut next);
            next.clear();
        }
        here.steps
            .iter()
            .any(|at| matches!(self.steps[*at], Step::Done))
    }

    /// Adds a step and those reached from it without a character.
    fn follow(&self, start: usize, front: &mut Front, waiting: &mut Vec<usize>) {
        waiting.push(start);
        while let Some(at) = waiting.pop() {
            if !front.mark(at) {
                continue;
            }
            match self.steps[at] {
                Step::Either(first, second) => waiting.extend([second, first]),
                Step::Go(to) => waiting.push(to),
                Step::One(_) | Step::Done => front.steps.push(at),
            }
        }
    }
}

/// Steps that run, each once.
struct Front {
    steps: Vec<usize>,
    seen: Vec<u32>,
    round: u32,
}

impl Front {
    fn new(length: usize) -> Self {
        Self {
            steps: Vec::new(),
            seen: vec![0; length],
            round: 1,
        }
    }

    fn mark(&mut self, at: usize) -> bool {
        let new = self.seen[at] != self.round;
        self.seen[at] = self.round;
        new
    }

    fn clear(&mut self) {
        self.steps.clear();
        self.round = self.round.checked_add(1).unwrap_or_else(|| {
            self.seen.fill(0);
            1
        });
    }
}

thread_local! {
    /// Expressions of schemas, compiled when first needed; schemas are constants, so their number is bounded.
    static COMPILED: RefCell<Vec<(&'static str, Rc<Pattern>)>> = const { RefCell::new(Vec::new()) };
}

/// Compiles an expression of a schema, or remembers it. Errors as [`Pattern::new`].
pub(crate) fn compiled(expression: &'static str) -> Result<Rc<Pattern>, String> {
    COMPILED.with_borrow_mut(|known| {
        let same = |other: &&(&'static str, Rc<Pattern>)| std::ptr::eq(other.0, expression);
        if let Some((_, pattern)) = known.iter().find(same) {
            return Ok(Rc::clone(pattern));
        }
        let pattern = Rc::new(Pattern::new(expression)?);
        known.push((expression, Rc::clone(&pattern)));
        Ok(pattern)
    })
}
