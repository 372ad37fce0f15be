//! Who may do what on the bus: files as in `/usr/share/acl.d`.

use serde_json::Value;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed<'a> {
    /// Call a method of the object.
    Call(&'a str),
    /// Offer it.
    Publish,
    /// Get its notifications.
    Subscribe,
    /// Get that event.
    Listen,
    /// Send that event.
    Send,
}

/// As whom a client counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name of the user; `root` may do everything.
    pub user: String,
    /// Name of its group.
    pub group: String,
}

impl Credentials {
    /// A user with a group of the same name.
    pub fn of(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            group: user.to_owned(),
        }
    }
}

/// What was permitted; to root everything is, to others nothing else.
#[derive(Debug, Clone, Default)]
pub struct Access {
    files: Vec<Value>,
}

impl Access {
    /// Permits what one file says.
    pub fn permit(&mut self, file: Value) {
        self.files.push(file);
    }

    /// Whether `who` may do `deed` to `name`.
    pub fn permits(&self, who: &Credentials, deed: Deed<'_>, name: &str) -> bool {
        who.user == "root"
            || self
                .files
                .iter()
                .filter(|file| file["user"] == *who.user || file["group"] == *who.group)
                .any(|file| permits(file, deed, name))
    }
}

fn permits(file: &Value, deed: Deed<'_>, name: &str) -> bool {
    let list = |member: &str| {
        let names = file[member].as_array();
        names.is_some_and(|names| {
            names
                .iter()
                .filter_map(Value::as_str)
                .any(|pattern| matches(pattern, name))
        })
    };
    match deed {
        Deed::Publish => list("publish"),
        Deed::Subscribe => list("subscribe"),
        Deed::Listen => list("listen"),
        Deed::Send => list("send"),
        Deed::Call(method) => file["access"].as_object().is_some_and(|objects| {
            objects
                .iter()
                .filter(|(pattern, _)| matches(pattern, name))
                .filter_map(|(_, object)| object["methods"].as_array())
                .flatten()
                .any(|allowed| allowed == method || allowed == "*")
        }),
    }
}

/// Whether `name` is `pattern`, or begins like one that ends with `*`.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn others_than_root_may_do_what_a_file_says() {
        let mut access = Access::default();
        access.permit(json!({
            "user": "glimpse", "publish": ["glimpse"], "listen": ["network.*"],
            "access": {"system": {"methods": ["board"]}, "iwinfo*": {"methods": ["*"]}},
        }));
        let may = |user, deed, name| access.permits(&Credentials::of(user), deed, name);
        assert!(may("root", Deed::Publish, "system"));
        assert!(may("glimpse", Deed::Publish, "glimpse"));
        assert!(!may("nobody", Deed::Publish, "glimpse"));
        assert!(!may("glimpse", Deed::Publish, "glimpse2"));
        assert!(may("glimpse", Deed::Listen, "network.interface"));
        assert!(!may("glimpse", Deed::Send, "network.interface"));
        assert!(!may("glimpse", Deed::Subscribe, "network.interface"));
        assert!(may("glimpse", Deed::Call("board"), "system"));
        assert!(!may("glimpse", Deed::Call("reboot"), "system"));
        assert!(may("glimpse", Deed::Call("info"), "iwinfo"));
    }
}
