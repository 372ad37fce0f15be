"""What can be asked of costs, whether between PIDs (RFC 7285 section 11.3.2) or endpoints (section 11.5): one or several cost types,
predicates, calendars. Everything is compared with our own computation from the full maps."""

import random

from . import reckon
from .faults import Absent, holds, same
from .view import key


class Desk:
    """A filtered cost map: costs between PIDs."""

    # Where the ends stand in a question, and the data in an answer.
    ends = "pids"
    member = "cost-map"

    def __init__(self, resource, view):
        self.resource = resource
        self.view = view
        for name in resource.uses:
            view.watch(name)

    def question(self, **members):
        return {name.replace("_", "-"): value for name, value in members.items()}

    def full(self, name):
        """All cells of a cost type."""
        return self.view.costs(self.resource, name)

    def every(self):
        """The ends of the cells that are looked at: none for all of them."""
        return {}

    def some(self):
        """The ends of about half of the sources and half of the destinations."""
        pairs = next((full for full in map(self.full, self.names("numerical")) if full), None)
        if pairs is None:
            raise Absent("there is no cost")
        chance = random.Random(self.resource.id)
        sides = (sorted({pair[side] for pair in pairs}) for side in (0, 1))
        srcs, dsts = (chance.sample(side, (len(side) + 1) // 2) for side in sides)
        return {"srcs": srcs, "dsts": dsts}

    def pick(self, full, ends):
        return reckon.picked(full, ends.get("srcs"), ends.get("dsts"))

    def ask(self, ends, **members):
        """The cells of an answer, and the whole of it."""
        question = self.question(**members)
        if ends:
            question[self.ends] = ends
        answer = self.view.post(self.resource, question)
        self.check_meta(answer["meta"], question)
        return reckon.cells(answer[self.member]), answer

    def check_meta(self, meta, question):
        asked = question.get("multi-cost-types")
        if asked is None:
            same("cost-type", key(meta["cost-type"]), key(question["cost-type"]))
            holds("multi-cost-types in an answer of one", "multi-cost-types" not in meta)
        else:
            same("multi-cost-types", [key(each) for each in meta.get("multi-cost-types", [])], [key(each) for each in asked])
        self.check_versions(meta)

    def check_versions(self, meta):
        network_map = self.view.network_map(self.resource.uses[0])
        same("dependent-vtags", meta["dependent-vtags"], [network_map["meta"]["vtag"]])

    def names(self, mode):
        names = [name for name in self.resource.names() if self.kind(name)["cost-mode"] == mode]
        if not names:
            raise Absent(f"no cost type of mode {mode}")
        return names

    def kind(self, name):
        return self.resource.cost_type(name)

    def kinds(self, names):
        return [self.kind(name) for name in names]

    def testable(self):
        """Cost types that predicates may be about, best known ones first; some that have costs."""
        given = self.resource.capabilities
        if given.get("testable-cost-type-names"):
            names = given["testable-cost-type-names"]
        elif given.get("cost-constraints"):
            names = self.names("numerical")
        else:
            raise Absent("no predicates")
        return sorted(names, key=lambda name: (self.kind(name)["cost-metric"].startswith("priv:"), name))

    def several(self, most=4):
        """Cost types that are asked for together."""
        limit = self.resource.capabilities.get("max-cost-types", 0)
        if not limit:
            raise Absent("one cost type at a time")
        return self.names("numerical")[: min(limit, most)]

    def multi(self):
        return bool(self.resource.capabilities.get("max-cost-types"))

    def timed(self):
        """Cost types with a calendar, and its attributes."""
        attributes = self.resource.capabilities.get("calendar-attributes")
        if not attributes:
            raise Absent("no calendars")
        return [(name, each) for each in attributes for name in each["cost-type-names"]]


def for_each(names):
    """A check that is made for one cost type after the other: it can be of one state of the server where all of them together cannot."""

    def decorate(function):
        function.names = names
        return function

    return decorate


def numerical(desk):
    return desk.names("numerical")


def ordinal(desk):
    return desk.names("ordinal")


def with_calendar(desk):
    return [name for name, _ in desk.timed()]


@for_each(numerical)
def singles(desk, name):
    """Each cost type by itself, of all ends and of some."""
    for ends in (desk.every(), desk.some()):
        found, _ = desk.ask(ends, cost_type=desk.kind(name))
        same(f"{name} {ends}", found, desk.pick(desk.full(name), ends))


@for_each(ordinal)
def ranks(desk, name):
    """RFC 7285 section 6.1.2.2: ranks follow the costs of this very answer."""
    kind = desk.kind(name)
    numbers = [each for each in numerical(desk) if desk.kind(each)["cost-metric"] == kind["cost-metric"]]
    for number in numbers:
        for ends in (desk.every(), desk.some()):
            found, _ = desk.ask(ends, cost_type=kind)
            expected = desk.pick(desk.full(number), ends)
            holds(f"{name} {ends}: {found} are no ranks of {expected}", reckon.is_order(expected, found, kind["cost-metric"]))
            holds(f"{name}: no integers", all(isinstance(value, int) and value >= 0 for value in found.values()))


def words_are_ignored(desk):
    """RFC 7285 section 11.3.2.3: the description in a question; section 8.3.7: members that nobody knows."""
    name = desk.names("numerical")[0]
    ends = desk.some()
    found, _ = desk.ask(ends, cost_type={**desk.kind(name), "description": "something else"})
    same(name, found, desk.pick(desk.full(name), ends))


def bounds(desk, name):
    values = sorted(set(desk.pick(desk.full(name), desk.some()).values()))
    if not values:
        raise Absent(f"no {name}")
    return values[len(values) // 2], values[0], values[-1]


def predicates(desk):
    """RFC 7285 section 11.3.2.3: each operator, and several that must all hold."""
    name = next((name for name in desk.testable() if name in desk.names("numerical") and desk.full(name)), None)
    if name is None:
        raise Absent("no cost that could be tested")
    middle, least, most = bounds(desk, name)
    ends = desk.some()
    picked = desk.pick(desk.full(name), ends)
    tests = [[f"{each} {middle}"] for each in reckon.OPERATORS]
    tests += [
        [f"ge {least}", f"lt {most}"],
        ["ge -1e1"],
        ["le  1.5E+300"],
        ["ge\t0"],
        [f"[0] gt {middle}"] if desk.multi() else ["lt -1"],
    ]
    for texts in tests:
        found, _ = desk.ask(ends, cost_type=desk.kind(name), constraints=texts)
        passing = reckon.passing({pair: [value] for pair, value in picked.items()}, [[text.replace("\t", " ") for text in texts]])
        same(f"{name} {texts}", found, {pair: value for pair, value in picked.items() if pair in passing})


def ranks_of_what_passes(desk):
    """RFC 7285 section 6.2: ranks are of the pairs of the answer, after the predicates."""
    names = desk.testable()
    if not desk.resource.capabilities.get("testable-cost-type-names"):
        raise Absent("predicates are about the ranks themselves")
    numbers = {desk.kind(name)["cost-metric"]: name for name in desk.names("numerical") if desk.full(name)}
    name = next((name for name in desk.names("ordinal") if numbers.get(desk.kind(name)["cost-metric"]) in names), None)
    if name is None:
        raise Absent("no ordinal cost type of what can be tested")
    number = numbers[desk.kind(name)["cost-metric"]]
    middle, _, _ = bounds(desk, number)
    ends = desk.some()
    found, _ = desk.ask(
        ends, cost_type=desk.kind(name), testable_cost_types=[desk.kind(number)], constraints=[f"[0] ge {middle}"]
    )
    expected = {pair: value for pair, value in desk.pick(desk.full(number), ends).items() if value >= middle}
    holds(f"{found} are no ranks of {expected}", reckon.is_order(expected, found, desk.kind(name)["cost-metric"]))


def together(desk):
    """RFC 8189 section 4.1.3: an array for each pair, null for what is missing, in the order of the question."""
    names = desk.several()
    for order in (names, names[::-1], names[:1]):
        for ends in (desk.every(), desk.some()):
            found, _ = desk.ask(ends, multi_cost_types=desk.kinds(order))
            expected = reckon.together([desk.pick(desk.full(name), ends) for name in order])
            found = {pair: values for pair, values in found.items() if any(value is not None for value in values)}
            same(f"{order} {ends}", found, expected)


def alternatives(desk):
    """RFC 8189 section 4.1.2: alternatives of predicates, whatever is asked for."""
    testable = [name for name in desk.testable() if desk.full(name)]
    if not desk.multi() or not testable:
        raise Absent("no predicates over several cost types")
    tested = testable[: min(2, len(testable))]
    last = len(tested) - 1
    ends = desk.some()
    middles = [bounds(desk, name) for name in tested]
    either = [[f"[0] gt {middles[0][0]}"], [f"[{last}] le {middles[last][0]}", f"[0] ge {middles[0][1]}"]]
    values = reckon.together([desk.pick(desk.full(name), ends) for name in tested])
    for texts in (either, either[:1], [[f"[{last}] eq {middles[last][2]}"], ["[0] lt -1"]]):
        passing = reckon.passing(values, texts)
        asked = {"testable_cost_types": desk.kinds(tested), "or_constraints": texts}
        found, _ = desk.ask(ends, cost_type=desk.kind(tested[0]), **asked)
        plain = desk.pick(desk.full(tested[0]), ends)
        same(f"{tested[0]} {texts}", found, {pair: value for pair, value in plain.items() if pair in passing})
        names = desk.several()
        found, _ = desk.ask(ends, multi_cost_types=desk.kinds(names), **asked)
        expected = reckon.together([desk.pick(desk.full(name), ends) for name in names])
        same(f"{names} {texts}", found, {pair: value for pair, value in expected.items() if pair in passing})


@for_each(with_calendar)
def calendars(desk, name):
    """RFC 8896 section 5.1.2: as many values as there are intervals, as announced; and the single value without."""
    [announced] = [each for other, each in desk.timed() if other == name]
    if not desk.full(name):
        return
    kind = desk.kind(name)
    every, answer = desk.ask(desk.every(), cost_type=kind, calendared=[True])
    [told] = answer["meta"]["calendar-response-attributes"]
    for member in ("time-interval-size", "number-of-intervals"):
        same(f"{name}: {member}", told[member], announced[member])
    for pair, values in every.items():
        same(f"{name} {pair}: values", len(values), announced["number-of-intervals"])
    same(f"{name}: pairs with a calendar, but without a cost", sorted(set(every) - set(desk.full(name))), [])
    ends = desk.some()
    some, _ = desk.ask(ends, cost_type=kind, calendared=[True])
    same(f"{name} {ends}", some, desk.pick(every, ends))
    plain, answer = desk.ask(ends, cost_type=kind, calendared=[False])
    same(f"{name} without", plain, desk.pick(desk.full(name), ends))
    holds("attributes of no calendar", "calendar-response-attributes" not in answer["meta"])


def calendars_of_several(desk):
    """RFC 8896 and RFC 8189 together: only those types have values of intervals of which they were asked for."""
    timed = [(name, each) for name, each in desk.timed() if desk.full(name)]
    if not desk.multi() or not timed:
        raise Absent("no calendars of several cost types")
    name = timed[0][0]
    other = next((each for each in desk.several() if each != name), None)
    if other is None:
        raise Absent("one cost type only")
    ends = desk.some()
    alone, _ = desk.ask(ends, cost_type=desk.kind(name), calendared=[True])
    found, answer = desk.ask(ends, multi_cost_types=desk.kinds([name, other]), calendared=[True, False])
    expected = reckon.together([alone, desk.pick(desk.full(other), ends)])
    found = {pair: values for pair, values in found.items() if any(value is not None for value in values)}
    same(f"{name} and {other}", found, expected)
    for told in answer["meta"]["calendar-response-attributes"]:
        holds("attributes of what was not asked for", other not in told.get("cost-type-names", []))


def calendars_without_predicates(desk):
    """RFC 8896 section 5.2.1: predicates of a question for a calendar are ignored."""
    name = next((name for name, _ in desk.timed() if desk.full(name)), None)
    if name is None:
        raise Absent("no cost with a calendar")
    every, _ = desk.ask(desk.every(), cost_type=desk.kind(name), calendared=[True])
    tested = desk.testable()[0]
    more = {"testable_cost_types": desk.kinds([tested])} if desk.multi() else {}
    found, _ = desk.ask(desk.every(), cost_type=desk.kind(name), calendared=[True], constraints=["lt -1"], **more)
    same(name, found, every)


def wrong_types(desk):
    """RFC 7285 section 8.5.2, RFC 9274 section 4."""
    client, resource = desk.view.client, desk.resource
    kind = desk.kind(desk.names("numerical")[0])
    ends = {desk.ends: desk.every()}

    def refused(members, *expected):
        client.refusal(resource, {**ends, **members}, *expected)

    refused({}, "E_MISSING_FIELD")
    refused({"cost-type": {"cost-mode": "numerical"}}, "E_MISSING_FIELD", "cost-type/cost-metric")
    refused({"cost-type": {"cost-metric": kind["cost-metric"]}}, "E_MISSING_FIELD", "cost-type/cost-mode")
    refused({"cost-type": {**kind, "cost-mode": "foo"}}, "E_INVALID_FIELD_VALUE", "cost-type/cost-mode", "foo")
    refused(
        {"cost-type": {**kind, "cost-metric": "priv:no-such"}}, "E_INVALID_FIELD_VALUE", "cost-type/cost-metric", "priv:no-such"
    )
    for metric in ("delay-rt:p101", "delay-rt:avg", "priv:", "priv:" + 28 * "x"):
        refused({"cost-type": {**kind, "cost-metric": metric}}, "E_INVALID_FIELD_VALUE", "cost-type/cost-metric", metric)
    refused({"cost-type": "routingcost"}, "E_INVALID_FIELD_TYPE", "cost-type")
    refused({"cost-type": {**kind, "cost-metric": 7}}, "E_INVALID_FIELD_TYPE", "cost-type/cost-metric")


def wrong_predicates(desk):
    client, resource = desk.view.client, desk.resource
    ends = {desk.ends: desk.every()}
    name = desk.names("numerical")[0]
    try:
        desk.testable()
    except Absent:
        question = {**ends, "cost-type": desk.kind(name), "constraints": ["ge 0"]}
        client.refusal(resource, question, "E_INVALID_FIELD_VALUE", "constraints")
        return
    for text in ("ne 5", "ge", "ge x", "5", "ge 5 6", "ge5"):
        question = {**ends, "cost-type": desk.kind(name), "constraints": [text]}
        client.refusal(resource, question, "E_INVALID_FIELD_VALUE", "constraints", text)
    question = {**ends, "cost-type": desk.kind(name), "constraints": "ge 5"}
    client.refusal(resource, question, "E_INVALID_FIELD_TYPE", "constraints")


def wrong_together(desk):
    """RFC 8189 section 4.1.2: what excludes each other, and what is too many."""
    client, resource = desk.view.client, desk.resource
    ends = {desk.ends: desk.every()}
    kinds = desk.kinds(desk.several())
    limit = resource.capabilities["max-cost-types"]

    def refused(**members):
        question = {**ends, **{name.replace("_", "-"): value for name, value in members.items()}}
        client.refusal(resource, question, "E_INVALID_FIELD_VALUE")

    refused(cost_type=kinds[0], multi_cost_types=kinds)
    refused(multi_cost_types=[])
    refused(multi_cost_types=[kinds[0]] * (limit + 1))
    try:
        testable = desk.kind(desk.testable()[0])
    except Absent:
        return
    refused(multi_cost_types=kinds, constraints=["[0] ge 0"], or_constraints=[["[0] ge 0"]])
    refused(multi_cost_types=kinds, or_constraints=[[]])
    refused(multi_cost_types=kinds, testable_cost_types=[testable], constraints=["[1] ge 0"])
    refused(cost_type=kinds[0], testable_cost_types=[{**testable, "cost-metric": "priv:no-such"}], constraints=["ge 0"])


def wrong_calendars(desk):
    """RFC 8896 section 5.1.1: one word for each metric."""
    name = desk.timed()[0][0]
    ends = {desk.ends: desk.every()}
    for wrong in ([True, False], []):
        question = {**ends, "cost-type": desk.kind(name), "calendared": wrong}
        desk.view.client.refusal(desk.resource, question, "E_INVALID_FIELD_VALUE", "calendared")
    question = {**ends, "cost-type": desk.kind(name), "calendared": True}
    desk.view.client.refusal(desk.resource, question, "E_INVALID_FIELD_TYPE", "calendared")


def no_calendar_of_the_rest(desk):
    """RFC 8896 section 5.1.1: to ask for a calendar where there is none gives the single value."""
    timed = {name for name, _ in desk.timed()}
    name = next((name for name in desk.names("numerical") if name not in timed and desk.full(name)), None)
    if name is None:
        raise Absent("every cost type has a calendar")
    ends = desk.some()
    found, _ = desk.ask(ends, cost_type=desk.kind(name), calendared=[True])
    same(name, found, desk.pick(desk.full(name), ends))


def ends_of_pids(desk):
    """RFC 7285 section 11.3.2.3: no PID means all; unknown ones are absent, doubles stand once."""
    name = desk.names("numerical")[0]
    full, chosen = desk.full(name), desk.some()
    for ends, picked in (
        ({"srcs": [], "dsts": []}, {}),
        ({"srcs": chosen["srcs"]}, {"srcs": chosen["srcs"]}),
        ({"dsts": chosen["dsts"]}, {"dsts": chosen["dsts"]}),
        ({"srcs": [*chosen["srcs"], "no-such-pid", chosen["srcs"][0]], "dsts": chosen["dsts"]}, chosen),
        ({"srcs": ["no-such-pid"]}, {"srcs": ["no-such-pid"]}),
    ):
        found, _ = desk.ask(ends, cost_type=desk.kind(name))
        same(f"{name} {ends}", found, desk.pick(full, picked))


def wrong_ends_of_pids(desk):
    kind = desk.kind(desk.names("numerical")[0])
    client = desk.view.client
    for pids, expected in (
        ("PID1", ("E_INVALID_FIELD_TYPE", "pids")),
        ({"srcs": "PID1"}, ("E_INVALID_FIELD_TYPE", "pids/srcs")),
        ({"dsts": [7]}, ("E_INVALID_FIELD_VALUE", "pids/dsts", "7")),
    ):
        client.refusal(desk.resource, {"cost-type": kind, "pids": pids}, *expected)


COMMON = [
    ("RFC 7285 §11.3.2.6", "every cost type, of all and of some", singles),
    ("RFC 7285 §6.1.2.2", "ranks", ranks),
    ("RFC 7285 §11.3.2.3", "a description changes nothing", words_are_ignored),
    ("RFC 7285 §11.3.2.3", "predicates", predicates),
    ("RFC 7285 §6.2", "ranks of what passes predicates", ranks_of_what_passes),
    ("RFC 8189 §4.1.3", "several cost types together", together),
    ("RFC 8189 §4.1.2", "alternatives of predicates", alternatives),
    ("RFC 8896 §5.1.2", "calendars", calendars),
    ("RFC 8896 §5.1.2", "calendars of several cost types", calendars_of_several),
    ("RFC 8896 §5.2.1", "no predicates on calendars", calendars_without_predicates),
    ("RFC 8896 §5.1.1", "a single value where there is no calendar", no_calendar_of_the_rest),
    ("RFC 7285 §8.5.2", "wrong cost types and their errors", wrong_types),
    ("RFC 7285 §11.3.2.3", "wrong predicates and their errors", wrong_predicates),
    ("RFC 8189 §4.1.2", "wrong questions for several cost types", wrong_together),
    ("RFC 8896 §5.1.1", "wrong questions for calendars", wrong_calendars),
]
PIDS = [
    ("RFC 7285 §11.3.2.3", "PIDs: none, unknown, double", ends_of_pids),
    ("RFC 7285 §8.5.2", "wrong PIDs and their errors", wrong_ends_of_pids),
]
