"""Our own computation of what a server is asked for, from full maps. A map is {source: {destination: value}}."""

import itertools
import operator
import re

OPERATORS = {"gt": operator.gt, "lt": operator.lt, "ge": operator.ge, "le": operator.le, "eq": operator.eq}
PREDICATE = re.compile(r"^(?:\[(\d+)\]\s+)?(gt|lt|ge|le|eq)\s+(\S+)$")
# Metrics of which more is better (RFC 9439 section 4.4 and section 5); of all other registered ones less is.
MORE_IS_BETTER = ("tput", "bw-residual", "bw-available")


def cells(rows):
    return {(source, to): value for source, row in rows.items() for to, value in row.items()}


def rows(cells):
    found = {}
    for (source, to), value in sorted(cells.items()):
        found.setdefault(source, {})[to] = value
    return found


def without_empty(found):
    """A row that lost all its cells may stay or go."""
    return {source: row for source, row in found.items() if row}


def picked(full, srcs, dsts):
    """The cells of these sources and destinations; an empty list means all (RFC 7285 section 11.3.2.3)."""
    return {
        (source, to): value for (source, to), value in full.items() if (not srcs or source in srcs) and (not dsts or to in dsts)
    }


def together(maps):
    """Cells with one value for each map, none where a map has no such pair (RFC 8189 section 4.1.3)."""
    pairs = set().union(*maps)
    return {pair: [each.get(pair) for each in maps] for pair in pairs}


def predicate(text):
    """Index, and a test of a value that no missing one passes (RFC 8189 section 4.1.2)."""
    index, name, number = PREDICATE.match(text).groups()
    bound, compare = float(number), OPERATORS[name]
    return int(index or 0), lambda value: value is not None and compare(float(value), bound)


def passing(tested, alternatives):
    """The pairs of which the tested values meet all predicates of one of the alternatives."""
    read = [[predicate(text) for text in each] for each in alternatives]
    return {pair for pair, values in tested.items() if any(all(test(values[index]) for index, test in each) for each in read)}


def is_order(costs, ranks, metric):
    """Whether ranks order pairs as costs do, lower ranks being better (RFC 7285 section 6.1.2.2)."""
    if costs.keys() != ranks.keys():
        return False
    base = metric.split(":")[0]
    # Of private metrics, and of how much a metric varies, no RFC says which end is the better one.
    told = not metric.startswith("priv:") and not metric.endswith((":stddev", ":stdvar"))
    signs = (-1 if base in MORE_IS_BETTER else 1,) if told else (1, -1)

    def fits(sign):
        ordered = sorted(costs, key=lambda pair: sign * costs[pair])
        return all(ranks[a] < ranks[b] if costs[a] != costs[b] else ranks[a] == ranks[b] for a, b in itertools.pairwise(ordered))

    return any(fits(sign) for sign in signs)
