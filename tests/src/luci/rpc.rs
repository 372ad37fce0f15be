//! JSON-RPC at `/ubus`, as uhttpd answers it.

use super::bench::Bench;
use super::config;
use super::rights::Session;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a call came to: data, or a status of ubus.
pub type Called = Result<Value, i32>;

/// No object of that name.
pub const NO_OBJECT: i32 = -32000;
const DENIED: i32 = -32002;
const PARSE: i32 = -32700;
const REQUEST: i32 = -32600;
const METHOD: i32 = -32601;
const ARGUMENTS: i32 = -32602;

/// Answers the body of a POST: one request, or many.
pub fn answer(bench: &Arc<Bench>, body: &[u8]) -> Value {
    match serde_json::from_slice(body) {
        Ok(Value::Array(requests)) => requests.iter().map(|one| single(bench, one)).collect(),
        Ok(one) => single(bench, &one),
        Err(_) => failed(&Value::Null, PARSE),
    }
}

fn single(bench: &Arc<Bench>, request: &Value) -> Value {
    let id = &request["id"];
    if request["jsonrpc"] != "2.0" {
        return failed(id, REQUEST);
    }
    if request["method"] != "call" {
        return failed(id, METHOD);
    }
    let (Some(session), Some(object), Some(method), arguments @ (Value::Object(_) | Value::Null)) = (
        request["params"][0].as_str(),
        request["params"][1].as_str(),
        request["params"][2].as_str(),
        &request["params"][3],
    ) else {
        return failed(id, ARGUMENTS);
    };
    let Some(session) = Session::of(session) else {
        return failed(id, DENIED);
    };
    let called = match object {
        "uci" => match uci(bench, session, method, arguments) {
            Some(called) => called,
            None => return failed(id, DENIED),
        },
        "session" | "file" => own(bench, session, object, method, arguments),
        _ if bench.rights().may_call(session, object, method) => {
            match bench.call(object, method, arguments) {
                Err(NO_OBJECT) => return failed(id, NO_OBJECT),
                called => called,
            }
        }
        _ => return failed(id, DENIED),
    };
    let result = match called {
        // An empty document never reaches the page.
        Ok(Value::Null) => json!([0]),
        Ok(Value::Object(members)) if members.is_empty() => json!([0]),
        Ok(data) => json!([0, data]),
        Err(status) => json!([status]),
    };
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// `None` where the session may not.
fn uci(bench: &Arc<Bench>, session: Session, method: &str, arguments: &Value) -> Option<Called> {
    let name = arguments["config"].as_str().unwrap_or(config::NAME);
    let write = !matches!(method, "get" | "changes");
    if !bench.rights().may_config(session, name, write) {
        return None;
    }
    if name != config::NAME {
        return Some(Err(config::NOT_FOUND));
    }
    let called = {
        let mut file = bench.config();
        match method {
            "get" => file.values(),
            "changes" => Ok(file.changes()),
            "add" => file.add(arguments),
            "set" => file.set(arguments),
            "delete" => file.delete(arguments),
            "apply" => file.apply(),
            "confirm" => file.confirm(),
            "revert" => {
                file.revert();
                Ok(Value::Null)
            }
            _ => Err(config::NO_METHOD),
        }
    };
    if method == "apply" && called.is_ok() {
        bench.reload();
        if arguments["rollback"] == true {
            bench.watch(arguments["timeout"].as_u64().unwrap_or(60));
        }
    }
    Some(called)
}

fn own(
    bench: &Arc<Bench>,
    session: Session,
    object: &str,
    method: &str,
    arguments: &Value,
) -> Called {
    match (object, method) {
        ("session", "access") => {
            let word = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
            let (what, how) = (word("object"), word("function"));
            let access = match word("scope").as_str() {
                "ubus" => bench.rights().may_call(session, &what, &how),
                "uci" => bench.rights().may_config(session, &what, how == "write"),
                _ => session == Session::Write || how == "read",
            };
            Ok(json!({"access": access}))
        }
        // What LuCI's start page looks for its boxes by.
        ("file", "list") => bench.boxes(arguments["path"].as_str().unwrap_or_default()),
        _ => Err(config::NO_METHOD),
    }
}

fn failed(id: &Value, code: i32) -> Value {
    let message = match code {
        NO_OBJECT => "Object not found",
        DENIED => "Access denied",
        PARSE => "Parse error",
        REQUEST => "Invalid request",
        METHOD => "Method not found",
        _ => "Invalid parameters",
    };
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}
