//! The web edge: routes, and what each reads. Loopback only; nothing can be changed from here.

use super::gather::{HealthFeed, feed_summary};
use super::metrics::{self, Family, FamilyKind};
use super::pages::{
    BedsPage, BedsRow, DeliveryEvent, DeliveryView, Figures, ProviderBeds, WardRow, beds_page, delivery_page, feed_health_page,
    not_found_page, provider_beds_page, trouble_page,
};
use super::summary::SummaryPage;
use crate::feed::{Clock, DeliveryId, ProviderCode, Term, error_chain};
use crate::forward::{ForwardError, ProviderFigures, WardFigures, WarehouseReader};
use crate::ledger::{Event, Filter, Ledger, LedgerError};
use crate::schedule::Freshness;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use jiff::tz::TimeZone;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Most deliveries that `/api/v1/deliveries` gives.
const MAX_LISTED: u32 = 1000;

/// Families of other rooms for `/metrics`, as they are now.
pub type Counted = Arc<dyn Fn() -> Vec<Family> + Send + Sync>;

/// What pages are made from.
#[derive(Clone)]
pub struct Sources {
    /// The feeds, as shown.
    pub feeds: Arc<Vec<HealthFeed>>,
    /// The ledger, for reading.
    pub ledger: Ledger,
    /// The warehouse, for reading.
    pub warehouse: WarehouseReader,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Times on pages are local to it.
    pub zone: TimeZone,
    /// The channels of alerts, by their names in the outbox.
    pub channels: Vec<String>,
    /// Other rooms' counters.
    pub counted: Counted,
    /// What is wrong on our own side now, in a sentence each.
    pub notices: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
}

/// Why a page could not be made.
enum Trouble {
    Ledger(LedgerError),
    Warehouse(ForwardError),
    NotFound,
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<ForwardError> for Trouble {
    fn from(error: ForwardError) -> Self {
        Self::Warehouse(error)
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, error) = match &self {
            Self::NotFound => return (StatusCode::NOT_FOUND, Html(not_found_page())).into_response(),
            Self::Ledger(error) => ("The ledger cannot be read just now.", error_chain(error)),
            Self::Warehouse(error) => {
                ("The warehouse cannot be read just now, so bed figures are not known. Feed health still works.", error_chain(error))
            }
        };
        tracing::error!(error, "a page could not be made");
        (StatusCode::SERVICE_UNAVAILABLE, Html(trouble_page(status))).into_response()
    }
}

/// Serves pages until `stop` turns true.
pub async fn serve(listener: TcpListener, sources: Sources, mut stop: watch::Receiver<bool>) {
    let router = Router::new()
        .route("/", get(feed_health))
        .route("/beds", get(beds))
        .route("/beds/{code}", get(provider_beds))
        .route("/deliveries/{id}", get(delivery))
        .route("/metrics", get(all_metrics))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/api/v1/feeds", get(api_feeds))
        .route("/api/v1/deliveries", get(api_deliveries))
        .route("/api/v1/beds", get(api_beds))
        .fallback(|| async { Trouble::NotFound })
        .layer(axum::middleware::from_fn(from_this_machine))
        .layer(axum::middleware::map_response(with_safe_headers))
        .with_state(sources);
    let stopped = async move { while !*stop.borrow() && stop.changed().await.is_ok() {} };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "pages are no longer served");
    }
}

/// Only requests that name this machine: a page elsewhere whose name was made to lead here gets nothing.
async fn from_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_this_machine(host) { next.run(request).await } else { (StatusCode::MISDIRECTED_REQUEST, "ask for localhost\n").into_response() }
}

/// Whether a `Host` names this machine: `localhost` or a loopback address, with or without a port.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// No script, no frame, nothing from elsewhere, nothing kept: figures age.
async fn with_safe_headers(mut response: Response) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn summary(sources: &Sources) -> Result<SummaryPage, Trouble> {
    let (feeds, notices, now) = (Arc::clone(&sources.feeds), (sources.notices)(), sources.clock.now());
    Ok(sources.ledger.read(move |reader| feed_summary(reader, &feeds, notices, now)).await?)
}

async fn feed_health(State(sources): State<Sources>) -> Result<Html<String>, Trouble> {
    Ok(Html(feed_health_page(&summary(&sources).await?, &sources.zone)))
}

