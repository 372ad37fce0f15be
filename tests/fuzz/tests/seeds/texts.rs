//! Texts: HTTP, SSDP, XML, settings, `/proc`.

use crate::Seed;

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = TEXTS
        .iter()
        .map(|&(target, name, text)| (target, name, text.as_bytes().to_vec()))
        .collect();
    let gateway = include_bytes!("../../../../agent/probe/tests/data/upnp/gateway.xml");
    seeds.push(("upnp_description", "gateway", gateway.to_vec()));
    let settings = include_bytes!("../../../../agent/daemon/tests/data/glimpse.uci");
    seeds.push(("uci", "all", settings.to_vec()));
    let printed = [
        (
            "iputils",
            include_str!("../../../../agent/probe/tests/data/ping/iputils-ipv4.txt"),
        ),
        (
            "iputils6",
            include_str!("../../../../agent/probe/tests/data/ping/iputils-ipv6.txt"),
        ),
        (
            "iputils-faults",
            include_str!("../../../../agent/probe/tests/data/ping/iputils-faults.txt"),
        ),
        (
            "busybox",
            include_str!("../../../../agent/probe/tests/data/ping/busybox-ipv4.txt"),
        ),
        (
            "busybox-silent",
            include_str!("../../../../agent/probe/tests/data/ping/busybox-silent.txt"),
        ),
    ];
    for (name, text) in printed {
        seeds.push(("ping_output", name, text.as_bytes().to_vec()));
    }
    let template = glimpse_controller::config::template([192, 0, 2, 1].into());
    seeds.push(("controller_config", "template", template.into_bytes()));
    seeds.extend(exchanges());
    seeds
}

/// Answers of devices, behind the byte that says how they are cut.
fn exchanges() -> Vec<Seed> {
    let cut = |most: u8, answer: &str| [&[most][..], answer.as_bytes()].concat();
    vec![
        (
            "upnp_exchange",
            "length",
            cut(
                255,
                "HTTP/1.1 200 OK\r\nServer: Linux/5.15 UPnP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 7\r\n\r\n<root/>",
            ),
        ),
        (
            "upnp_exchange",
            "chunked",
            cut(
                3,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n<ro\r\n4\r\not/>\r\n0\r\nX-Sum: 1\r\n\r\n",
            ),
        ),
        (
            "upnp_exchange",
            "until-closed",
            cut(6, "HTTP/1.0 200 OK\r\n\r\n<root/>"),
        ),
        (
            "upnp_exchange",
            "interim",
            cut(
                0,
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            ),
        ),
        (
            "upnp_exchange",
            "redirect",
            cut(
                40,
                "HTTP/1.1 302 Found\r\nLocation: http://203.0.113.9/\r\nContent-Length: 0\r\n\r\n",
            ),
        ),
        (
            "upnp_exchange",
            "huge-length",
            cut(
                19,
                "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n<root/>",
            ),
        ),
        (
            "upnp_exchange",
            "switched",
            cut(
                19,
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n<root/>",
            ),
        ),
    ]
}

