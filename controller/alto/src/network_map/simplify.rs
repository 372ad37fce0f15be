//! Prefixes that say nothing.

use crate::Prefix;

/// Prefixes with their numbers, in order.
type Numbered = Vec<(Prefix, u32)>;

/// Fewest prefixes that give every address the same number, as far as halves can be put together.
pub(super) fn simplify(mut prefixes: Numbered) -> Numbered {
    loop {
        let before = prefixes.len();
        prefixes = without_halves(without_covered(prefixes));
        if prefixes.len() == before {
            return prefixes;
        }
    }
}

/// Drops prefixes whose next shorter one has the same number. In order.
fn without_covered(mut prefixes: Numbered) -> Numbered {
    let mut around: Numbered = Vec::new();
    prefixes.retain(|(prefix, number)| {
        while around.pop_if(|(outer, _)| !outer.covers(*prefix)).is_some() {}
        let said = around.last().is_some_and(|(_, outer)| outer == number);
        if !said {
            around.push((*prefix, *number));
        }
        !said
    });
    prefixes
}

/// Puts two halves of one number together, unless the whole has a number of its own.
fn without_halves(prefixes: Numbered) -> Numbered {
    let mut by_length: Vec<Numbered> = vec![Vec::new(); 129];
    for (prefix, number) in prefixes {
        by_length[usize::from(prefix.length())].push((prefix, number));
    }
    let mut kept = Vec::new();
    for length in (1..by_length.len()).rev() {
        let halves = std::mem::take(&mut by_length[length]);
        let (wholes, alone) = pairs(&halves, &by_length[length - 1]);
        kept.extend(alone);
        by_length[length - 1].extend(wholes);
        // Two sorted runs.
        by_length[length - 1].sort();
    }
    kept.append(&mut by_length[0]);
    kept.sort_unstable();
    kept
}

/// What becomes of prefixes of one length, given those that are a bit shorter; all in order.
fn pairs(halves: &[(Prefix, u32)], shorter: &[(Prefix, u32)]) -> (Numbered, Numbered) {
    let (mut wholes, mut alone) = (Vec::new(), Vec::new());
    let mut rest = halves.iter().peekable();
    while let Some((half, number)) = rest.next() {
        let whole = half.parent().filter(|whole| {
            rest.peek() == Some(&&(half.sibling(), *number))
                && shorter.binary_search_by_key(whole, |(p, _)| *p).is_err()
        });
        match whole {
            Some(whole) => {
                rest.next();
                wholes.push((whole, *number));
            }
            None => alone.push((*half, *number)),
        }
    }
    (wholes, alone)
}
