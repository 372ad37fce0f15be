//! `glob-pattern` of RFC 8194: `fnmatch` of POSIX without the rules for paths and leading periods.

/// Whether `pattern` matches the whole of `text`: `*` any characters, `?` one, `[a-z]` one of a set, `[!a-z]` one outside it, `\` the
/// next one literally. A bracket that is not closed stands for itself. Takes no more than the product of both lengths.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not fit.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        match (one(&pattern, p), text.get(t)) {
            (None, None) => return true,
            (Some((next, set)), Some(&c)) if set.has(c) => {
                p = next;
                t += 1;
                continue;
            }
            _ => {}
        }
        let Some((after, from)) = star.filter(|(_, from)| *from < text.len()) else {
            return false;
        };
        star = Some((after, from + 1));
        (p, t) = (after, from + 1);
    }
}

/// What one place of the pattern takes.
enum Set<'a> {
    Any,
    Is(char),
    Of { inside: &'a [char], inverted: bool },
}

impl Set<'_> {
    fn has(&self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::Is(other) => *other == c,
            Self::Of { inside, inverted } => within(inside, c) != *inverted,
        }
    }
}

/// What stands at `at`, and where the next one begins.
fn one(pattern: &[char], at: usize) -> Option<(usize, Set<'_>)> {
    Some(match *pattern.get(at)? {
        '?' => (at + 1, Set::Any),
        '\\' => match pattern.get(at + 1) {
            Some(&c) => (at + 2, Set::Is(c)),
            None => (at + 1, Set::Is('\\')),
        },
        '[' => bracket(pattern, at).unwrap_or((at + 1, Set::Is('['))),
        c => (at + 1, Set::Is(c)),
    })
}

fn bracket(pattern: &[char], at: usize) -> Option<(usize, Set<'_>)> {
    let inverted = pattern.get(at + 1) == Some(&'!');
    let from = at + 1 + usize::from(inverted);
    // A bracket right at the beginning belongs to the set.
    let mut end = from + usize::from(pattern.get(from) == Some(&']'));
    loop {
        match pattern.get(end)? {
            ']' => break,
            '\\' => end += 2,
            _ => end += 1,
        }
    }
    let inside = &pattern[from..end];
    Some((end + 1, Set::Of { inside, inverted }))
}

fn within(inside: &[char], c: char) -> bool {
    let mut rest = inside;
    let literal = |rest: &[char]| match rest {
        ['\\', c, ..] => Some((*c, 2)),
        [c, ..] => Some((*c, 1)),
        [] => None,
    };
    while let Some((low, taken)) = literal(rest) {
        rest = &rest[taken..];
        if rest.len() > 1
            && rest[0] == '-'
            && let Some((high, taken)) = literal(&rest[1..])
        {
            rest = &rest[1 + taken..];
            if (low..=high).contains(&c) {
                return true;
            }
        } else if low == c {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_fnmatch_does_without_paths() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*", "a/b.c", true),
            ("a*", "ba", false),
            ("*b*d", "abcd", true),
            ("*b*d", "abcde", false),
            ("measurement/*", "measurement/light", true),
            ("a?c", "a/c", true),
            ("a?c", "ac", false),
            ("?", "ü", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("[\\]]", "]", true),
            ("[ab", "[ab", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a\\", "a\\", true),
            (".*", ".hidden", true),
            ("*", ".hidden", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn stars_do_not_take_exponential_time() {
        let pattern = "*a".repeat(200);
        assert!(!matches(&format!("{pattern}b"), &"a".repeat(5000)));
    }
}
