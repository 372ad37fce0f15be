#![allow(clippy::unwrap_used)]

use super::*;
use crate::diagnose::chain::{Kind, StepCode};
use crate::diagnose::finding::{Conclusion, FindingCode, conclude};
use serde_json::json;

/// What each step of the chain has seen.
#[derive(Clone)]
struct Scene {
    link: Link,
    address: Address,
    gateway: Families<Gateway>,
    path: Families<Way>,
    names: Names,
    page: Option<Page>,
    packet_size: PacketSize,
    clock: Clock,
}

fn v4<T>(one: T) -> Families<T> {
    Families {
        ipv4: Some(one),
        ipv6: None,
    }
}

fn both<T: Clone>(one: T) -> Families<T> {
    Families {
        ipv4: Some(one.clone()),
        ipv6: Some(one),
    }
}

const FINE: Asked = Asked {
    asked: 1,
    answered: 1,
    us: Some(9_000),
};
const DEAD: Asked = Asked {
    asked: 2,
    answered: 0,
    us: None,
};
const NOBODY: Asked = Asked {
    asked: 0,
    answered: 0,
    us: None,
};
const SILENT_WAY: Way = Way {
    tried: 2,
    reached: 0,
    outside: true,
    last_hop: 1,
    rtt_us: None,
};
const SILENT_GATEWAY: Gateway = Gateway {
    address: None,
    neighbour: Some(false),
    echoes: Echoes {
        sent: 3,
        received: 0,
        rtt_us: None,
    },
};

/// All is well.
fn scene() -> Scene {
    Scene {
        link: Link {
            interface: Some("wan".to_owned()),
            device: Some("eth1".to_owned()),
            kind: Some("wired"),
            up: Some(true),
            carrier: Some(true),
        },
        address: Address {
            protocol: Some("dhcp".to_owned()),
            own: v4([203, 0, 113, 7].into()),
            route: true,
            error: None,
        },
        gateway: v4(Gateway {
            address: Some([203, 0, 113, 1].into()),
            neighbour: Some(true),
            echoes: Echoes {
                sent: 3,
                received: 3,
                rtt_us: Some(900),
            },
        }),
        path: v4(Way {
            tried: 2,
            reached: 2,
            outside: true,
            last_hop: 0,
            rtt_us: Some(14_000),
        }),
        names: Names {
            name: "example.net".to_owned(),
            provider: FINE,
            router: FINE,
            public: NOBODY,
            error: None,
        },
        page: Some(Page {
            url: "http://page.example/".to_owned(),
            came: v4(Came::Expected),
        }),
        packet_size: PacketSize {
            interface_mtu_bytes: 1500,
            longest: v4(Longest {
                mtu_bytes: 1500,
                told: false,
            }),
        },
        clock: Clock {
            now: "2026-11-22T12:00:00Z".to_owned(),
            trusted: true,
            host: None,
            certificate: Certificate::Unchecked(None),
        },
    }
}

/// Everything behind the first box is dead.
fn dead(mut scene: Scene) -> Scene {
    scene.path = v4(SILENT_WAY);
    scene.names.provider = DEAD;
    scene.names.router = DEAD;
    if let Some(page) = &mut scene.page {
        page.came = v4(Came::None("no answer".to_owned()));
    }
    scene.packet_size.longest = Families::none();
    scene
}

fn steps(scene: &Scene) -> Vec<(StepCode, Judged)> {
    let unset = || Judged::skipped(&Reason::NotConfigured("diagnose.page_url"));
    vec![
        (StepCode::Link, scene.link.judge()),
        (StepCode::Address, scene.address.judge()),
        (StepCode::Gateway, gateway(&scene.gateway)),
        (StepCode::Path, path(&scene.path)),
        (StepCode::Names, scene.names.judge()),
        (
            StepCode::Page,
            scene.page.as_ref().map_or_else(unset, Page::judge),
        ),
        (StepCode::PacketSize, scene.packet_size.judge()),
        (StepCode::Clock, scene.clock.judge()),
    ]
}

fn concluded(change: impl FnOnce(&mut Scene)) -> Conclusion {
    let mut scene = scene();
    change(&mut scene);
    conclude(Kind::Down, &mut steps(&scene))
}

fn others(conclusion: &Conclusion) -> Vec<FindingCode> {
    conclusion.others.iter().map(|other| other.code).collect()
}