async fn api_feeds(State(sources): State<Sources>) -> Result<Response, Trouble> {
    Ok(json(&summary(&sources).await?))
}

async fn api_deliveries(State(sources): State<Sources>) -> Result<Response, Trouble> {
    let filter = Filter { limit: Some(MAX_LISTED), ..Filter::default() };
    let rows = sources.ledger.read(move |reader| reader.deliveries(&filter)).await?;
    Ok(json(&rows))
}

async fn api_beds(State(sources): State<Sources>) -> Result<Response, Trouble> {
    Ok(json(&sources.warehouse.system_now().await?))
}

async fn all_metrics(State(sources): State<Sources>) -> Result<Response, Trouble> {
    let summary = summary(&sources).await?;
    let now = sources.clock.now();
    let asked = sources.ledger.read(move |reader| Ok((reader.outcomes()?, reader.outbox_pending(now)?, reader.queue_state()?.waiting)));
    let (outcomes, pending, waiting) = asked.await?;
    let terms: Vec<Term> = sources.feeds.iter().flat_map(|feed| feed.terms.iter().cloned()).collect();
    let mut counted = (sources.counted)();
    counted.extend(metrics::outbox(&sources.channels, &pending));
    counted.push(Family::of_one("bedfeed_warehouse_waiting", FamilyKind::Gauge, "Snapshots that wait for the warehouse.", waiting));
    let text = metrics::render(&summary, &outcomes, &terms, &counted);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// Able to accept and record: the ledger answers. A warehouse that is away does not make us unready: files still come in.
async fn ready(State(sources): State<Sources>) -> Response {
    match sources.ledger.read(|reader| reader.head()).await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => {
            tracing::error!(error = error_chain(&error), "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the ledger does not answer\n").into_response()
        }
    }
}

async fn delivery(State(sources): State<Sources>, Path(id): Path<String>) -> Result<Html<String>, Trouble> {
    let id: DeliveryId = id.parse().map_err(|_| Trouble::NotFound)?;
    let (life, gone) = sources.ledger.read(move |reader| Ok((reader.life(id)?, reader.gone(id)?))).await?;
    let life = life.ok_or(Trouble::NotFound)?;
    let mut events: Vec<DeliveryEvent> =
        life.entries.iter().filter_map(|entry| Some(DeliveryEvent { at: entry.at, text: event_words(&entry.event)? })).collect();
    events.extend(gone.iter().map(|(class, row)| {
        let (number, rule) = (row.disposal.number, &row.disposal.rule);
        DeliveryEvent { at: row.planned_at, text: format!("Retention deleted its {} (disposal {number}, {rule}).", class.told()) }
    }));
    let row = &life.row;
    let name = sources.feeds.iter().find(|feed| feed.schedule.provider == row.delivery.provider).map_or("", |feed| feed.name.as_str());
    let view =
        DeliveryView { delivery: &row.delivery, provider_name: name, stage: &row.stage, report: row.report.as_ref(), events: &events };
    Ok(Html(delivery_page(&view, &sources.zone)))
}

