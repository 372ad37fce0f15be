//! Texts that a regular expression of XML Schema matches, at random: the part of the language that the modules use.

use fastrand::Rng;

/// A text that matches.
pub(crate) fn sample(expression: &str, rng: &mut Rng) -> String {
    let characters: Vec<char> = expression.chars().collect();
    let mut sampler = Sampler {
        characters: &characters,
        at: 0,
        rng,
    };
    let text = sampler.alternatives();
    assert_eq!(sampler.at, characters.len(), "cannot read `{expression}`");
    text
}

struct Sampler<'a> {
    characters: &'a [char],
    at: usize,
    rng: &'a mut Rng,
}

impl Sampler<'_> {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn take(&mut self) -> char {
        let next = self.characters[self.at];
        self.at += 1;
        next
    }

    /// Every alternative is read and sampled; one is kept.
    fn alternatives(&mut self) -> String {
        let mut found = vec![self.sequence()];
        while self.peek() == Some('|') {
            self.take();
            found.push(self.sequence());
        }
        let at = self.rng.usize(..found.len());
        found.swap_remove(at)
    }

    fn sequence(&mut self) -> String {
        let mut text = String::new();
        while self.peek().is_some_and(|c| c != '|' && c != ')') {
            let start = self.at;
            let once = self.atom();
            let end = self.at;
            let (least, most) = self.quantifier();
            let after = self.at;
            let times = self.rng.usize(least..=most);
            for turn in 0..times {
                if turn == 0 {
                    text.push_str(&once);
                } else {
                    self.at = start;
                    let again = self.atom();
                    assert_eq!(self.at, end);
                    text.push_str(&again);
                }
            }
            self.at = after;
        }
        text
    }

    fn quantifier(&mut self) -> (usize, usize) {
        let bounds = match self.peek() {
            Some('*') => (0, 3),
            Some('+') => (1, 4),
            Some('?') => (0, 1),
            Some('{') => {
                let rest = &self.characters[self.at..];
                let end = self.at + rest.iter().position(|&c| c == '}').unwrap();
                let inner: String = self.characters[self.at + 1..end].iter().collect();
                self.at = end;
                let (least, most) = inner.split_once(',').unwrap_or((&inner, &inner));
                let least: usize = least.parse().unwrap();
                (least, most.parse().unwrap_or(least + 3).min(least + 20))
            }
            _ => return (1, 1),
        };
        self.take();
        bounds
    }

    fn atom(&mut self) -> String {
        match self.take() {
            '(' => {
                let inner = self.alternatives();
                assert_eq!(self.take(), ')');
                inner
            }
            '[' => self.class(),
            '\\' => self.escape().to_string(),
            '.' => self.any().to_string(),
            other => other.to_string(),
        }
    }

    fn any(&mut self) -> char {
        let all = ['a', 'Z', '0', '-', '.', 'é', 'x', 'm', 'l', ' '];
        all[self.rng.usize(..all.len())]
    }

    fn escape(&mut self) -> char {
        match self.take() {
            'd' => self.rng.char('0'..='9'),
            'w' => self.rng.char('a'..='z'),
            's' => ' ',
            'p' => {
                assert_eq!(self.take(), '{');
                let kind = self.take();
                while self.take() != '}' {}
                if kind == 'N' {
                    self.rng.char('0'..='9')
                } else {
                    self.rng.char('a'..='z')
                }
            }
            other => other,
        }
    }

    fn class(&mut self) -> String {
        let negated = self.peek() == Some('^');
        if negated {
            self.take();
        }
        let mut ranges: Vec<(char, char)> = Vec::new();
        while self.peek() != Some(']') {
            let low = match self.take() {
                '\\' => self.escape(),
                other => other,
            };
            let is_range =
                self.peek() == Some('-') && self.characters.get(self.at + 1) != Some(&']');
            if is_range {
                self.take();
                let high = match self.take() {
                    '\\' => self.escape(),
                    other => other,
                };
                ranges.push((low, high));
            } else {
                ranges.push((low, low));
            }
        }
        self.take();
        if negated {
            loop {
                let candidate = self.any();
                if !ranges
                    .iter()
                    .any(|&(low, high)| (low..=high).contains(&candidate))
                {
                    return candidate.to_string();
                }
            }
        }
        let (low, high) = ranges[self.rng.usize(..ranges.len())];
        self.rng.char(low..=high).to_string()
    }
}