#[test]
fn row_0_all_well_is_all_well() {
    let conclusion = concluded(|_| ());
    assert_eq!(
        conclusion.json(),
        json!({"code": "works", "state": "good", "values": {}, "others": []})
    );
    let mut steps = steps(&scene());
    conclude(Kind::Down, &mut steps);
    assert!(steps.iter().all(|(_, judged)| judged.state == State::Good));
}

#[test]
fn row_1_link() {
    let conclusion = concluded(|scene| {
        *scene = dead(scene.clone());
        scene.link.carrier = Some(false);
        scene.gateway = v4(SILENT_GATEWAY);
    });
    assert_eq!(conclusion.finding.code, F::NoCarrier);
    assert_eq!(
        serde_json::Value::Object(conclusion.finding.values.0.clone()),
        json!({"device": "eth1", "kind": "wired"})
    );
    assert_eq!(
        others(&conclusion),
        [],
        "the dead line explains all the rest"
    );
    let conclusion = concluded(|scene| {
        *scene = dead(scene.clone());
        scene.link.up = Some(false);
        scene.link.carrier = None;
        scene.gateway = Families::none();
    });
    assert_eq!(conclusion.finding.code, F::InterfaceDown);
}

#[test]
fn row_2_address() {
    for (error, code) in [
        (None, F::NoAddress),
        (Some("AUTH_TOPEER_FAILED"), F::LoginRefused),
        (Some("PEER_AUTH_FAILED"), F::LoginRefused),
        (Some("NEGOTIATION_FAILED"), F::NoAddress),
        (Some("PIN_FAILED"), F::SimRefused),
        (Some("SIM_NOT_INITIALIZED"), F::SimRefused),
    ] {
        let conclusion = concluded(|scene| {
            *scene = dead(scene.clone());
            scene.address.own = Families::none();
            scene.address.route = false;
            scene.address.error = error.map(str::to_owned);
            scene.gateway = Families::none();
            scene.path = Families::none();
        });
        assert_eq!(conclusion.finding.code, code, "{error:?}");
        assert_eq!(others(&conclusion), []);
    }
    // An address without a way out is none.
    let conclusion = concluded(|scene| {
        *scene = dead(scene.clone());
        scene.address.route = false;
        scene.gateway = Families::none();
        scene.path = Families::none();
    });
    assert_eq!(conclusion.finding.code, F::NoAddress);
}

#[test]
fn row_3_gateway() {
    let conclusion = concluded(|scene| {
        *scene = dead(scene.clone());
        scene.gateway = v4(SILENT_GATEWAY);
        scene.path = v4(Way {
            last_hop: 0,
            ..SILENT_WAY
        });
    });
    assert_eq!(conclusion.finding.code, F::GatewaySilent);
    assert_eq!(others(&conclusion), []);
}

#[test]
fn row_4_path_ends_in_the_providers_network_or_behind_it() {
    for (last_hop, code) in [
        (1, F::ProviderNetwork),
        (4, F::ProviderNetwork),
        (5, F::BeyondProvider),
        (9, F::BeyondProvider),
    ] {
        let conclusion = concluded(|scene| {
            *scene = dead(scene.clone());
            scene.path = v4(Way {
                last_hop,
                ..SILENT_WAY
            });
        });
        assert_eq!(conclusion.finding.code, code, "{last_hop}");
        assert_eq!(conclusion.finding.values.0["last_hop"], last_hop);
    }
}

#[test]
fn row_5_names() {
    let public = Asked {
        us: Some(20_000),
        ..FINE
    };
    for (provider, router, public, code, state) in [
        (DEAD, DEAD, public, F::ProviderNamesDown, State::Bad),
        (DEAD, DEAD, NOBODY, F::ProviderNamesDown, State::Bad),
        (DEAD, DEAD, DEAD, F::NamesDown, State::Bad),
        (FINE, DEAD, NOBODY, F::RouterNamesHang, State::Bad),
        (NOBODY, DEAD, public, F::RouterNamesHang, State::Bad),
        (NOBODY, DEAD, NOBODY, F::NamesDown, State::Bad),
        (NOBODY, DEAD, DEAD, F::NamesDown, State::Bad),
        // The home has its names all the same.
        (DEAD, FINE, NOBODY, F::ProviderNamesDown, State::Fair),
    ] {
        let conclusion = concluded(|scene| {
            scene.names.provider = provider;
            scene.names.router = router;
            scene.names.public = public;
            if router == DEAD
                && let Some(page) = &mut scene.page
            {
                page.came = v4(Came::None("no address".to_owned()));
            }
        });
        let finding = &conclusion.finding;
        assert_eq!(
            (finding.code, finding.state),
            (code, state),
            "{provider:?} {router:?} {public:?}"
        );
        assert_eq!(
            others(&conclusion),
            [],
            "that no page comes follows from it"
        );
    }
}

