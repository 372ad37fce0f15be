#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

fn one(text: &str) -> Element {
    let mut elements = parse(text.as_bytes(), Limits::default()).unwrap();
    assert_eq!(elements.len(), 1, "{text}");
    elements.remove(0)
}

#[test]
fn namespaces_reach_inside() {
    let top = one(
        "\u{feff}<?xml version='1.0' encoding='UTF-8'?><!-- a --><a xmlns='urn:a' xmlns:p=\"urn:p\"><p:b p:c='1' d='2'/><e xmlns=''/></a>\n",
    );
    assert_eq!((&*top.namespace, top.name.as_str()), ("urn:a", "a"));
    let inner = &top.children[0];
    assert_eq!(&*inner.namespace, "urn:p");
    assert_eq!(&*inner.attributes[0].namespace, "urn:p");
    assert_eq!(&*inner.attributes[1].namespace, "");
    assert_eq!(&*top.children[1].namespace, "");
    assert_eq!(
        Scope::namespace(inner.scope.as_ref(), "").map(|found| &**found),
        Some("urn:a")
    );
}

#[test]
fn text_is_put_together() {
    let element = one("<a>x&lt;&#65;&#x42;<!-- no --><?p q?>&amp;<![CDATA[<y> & ]]>\r\nz\r</a>");
    assert_eq!(element.text, "x<AB&<y> & \nz\n");
    assert_eq!(
        one("<a b='1&#10;&quot;\n2'/>").attributes[0].value,
        "1\n\" 2"
    );
    assert!(one("<a> <b/> </a>").text.is_empty());
    assert_eq!(one("<a>  </a>").text, "  ");
}

#[test]
fn texts_that_are_none() {
    let deep = "<a>".repeat(65) + &"</a>".repeat(65);
    let attributes: Vec<String> = (0..65).map(|at| format!("b{at}=''")).collect();
    let wide = format!("<a {}/>", attributes.join(" "));
    for text in [
        "<a>",
        "<a></b>",
        "<a",
        "<a b/>",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a>&b;</a>",
        "<a>&#0;</a>",
        "<a>&#x1;</a>",
        "<a>&#+65;</a>",
        "<a>& </a>",
        "<a>]]></a>",
        "x",
        "<a/>x",
        "<!DOCTYPE a><a/>",
        "<a><!ELEMENT b></a>",
        "<a>x<b/></a>",
        "<a b='<'/>",
        "</a>",
        "<a xmlns:p=''/>",
        "<1/>",
        "<a><!-- -- --></a>",
        "<a> <?xml version='1.0'?></a>",
        "<a>\u{1}</a>",
        "<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
        "<a b='1'c='2'/>",
        &deep,
        &wide,
    ] {
        let error = parse(text.as_bytes(), Limits::default()).unwrap_err();
        assert_eq!(error.tag, Tag::MalformedMessage, "{text}: {error}");
    }
    let error = parse(b"<p:a/>", Limits::default()).unwrap_err();
    assert_eq!(error.tag, Tag::UnknownNamespace);
    assert!(parse(b"<a>\xff</a>", Limits::default()).is_err());
}

proptest! {
    #[test]
    fn what_is_escaped_reads_back(text in "[a-z<>&\"'\r\n\tü ]{0,20}x") {
        let mut out = "<a>".to_owned();
        escape(&text, &mut out);
        out.push_str("</a>");
        prop_assert_eq!(one(&out).text, text);
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[<>/a-c:='\" !?&;#\\-\\[\\]x]{0,48}") {
        let _ = parse(&bytes, Limits::default());
        let _ = parse(text.as_bytes(), Limits::default());
    }
}
