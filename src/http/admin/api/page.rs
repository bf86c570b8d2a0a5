//! Pages of a listing: how many, behind which, and where the next one is.

use axum::extract::Query;
use axum::http::header::LINK;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::json;
use crate::http::problem::{Problem, ProblemKind};

/// Where nobody says how many.
pub(super) const LIMIT: u32 = 100;
/// The most.
const LIMIT_MAX: u32 = 1000;

/// The parameters of a query, each of which is known.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    match Query::<T>::try_from_uri(uri) {
        Ok(Query(parameters)) => Ok(parameters),
        Err(error) => Err(invalid(error.body_text())),
    }
}

/// A wrong parameter.
pub(super) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::InvalidParameter).detail(detail)
}

/// How many things a page has.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(invalid(format!("limit: expected 1 to {LIMIT_MAX}"))),
    }
}

/// A page of `items` things at most, of `found`, which has one more if there are more; `cursor` is what the next page begins
/// behind. The header Link names it (RFC 8288).
pub(super) fn page<F, T: Serialize>(
    uri: &Uri,
    limit: u32,
    mut found: Vec<F>,
    cursor: impl Fn(&F) -> String,
    view: impl Fn(&F) -> T,
) -> Response {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_more = found.len() > most;
    found.truncate(most);
    let next = found.last().filter(|_| is_more).map(cursor);
    let items: Vec<T> = found.iter().map(view).collect();
    let mut response = json(StatusCode::OK, &serde_json::json!({ "items": items, "next": next }));
    let link = next
        .and_then(|next| HeaderValue::try_from(format!("<{}>; rel=\"next\"", next_page(uri, &next))).ok());
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// The same query, behind `next`, whose characters need no escape in it.
fn next_page(uri: &Uri, next: &str) -> String {
    let asked = uri.query().unwrap_or_default().split('&');
    let mut parameters: Vec<String> = asked
        .filter(|parameter| !parameter.is_empty() && !parameter.starts_with("after="))
        .map(str::to_owned)
        .collect();
    parameters.push(format!("after={next}"));
    format!("{}?{}", uri.path(), parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_asks_for_the_same_behind_the_last() {
        for (asked, expected) in [
            ("/v1/x", "/v1/x?after=7"),
            ("/v1/x?limit=2&after=3", "/v1/x?limit=2&after=7"),
            ("/v1/x?after=3&state=Released", "/v1/x?state=Released&after=7"),
        ] {
            assert_eq!(next_page(&asked.parse().unwrap(), "7"), expected);
        }
    }
}