#[test]
fn row_6_page() {
    let other = |location: Option<&str>| Came::Other {
        status: 302,
        location: location.map(str::to_owned),
    };
    let conclusion = concluded(|scene| {
        scene.page.as_mut().unwrap().came = v4(other(Some("http://login.example/")));
        scene.clock.certificate = Certificate::Refused("unknown authority".to_owned());
    });
    assert_eq!(conclusion.finding.code, F::LoginPage);
    assert_eq!(
        conclusion.finding.values.0["location"],
        "http://login.example/"
    );
    assert_eq!(
        others(&conclusion),
        [],
        "the login page has its own certificate"
    );
    // A login page lets no pings pass: that is not the provider's network.
    let conclusion = concluded(|scene| {
        *scene = dead(scene.clone());
        scene.page.as_mut().unwrap().came = v4(other(None));
        scene.names.provider = FINE;
        scene.names.router = FINE;
    });
    assert_eq!(conclusion.finding.code, F::LoginPage);
    let conclusion = concluded(|scene| {
        scene.page.as_mut().unwrap().came = v4(Came::None("refused".to_owned()));
    });
    assert_eq!(conclusion.finding.code, F::PageUnreachable);
    assert_eq!(conclusion.finding.values.0["error"], "refused");
}

#[test]
fn row_7_packet_size() {
    for (mtu_bytes, told, code) in [
        (1400, false, F::LargePacketsLost),
        // Said to be shorter is no loss: path MTU discovery works.
        (1400, true, F::Works),
        (1500, false, F::Works),
    ] {
        let conclusion = concluded(|scene| {
            scene.packet_size.longest = v4(Longest { mtu_bytes, told });
        });
        assert_eq!(conclusion.finding.code, code, "{mtu_bytes} {told}");
    }
    let conclusion = concluded(|scene| {
        scene.packet_size.longest = both(Longest {
            mtu_bytes: 1280,
            told: false,
        });
    });
    assert_eq!(
        serde_json::Value::Object(conclusion.finding.values.0),
        json!({"mtu_bytes": 1280, "interface_mtu_bytes": 1500})
    );
}

#[test]
fn row_8_clock() {
    let refused = || Certificate::Refused("wrong name".to_owned());
    for (trusted, certificate, code) in [
        (false, Certificate::Unchecked(None), F::ClockWrong),
        (false, Certificate::Expired, F::ClockWrong),
        (true, Certificate::NotYetValid, F::ClockWrong),
        (true, Certificate::Expired, F::CertificateRefused),
        (true, refused(), F::CertificateRefused),
        (true, Certificate::Valid, F::Works),
        (
            true,
            Certificate::Unchecked(Some("silent".to_owned())),
            F::Works,
        ),
    ] {
        let conclusion = concluded(|scene| {
            scene.clock.trusted = trusted;
            scene.clock.certificate = certificate.clone();
        });
        assert_eq!(conclusion.finding.code, code, "{trusted} {certificate:?}");
    }
}

#[test]
fn what_a_later_step_disproves_is_no_finding() {
    // First boxes that answer no ping, ways that answer none: the page comes.
    let mut scene = scene();
    scene.gateway = v4(SILENT_GATEWAY);
    scene.path = v4(SILENT_WAY);
    let mut steps = steps(&scene);
    let conclusion = conclude(Kind::Down, &mut steps);
    assert_eq!(conclusion.finding.code, F::Works);
    assert_eq!(conclusion.others, []);
    let states: Vec<State> = steps[2..4].iter().map(|(_, judged)| judged.state).collect();
    assert_eq!(
        states,
        [State::Fair, State::Fair],
        "they are shown, and no more"
    );
    // The provider's name server answers: the first box works, and the way ends behind it.
    let conclusion = concluded(|scene| {
        *scene = dead(scene.clone());
        scene.gateway = v4(SILENT_GATEWAY);
        scene.names.provider = FINE;
        scene.names.router = FINE;
    });
    assert_eq!(conclusion.finding.code, F::ProviderNetwork);
}