fn event_words(event: &Event) -> Option<String> {
    match event {
        Event::Accepted { .. } => Some("Recorded, and the sender told OK.".to_owned()),
        Event::Moved { stage, note, .. } => {
            let note = note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
            Some(format!("Moved to: {}{note}.", stage.as_str()))
        }
        Event::Replayed { snapshot, .. } => Some(format!("Read again by another mapping: becomes version {}.", snapshot.version)),
        Event::ReplayKept { why, .. } => Some(format!("Read again by another mapping: its version stays. {why}")),
        Event::Acted { act, by, reason, .. } => Some(format!("{} by {by}: {reason}", act.as_str())),
        Event::Superseded { by, .. } => Some(format!("Superseded by {by}.")),
        Event::ReceiptRead { stage, .. } => Some(format!("Its sender fetched the receipt ({stage}).")),
        Event::ReleaseRequested { by, reason, .. } => Some(format!("release asked for by {by}: {reason}; a second person must agree")),
        Event::ViewedRaw { by, reason, .. } => Some(format!("raw file viewed by {by}: {reason}")),
        Event::Started { .. }
        | Event::Stopped
        | Event::SettingsChanged { .. }
        | Event::Noted { .. }
        | Event::CheckpointSent { .. }
        | Event::Restored { .. }
        | Event::FeedExpected { .. }
        | Event::HoldPlaced { .. }
        | Event::HoldEnded { .. }
        | Event::Settled { .. }
        | Event::Disposing { .. }
        | Event::Spared { .. }
        | Event::Disposed { .. }
        | Event::Trimmed { .. }
        | Event::EpisodeOpened { .. }
        | Event::EpisodeClosed { .. }
        | Event::HouseEpisodeOpened { .. }
        | Event::HouseEpisodeClosed { .. }
        | Event::ReplayAsked { .. }
        | Event::ReplayEnded { .. }
        | Event::Warned { .. }
        | Event::ToldAgain { .. }
        | Event::Watched
        | Event::Away { .. }
        | Event::DowntimePlanned { .. }
        | Event::DowntimeEnded { .. }
        | Event::FeedPaused { .. }
        | Event::FeedResumed { .. }
        | Event::EpisodeAcknowledged { .. }
        | Event::ClientSeen { .. }
        | Event::AlertDelivered { .. }
        | Event::AlertFailed { .. }
        | Event::AlertDropped { .. } => None,
    }
}

async fn beds(State(sources): State<Sources>) -> Result<Html<String>, Trouble> {
    let now = sources.warehouse.system_now().await?;
    let made_at = sources.clock.now();
    let rows = now.providers.iter().map(|row| beds_row(&sources, row)).collect();
    Ok(Html(beds_page(&BedsPage { made_at, rows }, &sources.zone)))
}

async fn provider_beds(State(sources): State<Sources>, Path(code): Path<String>) -> Result<Html<String>, Trouble> {
    let provider: ProviderCode = code.parse().map_err(|_| Trouble::NotFound)?;
    let system = sources.warehouse.system_now().await?;
    let row = system.providers.iter().find(|row| row.provider == provider).ok_or(Trouble::NotFound)?;
    let wards = sources.warehouse.provider_now(&provider).await?;
    let beds = ProviderBeds {
        made_at: sources.clock.now(),
        provider,
        name: row.name.clone(),
        snapshot_at: row.snapshot_at,
        freshness: freshness(&sources, row),
        wards: wards.iter().map(ward_row).collect(),
    };
    Ok(Html(provider_beds_page(&beds, &sources.zone)))
}

fn beds_row(sources: &Sources, row: &ProviderFigures) -> BedsRow {
    let known = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
    let figures = &row.figures;
    let demand = figures.demand_not_in_bed.zip(figures.demand_in_bed).map(|(waiting, in_bed)| waiting + in_bed);
    BedsRow {
        provider: row.provider.clone(),
        name: row.name.clone(),
        snapshot_at: row.snapshot_at,
        freshness: freshness(sources, row),
        figures: Figures {
            open: known(figures.open),
            occupied: known(figures.occupied),
            empty: known(figures.empty),
            available_now: known(figures.available_now),
            closed: known(figures.closed),
            demand: known(demand),
            demand_not_in_bed: known(figures.demand_not_in_bed),
        },
    }
}

fn ward_row(row: &WardFigures) -> WardRow {
    let known = |value: i64| u64::try_from(value).ok();
    WardRow {
        site: row.site_code.clone(),
        ward: Some(row.ward_code.clone()),
        ward_name: Some(row.label.clone()),
        figures: Figures {
            open: known(row.open),
            occupied: known(row.occupied),
            empty: known(row.empty),
            available_now: known(row.available_now),
            closed: known(row.closed),
            demand: None,
            demand_not_in_bed: None,
        },
    }
}

fn freshness(sources: &Sources, row: &ProviderFigures) -> Freshness {
    let feed = sources.feeds.iter().find(|feed| feed.schedule.provider == row.provider);
    feed.map_or(Freshness::NoData, |feed| feed.schedule.freshness(row.snapshot_at, sources.clock.now()))
}

fn json(value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer has no JSON form");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_for_this_machine_are_answered() {
        let rows = [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("evil.example", false),
            ("localhost.evil.example:8080", false),
            ("10.0.0.1", false),
            ("", false),
        ];
        for (host, answered) in rows {
            assert_eq!(is_this_machine(host), answered, "{host}");
        }
    }
}
