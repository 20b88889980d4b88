//! Answers of servers.

use serde_json::Value;
use ureq::http::{HeaderMap, Response};

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    /// A header field's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and the code of a problem, after a check of its other members.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("urn:weir:problem:{code}"));
        assert_eq!(problem["status"], self.status);
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
        (self.status, code.to_owned())
    }

    /// The code of each event's verdict, or `success`, after a check that the counts agree with the verdicts.
    pub(crate) fn verdicts(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{self:?}");
        let answer = self.json();
        let results = answer["results"].as_array().unwrap().iter();
        let verdicts: Vec<_> = results.map(|result| result["code"].as_str().unwrap_or("success").to_owned()).collect();
        let count = |code: &str| verdicts.iter().filter(|verdict| *verdict == code).count();
        let (accepted, duplicates) = (count("success"), count("duplicate_event"));
        assert_eq!(self.tally(), [accepted, duplicates, verdicts.len() - accepted - duplicates]);
        verdicts
    }

    /// The `message` of the only result.
    pub(crate) fn message(&self) -> String {
        let answer = self.json();
        assert_eq!(answer["results"].as_array().unwrap().len(), 1, "{self:?}");
        answer["results"][0]["message"].as_str().unwrap_or_default().to_owned()
    }

    /// The numbers of accepted, duplicate and rejected events.
    pub(crate) fn tally(&self) -> [usize; 3] {
        let answer = self.json();
        ["accepted", "duplicates", "rejected"].map(|name| answer[name].as_u64().unwrap() as usize)
    }
}

impl From<Response<ureq::Body>> for Reply {
    fn from(response: Response<ureq::Body>) -> Self {
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(u64::MAX).read_to_vec().unwrap();
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }
}

/// A status and a code, to compare with [`Reply::problem`].
pub(crate) fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
