//! What every kind of warehouse must do: one suite, which each of them goes through.
//!
//! A case is a function of the kind. What only one kind can do, or can get wrong, is tested in its own folder.

pub(super) mod fixture;

pub(super) mod alike;
mod disposal;
mod loading;
mod views;

/// Makes a test of each case for each kind of warehouse.
macro_rules! on_each_kind {
    ($($case:ident,)+) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::forward::tests::fixture::Kind::Sqlite).await;
            })+
        }
        #[cfg(feature = "lake")]
        mod on_a_lake {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::forward::tests::fixture::Kind::Lake).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $case() {
                if crate::forward::postgres::server::server().is_some() {
                    super::$case(crate::forward::tests::fixture::Kind::Postgres).await;
                }
            })+
        }
    };
}
use on_each_kind;
