//! The house by hand: the daemon's own books and workers, without doors and tasks, moved one step at a time by whoever holds
//! it, at a time that they make. For simulated histories and the simulated year; every part of it is the daemon's.
//!
//! Owns nothing but the order of start and stop, which is the daemon's. Refuses business rules.

use super::gate::HouseGate;
use super::keeping;
use super::publish::{Published, Publisher};
use super::start::{Books, StartError};
use crate::config::Settings;
use crate::fault::{self, Step};
use crate::feed::{Clock, DeliveryId, ProviderCode, Slot, error_chain};
use crate::forward::{ForwardError, WarehouseReader};
use crate::intake::Gate;
use crate::intake::by_hand::{Sent, land};
use crate::ledger::{Act, Event, HoldScope, LedgerError, Reader};
use crate::pipeline::by_hand::ByHand as Workers;
use crate::pipeline::{Asked, FurtherStanding, Said, Saying};
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;

/// A house without doors.
pub struct ByHand {
    books: Books,
    gate: HouseGate,
    publishers: Vec<(Publisher, Published)>,
    workers: Workers,
    state_dir: PathBuf,
    limit: u64,
}

impl ByHand {
    /// Opens the books and puts in order what the last run left, as the daemon does at its start.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let books = Books::open(settings, clock).await?;
        books.put_in_order(settings).await?;
        let limit = settings.providers.iter().map(|provider| provider.account.max_file_bytes).max().unwrap_or(0);
        Ok(Self {
            gate: books.gate(settings),
            publishers: books.publishers(settings).into_iter().map(|publisher| (publisher, Published::default())).collect(),
            workers: Workers::new(books.pipeline.clone()),
            state_dir: settings.state_dir.clone(),
            limit,
            books,
        })
    }

    /// Takes a file from its first byte to the answer to CLOSE. `Ok(false)`: the connection ended before it.
    ///
    /// # Errors
    /// What the sender is told.
    pub async fn send(&self, sent: Sent) -> Result<bool, String> {
        let Some(landed) = land(&self.state_dir, self.books.clock.now(), self.limit, sent)? else { return Ok(false) };
        self.gate.accept(landed).await.map_err(|error| error_chain(&error))?;
        Ok(true)
    }

    /// Judges all that can be judged now.
    ///
    /// # Errors
    /// What the daemon would log before it tries again.
    pub async fn judge(&mut self) -> Result<(), String> {
        self.workers.judge().await.map_err(|error| error_chain(&error))
    }

    /// Loads all that can be loaded now.
    ///
    /// # Errors
    /// What the daemon would log before it tries again.
    pub async fn load(&mut self) -> Result<(), String> {
        self.workers.load().await.map_err(|error| error_chain(&error))
    }

    /// Judges lateness, and hands out what is in the outbox.
    ///
    /// # Errors
    /// What the daemon would log before it tries again.
    pub async fn tell(&self) -> Result<(), String> {
        self.books.watch.run_by_hand().await.map_err(|error| error_chain(&error))
    }

    /// Brings every warehouse's control tables up to date.
    ///
    /// # Errors
    /// What the daemon would log of the first that failed, before it tries again.
    pub async fn publish(&mut self) -> Result<(), String> {
        let mut went = Ok(());
        for (publisher, published) in &mut self.publishers {
            went = went.and(publisher.round(published).await);
        }
        went
    }

    /// Brings every further warehouse as far as it can be brought now.
    ///
    /// # Errors
    /// What the daemon would log before it tries again.
    pub async fn follow(&mut self) -> Result<(), String> {
        self.workers.follow().await.map_err(|error| error_chain(&error))
    }

    /// How the further warehouses stand.
    #[must_use]
    pub fn further(&self) -> Vec<FurtherStanding> {
        self.books.pipeline.further()
    }

    /// Does to a quarantined delivery what support asks for; gives all that it was done to.
    ///
    /// # Errors
    /// What the person is told.
    pub async fn act(&self, delivery: DeliveryId, act: Act) -> Result<Vec<DeliveryId>, String> {
        let acted = self.books.pipeline.act(delivery, act, &a_person()).await;
        acted.map(|acted| acted.deliveries).map_err(|error| error_chain(&error))
    }

    /// Asks for a provider's loaded slots to be read again, from the first to the last; gives the replay's key. The work is
    /// [`Self::read_again`]'s.
    ///
    /// # Errors
    /// What the person is told.
    pub async fn replay(&self, provider: ProviderCode, from: Slot, to: Slot) -> Result<String, String> {
        let replay = self.books.pipeline.replay(provider, from, to, &a_person()).await;
        replay.map(|row| row.key).map_err(|error| error_chain(&error))
    }

    /// Reads again what was asked for, as far as the queue before the warehouse allows.
    ///
    /// # Errors
    /// What the daemon would log before it tries again.
    pub async fn read_again(&mut self) -> Result<(), String> {
        self.workers.read_again().await.map_err(|error| error_chain(&error))
    }

    /// The day's round of retention, which does nothing on a clock that may have jumped.
    ///
    /// # Errors
    /// What the daemon would log before it tries again.
    pub async fn retain(&mut self) -> Result<(), String> {
        let Books { pipeline, house, clock, .. } = &self.books;
        keeping::round(pipeline, house, clock.now()).await.map(drop).map_err(|error| error_chain(&error))
    }

    /// Records what a person says about a feed or an alert.
    ///
    /// # Errors
    /// What the person is told.
    pub async fn say(&self, saying: Saying) -> Result<Said, String> {
        self.books.pipeline.say(saying, &a_person()).await.map_err(|error| error_chain(&error))
    }

    /// Places a legal hold; gives its number.
    ///
    /// # Errors
    /// What the person is told.
    pub async fn hold(&self, scope: HoldScope) -> Result<u32, String> {
        self.books.pipeline.place_hold(scope, &a_person()).await.map_err(|error| error_chain(&error))
    }

    /// Lifts a legal hold.
    ///
    /// # Errors
    /// What the person is told.
    pub async fn end_hold(&self, number: u32) -> Result<(), String> {
        self.books.pipeline.end_hold(number, &a_person()).await.map_err(|error| error_chain(&error))
    }

    /// Reads the ledger.
    ///
    /// # Errors
    /// As [`Ledger::read`](crate::ledger::Ledger::read).
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.books.ledger.read(query).await
    }

    /// Reads the warehouse, whose views take this instant for now.
    ///
    /// # Errors
    /// The warehouse cannot be written.
    pub async fn warehouse_at(&self, now: Timestamp) -> Result<WarehouseReader, ForwardError> {
        self.books.warehouses.first.override_clock(Some(now)).await?;
        Ok(self.books.warehouses.first.reader())
    }

    /// Stops in good order.
    ///
    /// # Errors
    /// The stop could not be recorded; everything is closed all the same.
    pub async fn stop(self) -> Result<(), String> {
        let stopped = self.books.ledger.append(self.books.clock.now(), vec![Event::Stopped]);
        let recorded = fault::during(Step::StopRecord, stopped).await.map_err(|error| error_chain(&error));
        self.abandon().await;
        recorded
    }

    /// Lets go of everything without a word. Not what a crash leaves: SQLite folds its logs in. Who wants that has copied
    /// the folder before.
    pub async fn abandon(self) {
        let Self { books, gate, publishers, workers, .. } = self;
        drop((gate, publishers, workers));
        let Books { ledger, writer, warehouses, pipeline, watch, .. } = books;
        warehouses.close().await;
        // The writer ends when nobody can append any more.
        drop((ledger, pipeline, watch));
        if writer.join().is_err() {
            tracing::error!("the ledger's writer broke off");
        }
    }
}

/// Who asks, in a story.
fn a_person() -> Asked {
    Asked { by: "a person".to_owned(), reason: "a simulated reason".to_owned(), mend: None, account: None }
}
