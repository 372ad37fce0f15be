#![allow(clippy::unwrap_used)]
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn pid(name: &str) -> PidName {
    PidName::new(name).unwrap()
}

fn prefixes(texts: &[&str]) -> Vec<Prefix> {
    texts.iter().map(|t| t.parse().unwrap()).collect()
}

fn document(groups: &[(&str, &[&str])]) -> String {
    let groups = groups
        .iter()
        .map(|(name, texts)| (pid(name), prefixes(texts)));
    let map = NetworkMap::new(groups).unwrap();
    let mut written = Vec::new();
    map.write(&mut written);
    let serialised = serde_json::to_string(&map).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), serialised);
    serialised
}

#[test]
fn a_map_that_comes_out_equal_is_the_one_before() {
    let after = |texts: &[&str], before: Option<&Arc<NetworkMap>>| {
        let groups = [(pid("a"), prefixes(texts)), (pid("b"), Vec::new())];
        NetworkMap::with_rest_after(groups, &PidName::total(), before).unwrap()
    };
    let before = after(&["10.0.0.0/8"], None);
    let same = after(&["10.0.0.0/9", "10.128.0.0/9"], Some(&before));
    assert!(Arc::ptr_eq(&same, &before));
    let other = after(&["11.0.0.0/8"], Some(&before));
    assert!(other.tag() != before.tag() && !other.contains(&pid("c")));
}

#[test]
fn what_a_shorter_prefix_of_the_same_pid_says_is_said_once() {
    assert_eq!(
        document(&[("a", &["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/8"])]),
        r#"{"a":{"ipv4":["0.0.0.0/0"]}}"#
    );
    assert_eq!(
        document(&[
            ("a", &["0.0.0.0/0", "10.1.0.0/16", "11.0.0.0/8"]),
            ("b", &["10.0.0.0/8"])
        ]),
        r#"{"a":{"ipv4":["0.0.0.0/0","10.1.0.0/16"]},"b":{"ipv4":["10.0.0.0/8"]}}"#,
        "another PID's prefix lies between"
    );
}

#[test]
fn two_halves_of_one_pid_are_the_whole() {
    assert_eq!(
        document(&[
            ("a", &["::/0", "2001:db8::/33", "2001:db8:8000::/34"]),
            (
                "b",
                &[
                    "2001:db8:c000::/35",
                    "2001:db8:e000::/35",
                    "::/128",
                    "::1/128"
                ]
            )
        ]),
        r#"{"a":{"ipv6":["::/0"]},"b":{"ipv6":["::/127","2001:db8:c000::/34"]}}"#
    );
    assert_eq!(
        document(&[("a", &["0.0.0.0/1", "128.0.0.0/1"])]),
        r#"{"a":{"ipv4":["0.0.0.0/0"]}}"#
    );
    // The fixture F2: the whole is PID2's.
    assert_eq!(
        document(&[
            ("PID1", &["0.0.0.0/0"]),
            ("PID2", &["192.0.2.0/24"]),
            ("PID3", &["192.0.2.0/25", "192.0.2.128/25"])
        ]),
        r#"{"PID1":{"ipv4":["0.0.0.0/0"]},"PID2":{"ipv4":["192.0.2.0/24"]},"PID3":{"ipv4":["192.0.2.0/25","192.0.2.128/25"]}}"#
    );
}

#[test]
fn the_order_of_provisioning_does_not_matter() {
    let groups = [
        (pid("a"), prefixes(&["10.0.0.0/8", "0.0.0.0/0"])),
        (pid("b"), prefixes(&["9.0.0.0/8"])),
    ];
    let mut turned = groups.clone();
    turned.reverse();
    assert_eq!(
        NetworkMap::new(groups).unwrap().tag(),
        NetworkMap::new(turned).unwrap().tag()
    );
}

#[test]
fn a_map_of_one_type_knows_nothing_of_the_other() {
    let map = NetworkMap::new([(pid("a"), prefixes(&["0.0.0.0/0"]))]).unwrap();
    assert_eq!(map.pid_of("2001:db8::1".parse().unwrap()), None);
    assert_eq!(map.pid_of("0.0.0.0".parse().unwrap()), Some(&pid("a")));
}

#[test]
fn the_types_do_not_share_a_tree() {
    let map =
        NetworkMap::with_rest([(pid("a"), prefixes(&["10.0.0.0/8"]))], &PidName::total()).unwrap();
    assert_eq!(
        map.pid_of("a00::1".parse().unwrap()),
        Some(&PidName::total())
    );
    assert_eq!(
        map.pid_of("::10.0.0.1".parse().unwrap()),
        Some(&PidName::total())
    );
}

/// The PID of an address by looking at every prefix.
fn brute(groups: &[(PidName, Vec<Prefix>)], address: IpAddr) -> Option<PidName> {
    let host = Prefix::host(address);
    groups
        .iter()
        .flat_map(|(pid, prefixes)| prefixes.iter().map(move |prefix| (prefix, pid)))
        .filter(|(prefix, _)| prefix.covers(host))
        .max_by_key(|(prefix, _)| prefix.length())
        .map(|(_, pid)| pid.clone())
}