#[test]
fn one_version_that_fails_is_told_when_nothing_else_is_wrong() {
    let broken = |scene: &mut Scene| {
        scene.path.ipv6 = Some(SILENT_WAY);
        scene.page.as_mut().unwrap().came.ipv6 = Some(Came::None("silent".to_owned()));
    };
    let conclusion = concluded(broken);
    assert_eq!(
        (conclusion.finding.code, conclusion.finding.state),
        (F::Ipv6Broken, State::Fair)
    );
    assert_eq!(conclusion.finding.values.0["step"], "path");
    assert_eq!(others(&conclusion), [], "it is the same fault at the page");
    let conclusion = concluded(|scene| {
        broken(scene);
        scene.clock.trusted = false;
    });
    assert_eq!(conclusion.finding.code, F::ClockWrong);
    assert_eq!(others(&conclusion), [F::Ipv6Broken], "told once");
    let conclusion = concluded(|scene| {
        scene.path = Families {
            ipv4: Some(SILENT_WAY),
            ipv6: scene.path.ipv4,
        };
        scene.page.as_mut().unwrap().came = Families {
            ipv4: Some(Came::None("silent".to_owned())),
            ipv6: Some(Came::Expected),
        };
    });
    assert_eq!(conclusion.finding.code, F::Ipv4Broken);
}

#[test]
fn two_faults_of_their_own_are_both_told_the_first_as_the_finding() {
    let conclusion = concluded(|scene| {
        scene.names.provider = DEAD;
        scene.names.router = DEAD;
        scene.page = None;
        scene.packet_size.longest = v4(Longest {
            mtu_bytes: 1400,
            told: false,
        });
        scene.clock.trusted = false;
    });
    assert_eq!(conclusion.finding.code, F::ProviderNamesDown);
    // A clock without names has no time servers.
    assert_eq!(others(&conclusion), [F::LargePacketsLost]);
}

#[test]
fn without_anybody_to_ask_outside_nothing_is_claimed() {
    let conclusion = concluded(|scene| {
        scene.path = Families::none();
        scene.page = None;
    });
    assert_eq!(
        conclusion.json(),
        json!({"code": "not_checked", "state": "fair", "values": {"option": "diagnose.page_url"}, "others": []})
    );
    // The provider's name server as the only target proves no more.
    let conclusion = concluded(|scene| {
        scene.path.ipv4.as_mut().unwrap().outside = false;
        scene.page = None;
    });
    assert_eq!(conclusion.finding.code, F::NotChecked);
    // A fault is a fault all the same.
    let conclusion = concluded(|scene| {
        scene.path = Families::none();
        scene.page = None;
        scene.link.carrier = Some(false);
        scene.names.provider = DEAD;
        scene.names.router = DEAD;
    });
    assert_eq!(conclusion.finding.code, F::NoCarrier);
}

#[test]
fn figures_stand_beside_the_steps() {
    let scene = scene();
    let steps = steps(&scene);
    let values = |place: usize| serde_json::Value::Object(steps[place].1.values.0.clone());
    assert_eq!(
        values(0),
        json!({"device": "eth1", "interface": "wan", "kind": "wired", "up": true, "carrier": true})
    );
    assert_eq!(
        values(1),
        json!({"protocol": "dhcp", "ipv4": "203.0.113.7", "route": true})
    );
    assert_eq!(
        values(2),
        json!({"ipv4": "203.0.113.1", "ipv4_neighbour": true, "ipv4_sent": 3, "ipv4_received": 3, "ipv4_rtt_us": 900})
    );
    assert_eq!(
        values(3),
        json!({"ipv4_tried": 2, "ipv4_reached": 2, "ipv4_rtt_us": 14_000})
    );
    assert_eq!(
        values(4),
        json!({"name": "example.net", "provider_asked": 1, "provider_answered": 1, "provider_us": 9000,
            "router_asked": 1, "router_answered": 1, "router_us": 9000})
    );
    assert_eq!(
        values(5),
        json!({"url": "http://page.example/", "ipv4": "expected"})
    );
    assert_eq!(
        values(6),
        json!({"interface_mtu_bytes": 1500, "ipv4_mtu_bytes": 1500})
    );
    assert_eq!(
        values(7),
        json!({"now": "2026-11-22T12:00:00Z", "trusted": true, "certificate": "unchecked"})
    );
    let mut broken = scene.clone();
    broken.link = Link::default();
    assert_eq!(broken.link.judge().values.0["reason"], "no_facts");
}
