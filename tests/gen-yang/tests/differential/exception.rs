//! Where libyang and the RFC differ, and we follow the RFC. Each with its reason; what is not here is a difference.

/// The name of the exception that explains a difference; `ours` is our error, where libyang has none.
pub(crate) fn named(document: &str, ours: Option<&str>) -> Option<&'static str> {
    match ours {
        // RFC 3339 §4.2: the offset is signed as a whole. libyang reads the hours with their sign, and the sign of `-00` is lost.
        None => ["-00:15", "-00:30", "-00:45"]
            .iter()
            .any(|offset| document.contains(offset))
            .then_some("an offset between -00:01 and -00:59"),
        // RFC 3339 §5.6, §5.7: libyang lets its calendar make another day of it.
        Some(error) => error
            .split('\'')
            .any(is_no_date)
            .then_some("a day or time that is none"),
    }
}

/// Whether this has the form of a date and time, with a field out of its bounds.
fn is_no_date(text: &str) -> bool {
    let field = |at: usize| {
        text.get(at..at + 2)
            .and_then(|digits| digits.parse::<u8>().ok())
    };
    let fields = [field(5), field(8), field(11), field(14), field(17)];
    let [
        Some(month),
        Some(day),
        Some(hour),
        Some(minute),
        Some(second),
    ] = fields
    else {
        return false;
    };
    text.as_bytes().get(10) == Some(&b'T')
        && (!(1..=12).contains(&month)
            || !(1..=31).contains(&day)
            || hour > 23
            || minute > 59
            || second > 60)
}
