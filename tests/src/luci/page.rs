//! The page around a view.

use super::po;
use super::rights::{Node, Rights, Session};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::fs;

/// LuCI's start page, where the application has a box.
pub const START: &str = "admin/status/overview";
/// The languages that the application is translated to.
pub const LANGUAGES: [&str; 1] = ["de"];

/// The page of `node`, for `session`, in `language`; `node` is `None` on the start page.
pub fn html(
    rights: &Rights,
    node: Option<&Node>,
    path: &str,
    session: Session,
    language: &str,
) -> String {
    let texts = application_texts(language);
    let said = |text: &str| {
        let text = texts.get(text).and_then(Value::as_str).unwrap_or(text);
        text.replace('&', "&amp;").replace('<', "&lt;")
    };
    let shown = node.map_or(path, |node| node.path.as_str());
    let mut tabs = String::new();
    for one in rights.nodes().iter().filter(|one| one.view.is_some()) {
        let class = if one.path == shown {
            " class=\"active\""
        } else {
            ""
        };
        let _ = write!(
            tabs,
            "<li{class}><a href=\"/cgi-bin/luci/{}\">{}</a></li>",
            one.path,
            said(&one.title)
        );
    }
    let environment = json!({
        "base_url": "/luci-static/resources",
        "resource": "/luci-static/resources",
        "resource_version": "",
        "media": "/luci-static/host",
        "scriptname": "/cgi-bin/luci",
        "ubuspath": "/ubus/",
        "cgi_base": "/cgi-bin",
        "sessionid": session.id(),
        "pollinterval": 5,
        "rpctimeout": 20,
        "language": language,
        "requestpath": path.split('/').collect::<Vec<_>>(),
        "dispatchpath": shown.split('/').collect::<Vec<_>>(),
        "nodespec": {
            "satisfied": true,
            "readonly": node.is_some_and(|node| rights.is_readonly(node, session)),
        },
        "view": match node {
            Some(node) => format!("view.{}", node.view.as_deref().unwrap_or_default().replace('/', ".")),
            None => "start".to_owned(),
        },
    });
    format!(
        "<!DOCTYPE html>\n<html lang=\"{language}\" data-darkmode=\"false\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>OpenWrt | {title}</title>\
         <link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"/luci-static/resources/theme.css\">\
         <script>{DARK}</script><script src=\"/cgi-bin/luci/admin/translations/{language}\"></script>\
         <script src=\"/luci-static/resources/luci.js\"></script></head>\
         <body class=\"lang_{language}\" data-page=\"{page}\"><header><a class=\"brand\" href=\"/\">OpenWrt</a>\
         <div id=\"indicators\"></div></header>\
         <div id=\"maincontent\" class=\"container\"><div id=\"tabmenu\"><ul class=\"tabs\">{tabs}</ul></div>\
         <div id=\"view\" tabindex=\"-1\"></div></div>\
         <script>new LuCI({environment});</script></body></html>",
        title = node.map_or("Status", |node| node.title.as_str()),
        page = shown.replace('/', "-"),
    )
}

/// Themes follow the browser's wish.
const DARK: &str = "const dark = matchMedia('(prefers-color-scheme: dark)'), \
    follow = () => document.documentElement.setAttribute('data-darkmode', dark.matches); \
    dark.addEventListener('change', follow); follow();";

/// The script that brings the texts of `language`.
pub fn translations(language: &str) -> String {
    let base = fs::read_to_string(super::stand_in().join(format!("texts.{language}.json")))
        .ok()
        .and_then(|text| serde_json::from_str::<Value>(&text).ok())
        .unwrap_or_else(|| json!({}));
    format!(
        "window.TR = {}; window.BASE = {base};",
        Value::Object(application_texts(language))
    )
}

fn application_texts(language: &str) -> Map<String, Value> {
    let path = super::application().join(format!("po/{language}/glimpse.po"));
    fs::read_to_string(path).map_or_else(|_| Map::new(), |po| po::texts(&po))
}

/// The language of a browser that prefers `accepted` (`Accept-Language`).
pub fn language(accepted: &str) -> &'static str {
    let first = accepted.split([',', ';', '-']).next().unwrap_or_default();
    LANGUAGES
        .into_iter()
        .find(|language| first.eq_ignore_ascii_case(language))
        .unwrap_or("en")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_first_wish_counts() {
        assert_eq!(language("de-DE,de;q=0.9,en;q=0.8"), "de");
        assert_eq!(language("en-US,de;q=0.5"), "en");
        assert_eq!(language(""), "en");
    }
}
