use super::super::words::tests::shown;
use serde_json::json;

#[test]
fn a_device_is_a_block_and_cannot_steer_the_terminal() {
    let result = json!({
        "192.168.1.1:5000": {
            "friendly_name": "Router\u{1b}]0;evil\u{7}", "model_name": "R1", "uptime": 86_400,
            "link_layer_max_download": 100_000_000_u64, "total_bytes_received": 1_234_567_890_u64,
            "firewall_enabled": true, "serial_number": "0123456789abcdef0123456789abcdef", "status": "Connected",
            "external_ip_address": null, "novel": {"a": null, "b": [1, null]}
        },
        "192.168.1.2:80\u{9b}": {"error": "the connection was refused"}
    });
    assert_eq!(
        shown("upnp", &[], result, ""),
        "\
upnp: 2 devices

192.168.1.1:5000
  name:           Router\u{fffd}]0;evil\u{fffd}
  model:          R1
  serial number:  0123456789ab… (hash)
  connection:     Connected
  connected for:  86400 s
  line down:      100 Mbit/s
  received:       1.23 GB
  IPv6 firewall:  yes
  novel:          {\"b\":[1,\"-\"]}

192.168.1.2:80\u{fffd}
  missing because:  the connection was refused
"
    );
    assert_eq!(
        shown("upnp", &[], json!({}), ""),
        "upnp: no device answered\n"
    );
}

#[test]
fn an_interface_is_a_block_and_its_clients_a_table() {
    let result = json!({"ap_list": [
        {"interface": "wlan0", "mode": "client", "ssid": "f".repeat(128), "bssid": "aa:bb:cc:dddd", "frequency": 5180,
         "channel": 36, "width_mhz": 80, "tx_power_mbm": 2300, "noise_dbm": -92, "active_ms": 100_000, "busy_ms": 25_000,
         "level": -61, "tx_bitrate_kbps": 866_700, "connected_s": 3600},
        {"interface": "wlan1", "mode": "ap", "channel": 6, "stations": [
            {"level": -71, "tx_bitrate_kbps": 130_000, "inactive_ms": 500},
            {"level": -44, "tx_bitrate_kbps": 11_529_400, "rx_bitrate_kbps": 6000}
        ]},
        {"interface": "wlan2", "mode": "ap", "stations": []}
    ]});
    assert_eq!(
        shown("wifi", &[], result, ""),
        "\
wifi: 3 interfaces

wlan0
  mode:                 client
  network:              ffffffffffff… (hash)
  access point:         aa:bb:cc:dddd
  channel:              36
  frequency:            5180 MHz
  width:                80 MHz
  transmit power:       23 dBm
  signal:               -61 dBm
  noise:                -92 dBm
  sends at:             867 Mbit/s
  connected for:        3600 s
  channel watched for:  100000 ms
    of it busy:         25000 ms

wlan1
  mode:     ap
  channel:  6
  client   signal     sends at  receives at  silent for
       1  -71 dBm            -   130 Mbit/s      500 ms
       2  -44 dBm  6.00 Mbit/s  11.5 Gbit/s           -

wlan2
  mode:  ap
  no clients
"
    );
    assert_eq!(
        shown("wifi", &[], json!({"ap_list": []}), ""),
        "wifi: this machine has no Wi-Fi interface\n"
    );
}

#[test]
fn a_plug_in_is_shown_by_its_names() {
    let result = json!({
        "uptime_s": 86_400.5, "load": [0.25, 0.5], "idle": null, "is_busy": false, "empty": [],
        "na\u{1b}me": "va\u{1b}lue", "nested": {"a": {"b": null}, "c": [{"d": 1}, null], "e": "\u{7f}"},
        "only_null": {"a": null}, "words": "many words ".repeat(20).trim_end()
    });
    let text = shown("uptime", &[], result, "a remark");
    assert_eq!(
        text,
        "\
uptime: ok
  is_busy:   no
  load:      0.25, 0.5
  na\u{fffd}me:     va\u{fffd}lue
  nested:    {\"c\":[{\"d\":1},\"-\"],\"e\":\"\u{fffd}\"}
  uptime_s:  86400.5
  words:     many words many words many words many words many words many words many words many words
             many words many words many words many words many words many words many words many words
             many words many words many words many words
note: a remark
"
    );
}
