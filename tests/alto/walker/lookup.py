"""The PID of an address, by a tree of its own for each family (RFC 7285 section 11.2.2)."""

import ipaddress
import random

import pytricia


class Lookup:
    def __init__(self, network_map):
        self.trees = {"ipv4": pytricia.PyTricia(32), "ipv6": pytricia.PyTricia(128)}
        for pid, group in network_map.items():
            for family, prefixes in group.items():
                for prefix in prefixes:
                    self.trees[family].insert(prefix, pid)

    def pid(self, endpoint):
        """The PID of a typed address, or none where the map says nothing of its family."""
        family, _, address = endpoint.partition(":")
        # Spellings of one address are one address.
        address = str(ipaddress.ip_address(address))
        return self.trees[family].get(address)

    def rest(self, family):
        """The PID of whatever has no other."""
        everything = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}[family]
        tree = self.trees[family]
        return tree.get(everything) if tree.has_key(everything) else None


def addresses(network_map, seed, most=40):
    """Addresses worth asking for: both ends of prefixes, their neighbours beyond, and some of anywhere."""
    chance = random.Random(seed)
    prefixes = sorted((family, prefix) for group in network_map.values() for family, texts in group.items() for prefix in texts)
    chance.shuffle(prefixes)
    found = ["ipv4:192.0.2.34", "ipv4:203.0.113.129", "ipv6:2001:db8::1", "ipv4:8.8.8.8"]
    for family, text in prefixes:
        prefix = ipaddress.ip_network(text)
        first, last = int(prefix.network_address), int(prefix.broadcast_address)
        top = 2**prefix.max_prefixlen - 1
        for number in (first, last, chance.randint(first, last), max(first - 1, 0), min(last + 1, top)):
            found.append(f"{family}:{type(prefix.network_address)(number)}")
    families = {family for family, _ in prefixes}
    unique = [each for each in dict.fromkeys(found) if each.partition(":")[0] in families]
    return unique[:most]