/// Nested prefixes of few PIDs at the ends of either address space, and everything.
fn nested() -> impl Strategy<Value = Vec<(PidName, Vec<Prefix>)>> {
    let one = (any::<bool>(), any::<bool>(), 0_u8..64, 0_u8..=7, 0_u8..4);
    prop::collection::vec(one, 0..60).prop_map(|all| {
        let mut owners: BTreeMap<Prefix, u8> = [Family::Ipv4, Family::Ipv6]
            .map(|family| (Prefix::everything(family), 0))
            .into();
        for (six, high, low, cut, owner) in all {
            let bits = low >> cut.min(6) << cut.min(6);
            owners.insert(
                Prefix::new(
                    end(six, high, bits),
                    if six { 128 } else { 32 } - cut.min(6),
                )
                .unwrap(),
                owner,
            );
        }
        let mut groups: BTreeMap<PidName, Vec<Prefix>> = BTreeMap::new();
        for (prefix, owner) in owners {
            groups
                .entry(pid(&format!("p{owner}")))
                .or_default()
                .push(prefix);
        }
        groups.into_iter().collect()
    })
}

/// One of the first or last 64 addresses of a family.
fn end(six: bool, high: bool, low: u8) -> IpAddr {
    if six {
        let base = if high { u128::MAX - 63 } else { 0 };
        Ipv6Addr::from_bits(base + u128::from(low)).into()
    } else {
        let base = if high { u32::MAX - 63 } else { 0 };
        Ipv4Addr::from_bits(base + u32::from(low)).into()
    }
}

proptest! {
    #[test]
    fn alto_check_09_every_address_is_in_the_pid_of_its_longest_prefix(
        groups in nested(), six in any::<bool>(), high in any::<bool>(), low in 0_u8..64, anywhere in any::<u128>(),
    ) {
        let map = NetworkMap::new(groups.clone()).unwrap();
        let v4 = Ipv4Addr::from_bits(u32::try_from(anywhere >> 96).unwrap());
        for address in [end(six, high, low), v4.into(), Ipv6Addr::from_bits(anywhere).into()] {
            prop_assert_eq!(map.pid_of(address).cloned(), brute(&groups, address), "{}", address);
        }
        let host = Prefix::host(end(six, high, low));
        prop_assert_eq!(map.pid_around(host), map.pid_of(end(six, high, low)));
        let parsed: BTreeMap<String, BTreeMap<String, Vec<String>>> =
            serde_json::from_str(&serde_json::to_string(&map).unwrap()).unwrap();
        prop_assert_eq!(NetworkMap::parse(&parsed).unwrap().tag(), map.tag(), "simplified once for all");
    }

    #[test]
    fn prefixes_around_and_inside_are_those_that_cover(groups in nested(), six in any::<bool>(), low in 0_u8..64, cut in 0_u8..=7) {
        let map = NetworkMap::new(groups).unwrap();
        let cut = cut.min(6);
        let probe = Prefix::new(end(six, true, low >> cut << cut), if six { 128 } else { 32 } - cut).unwrap();
        let all: Vec<(Prefix, &PidName)> = map
            .groups()
            .flat_map(|(pid, group)| {
                let both = group.of(Family::Ipv4).chain(group.of(Family::Ipv6));
                both.map(move |prefix| (prefix, pid))
            })
            .collect();
        prop_assert_eq!(all.len(), map.prefix_count());
        let mut inside: Vec<_> = all.iter().copied().filter(|(p, _)| probe.covers(*p)).collect();
        inside.sort_unstable();
        prop_assert_eq!(map.inside(probe).collect::<Vec<_>>(), inside);
        let around = all.iter().filter(|(p, _)| p.covers(probe)).max_by_key(|(p, _)| p.length());
        prop_assert_eq!(map.pid_around(probe), around.map(|(_, pid)| *pid));
    }
}

/// A large map has a table of several levels.
#[test]
fn a_large_map_gives_the_same_answers() {
    let mut groups = vec![(
        PidName::total(),
        [Family::Ipv4, Family::Ipv6]
            .map(Prefix::everything)
            .to_vec(),
    )];
    for n in 0..6_000_u32 {
        let v4 = Prefix::new(
            Ipv4Addr::from_bits(n.wrapping_mul(0x9e37_79b1) & !0xff).into(),
            24,
        );
        let high = u128::from(0x2000_0000 + n * 0x2_0001) << 96;
        let v6 = Prefix::new(
            Ipv6Addr::from_bits(high).into(),
            32 + u8::try_from(n % 90).unwrap(),
        );
        groups.push((pid(&format!("p{n}")), vec![v4.unwrap(), v6.unwrap()]));
    }
    let map = NetworkMap::new(groups.clone()).unwrap();
    for (index, (_, prefixes)) in groups.iter().enumerate().skip(1).step_by(37) {
        for prefix in prefixes {
            let first = prefix.first_bits();
            let around = [
                first,
                first.wrapping_sub(1),
                prefix.first_bits_after().unwrap(),
            ];
            for bits in around {
                let address = match prefix.family() {
                    Family::Ipv4 => {
                        Ipv4Addr::from_bits(u32::try_from(bits & 0xffff_ffff).unwrap()).into()
                    }
                    Family::Ipv6 => Ipv6Addr::from_bits(bits).into(),
                };
                assert_eq!(
                    map.pid_of(address).cloned(),
                    brute(&groups, address),
                    "{index} {address}"
                );
            }
        }
    }
}