const TEXTS: &[(&str, &str, &str)] = &[
    (
        "http_response",
        "length",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
    ),
    (
        "http_response",
        "chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5;name=value\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX-Sum: 1\r\n\r\nrest",
    ),
    (
        "http_response",
        "interim",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 204 No Content\r\n\r\n",
    ),
    (
        "http_response",
        "redirect",
        "HTTP/1.1 302 Found\r\nLocation: //other.example/x?y#z\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "http_response",
        "two-lengths",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    ),
    (
        "http_response",
        "huge-chunk",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    ),
    (
        "http_response",
        "huge-length",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nx",
    ),
    (
        "http_url",
        "redirects",
        "http://speed.example.net:8080/a/b?c=d#e\n../f\n//[2001:db8::1]:81/g\nhttps://192.0.2.1/\n?h\n",
    ),
    ("http_url", "upper", "HTTPS://EXAMPLE.NET\n/./a/../b\n"),
    (
        "http_url",
        "mapped",
        "http://[::ffff:192.0.2.1]/\nfile:///etc/passwd\n",
    ),
    ("http_received", "bytes", "{\"ok\": true, \"bytes\": 7}"),
    (
        "http_received",
        "received",
        "{\"received_bytes\": 18446744073709551615}",
    ),
    (
        "ssdp",
        "gateway",
        "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nUSN: uuid:3b1a::urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nEXT:\r\nSERVER: Linux/5.15 UPnP/1.1 MiniUPnPd/2.3\r\nLOCATION: http://192.168.1.1:5000/rootDesc.xml\r\n\r\n",
    ),
    (
        "ssdp",
        "elsewhere",
        "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\nUSN: uuid:4\r\nLOCATION: http://203.0.113.9/\r\n\r\n",
    ),
    (
        "ssdp",
        "announcement",
        "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: ssdp:alive\r\n\r\n",
    ),
    (
        "upnp_location",
        "references",
        "http://192.168.1.1:5000/a/rootDesc.xml?x#y\n/ctl/IPConn\nctl\n?q\nhttp://192.168.1.1:80/z\n//other/\n",
    ),
    ("upnp_location", "octal", "http://0300.0250.1.1/\nx"),
    (
        "upnp_location",
        "user",
        "http://192.168.1.1@203.0.113.1:80/\n",
    ),
    (
        "upnp_description",
        "entities",
        "<?xml version=\"1.0\"?><!DOCTYPE root [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><root><device><friendlyName>&b;</friendlyName></device></root>",
    ),
    (
        "upnp_description",
        "nested",
        "<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><URLBase>http://192.168.1.1:80/</URLBase><device><deviceType>t</deviceType><UDN>uuid:1</UDN><serviceList><service><serviceType>s</serviceType><controlURL>/c</controlURL></service></serviceList><deviceList><device/></deviceList></device></root>\0\0",
    ),
    (
        "soap",
        "address",
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><u:GetExternalIPAddressResponse xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\"><NewExternalIPAddress>203.0.113.7</NewExternalIPAddress></u:GetExternalIPAddressResponse></s:Body></s:Envelope>",
    ),
    (
        "soap",
        "fault",
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><detail><UPnPError><errorCode>401</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>",
    ),
    ("host", "name", "www.example.net."),
    ("host", "underscore", "_dmarc.xn--bcher-kva.example"),
    ("host", "address", "2001:db8::1"),
    ("host", "hyphen", "-c1"),
    (
        "opt_out",
        "list",
        "example.org\n192.0.2.1\n[2001:db8::1]\n2001:db8::/32\n198.51.100.0/24\nWWW.Example.net.\n",
    ),
    ("opt_out", "all", "0.0.0.0/0\n::/0\n"),
    (
        "opt_out",
        "mapped",
        "::ffff:192.0.2.0/120\n::ffff:198.51.100.9\n",
    ),
    (
        "controller_config",
        "limits",
        "[agents]\npull = { calendar = { minutes = [0] } }\nmonthly_bytes = 100000000\n[limits]\nrunsper_hour = 1\n",
    ),
    (
        "controller_config",
        "clusters",
        "[limits]\nruns_per_hour = 1e3\npackets_per_second = 0.5\nopt_out = [\"192.0.2.0/24\"]\n[alto]\nk = 2\nlab = true\n[alto.clusters]\n\"example.net\" = \"measure\"\n",
    ),
    (
        "uci",
        "quotes",
        "package glimpse\nconfig a 'b'\n\toption c \"d e\" # f\n\tlist g 'h'\\''i'\n\tlist g j\\ k\n",
    ),
    (
        "uci",
        "quiet",
        "config quiet 'q'\n\tlist hours '22:00-06:30'\n\toption zone 'CET-1CEST,M3.5.0,M10.5.0/3'\n22:00-06:30\nCET-1CEST,M3.5.0,M10.5.0/3\n+02:00\n",
    ),
    (
        "uci",
        "limits",
        "config limits\n\toption monthly_bytes '500000000'\n\toption target_rate '60'\nconfig responder\n\toption enabled '1'\nconfig plugins\n\toption enabled '1'\n\toption memory_bytes '67108864'\n",
    ),
    (
        "control_request",
        "results",
        "{\"op\": \"results\", \"last\": 20}",
    ),
    (
        "control_request",
        "own",
        "{\"op\": \"own\", \"bytes\": 1000}",
    ),
    ("control_request", "seconds", " 120 "),
    (
        "survey",
        "full",
        r#"{"answers":{"contract_down_kbps":100000,"contract_up_kbps":40000,"technology":"fibre","provider":"Aster","satisfaction":4,"reliability":5,"use":["work","games"]},"answered":"2026-11-22T12:00:00Z","shared":true}"#,
    ),
    (
        "survey",
        "nothing",
        r#"{"answers":null,"answered":null,"shared":false}"#,
    ),
    (
        "proc",
        "stat",
        "cpu  4705 150 1120 16250 520 30 45 0 0 0\ncpu0 1 2 3 4\n",
    ),
    (
        "proc",
        "meminfo",
        "MemTotal: 61234 kB\nMemFree: 1024 kB\nMemAvailable:   23456 kB\n",
    ),
    (
        "proc",
        "wireless",
        "Inter-| sta-|   Quality        |\n face | tus | link level noise |\n wlan0: 0000   58.  -52.  -256        0\n",
    ),
    (
        "routes",
        "ipv4",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
    ),
    (
        "routes",
        "ipv6",
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n",
    ),
];
