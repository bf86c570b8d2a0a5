//! What was asked of a server, and what it answered.

use serde_json::Value;

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub request: Vec<u8>,
    pub status: u16,
    pub answer: Vec<u8>,
}

/// An HTTP answer as it came.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The last part of the path that was called.
    pub function: String,
    pub status: u16,
    pub admin_protocol: Option<String>,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The members of a success, or the pair of codes of a failure.
    pub fn outcome(&self) -> Result<Value, String> {
        if self.status != 200 {
            return Err(format!("HTTP {}", self.status));
        }
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        let status = &body["header"]["functionExecutionStatus"];
        match status["status"].as_str().unwrap() {
            "Executed-Success" => Ok(body),
            "Failed" => {
                let data = &status["statusCodeData"];
                let code = |name: &str| data[name].as_str().unwrap().to_owned();
                assert_eq!(body.as_object().unwrap().len(), 1, "a failure holds the header alone");
                let pair = format!("{}/{}", code("subjectCode"), code("reasonCode"));
                crate::conformance::answered(&self.function, &pair);
                Err(pair)
            }
            other => panic!("status {other}"),
        }
    }
}

/// Sends a request on the running runtime.
pub async fn reply(request: reqwest::RequestBuilder) -> Result<Reply, reqwest::Error> {
    let response = request.send().await?;
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Reply {
        function: response.url().path().rsplit('/').next().unwrap_or_default().to_owned(),
        status: response.status().as_u16(),
        admin_protocol: header("x-admin-protocol"),
        content_type: header("content-type"),
        body: response.bytes().await?.to_vec(),
    })
}
