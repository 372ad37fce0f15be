//! JavaScript cut into tokens, as far as a look at its texts and calls needs it.

/// A piece of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name, keyword or number.
    Word(String),
    /// A text in quotes, as it is meant.
    Text(String),
    /// A text in back quotes, as it is written.
    Template(String),
    /// A pattern.
    Pattern,
    /// Anything else, a character each.
    Sign(char),
}

/// The tokens of a script, each with its line.
pub(crate) fn tokens(script: &str) -> Vec<(Token, usize)> {
    let mut rest: Vec<char> = script.chars().rev().collect();
    let (mut found, mut line): (Vec<(Token, usize)>, usize) = (Vec::new(), 1);
    while let Some(c) = rest.pop() {
        let next = rest.last().copied();
        match c {
            '\n' => line += 1,
            c if c.is_whitespace() => {}
            '/' if next == Some('/') => while rest.pop_if(|&mut c| c != '\n').is_some() {},
            '/' if next == Some('*') => {
                let mut before = ' ';
                rest.pop();
                while let Some(c) = rest.pop() {
                    line += usize::from(c == '\n');
                    if before == '*' && c == '/' {
                        break;
                    }
                    before = c;
                }
            }
            '"' | '\'' | '`' => {
                let at = line;
                let text = quoted(&mut rest, c, &mut line);
                found.push((
                    if c == '`' {
                        Token::Template(text)
                    } else {
                        Token::Text(text)
                    },
                    at,
                ));
            }
            '/' if begins_pattern(found.last()) => {
                pattern(&mut rest);
                found.push((Token::Pattern, line));
            }
            c if is_word(c) => {
                let mut word = String::from(c);
                while let Some(c) = rest.pop_if(|c| is_word(*c)) {
                    word.push(c);
                }
                found.push((Token::Word(word), line));
            }
            c => found.push((Token::Sign(c), line)),
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Whether a slash after this is no division.
fn begins_pattern(before: Option<&(Token, usize)>) -> bool {
    match before {
        None => true,
        Some((Token::Sign(c), _)) => !matches!(c, ')' | ']' | '}'),
        Some((Token::Word(word), _)) => word == "return" || word == "case",
        Some(_) => false,
    }
}

fn quoted(rest: &mut Vec<char>, end: char, line: &mut usize) -> String {
    let mut text = String::new();
    while let Some(c) = rest.pop() {
        *line += usize::from(c == '\n');
        match c {
            c if c == end => break,
            '\\' => match rest.pop() {
                Some('n') => text.push('\n'),
                Some('u') => {
                    let digits: String = (0..4).filter_map(|_| rest.pop()).collect();
                    let code = u32::from_str_radix(&digits, 16).ok();
                    text.extend(code.and_then(char::from_u32));
                }
                Some(c) => text.push(c),
                None => {}
            },
            c => text.push(c),
        }
    }
    text
}

fn pattern(rest: &mut Vec<char>) {
    let mut within = false;
    while let Some(c) = rest.pop() {
        match c {
            '\\' => drop(rest.pop()),
            '[' => within = true,
            ']' => within = false,
            '/' if !within => break,
            _ => {}
        }
    }
    while rest.pop_if(|c| is_word(*c)).is_some() {}
}

/// A call of a function by its bare name: where it stands, and the tokens of each argument.
pub(crate) struct Call {
    pub(crate) line: usize,
    pub(crate) arguments: Vec<Vec<Token>>,
}

/// The calls of `name` that are no member's.
pub(crate) fn calls(tokens: &[(Token, usize)], name: &str) -> Vec<Call> {
    let is_name = |token: &Token| matches!(token, Token::Word(word) if word == name);
    let mut found = Vec::new();
    for (at, (token, line)) in tokens.iter().enumerate() {
        let member = at > 0
            && matches!(&tokens[at - 1].0, Token::Sign('.'))
            && !(at > 2
                && tokens[at - 3..at]
                    .iter()
                    .all(|(t, _)| *t == Token::Sign('.')));
        if is_name(token) && !member && matches!(tokens.get(at + 1), Some((Token::Sign('('), _))) {
            found.push(Call {
                line: *line,
                arguments: arguments(&tokens[at + 2..]),
            });
        }
    }
    found
}

/// The arguments after an opening bracket.
fn arguments(tokens: &[(Token, usize)]) -> Vec<Vec<Token>> {
    let (mut all, mut depth) = (vec![Vec::new()], 0);
    for (token, _) in tokens {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')') if depth == 0 => break,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            Token::Sign(',') if depth == 0 => {
                all.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = all.last_mut() {
            last.push(token.clone());
        }
    }
    all.retain(|argument| !argument.is_empty());
    all
}
