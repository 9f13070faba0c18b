//! A request's way into dispatch and out of it: it leaves here with a run, or with the reason why it gets none. Who is
//! served when and where is decided in `fleet/dispatch.rs`.

use std::sync::Arc;

use herdwick_fleet::Profile;
use herdwick_fleet::candidate::{Elimination, Lack};
use herdwick_fleet::dispatch::{Ask, Class, Client, Grant, Place, Prompt, Refusal};
use tokio::time::Instant;

use crate::budget::Retry;
use crate::dispatcher::{Arrived, Fate};
use crate::lacking;
use crate::rescue::Problem;
use crate::router::Router;
use crate::ticket::Ticket;
use crate::tries::{Ended, Tries};

/// What dispatch is to know of a request beside its profile; the same in every try.
pub(crate) struct Manner {
    pub(crate) client: Client,
    pub(crate) class: Class,
    /// Bytes that are held while it waits.
    pub(crate) bytes: u64,
    /// The context that it insists on, in tokens.
    pub(crate) context: Option<u32>,
    pub(crate) prompt: Prompt,
}

/// A run, and for a request that was tried before the right to try again.
pub(crate) struct Admitted<'a> {
    pub(crate) ticket: Ticket,
    /// Held until the backend answers, or does not.
    pub(crate) retry: Option<Retry<'a>>,
    /// Where it stood in line, if it had to wait.
    pub(crate) place: Option<Place>,
}

/// Gets the request a run on a backend where it did not fail yet, waiting for one if need be.
pub(crate) async fn admit<'a>(
    router: &'a Router,
    profile: &Profile,
    manner: &Manner,
    tries: &mut Tries,
) -> Result<Admitted<'a>, Ended> {
    let began = Instant::now();
    let admitted = begin(router, profile, manner, tries).await;
    tries.waited(began.elapsed());
    admitted
}

async fn begin<'a>(
    router: &'a Router,
    profile: &Profile,
    manner: &Manner,
    tries: &mut Tries,
) -> Result<Admitted<'a>, Ended> {
    let deadline = tries.deadline();
    let mut retry = if tries.is_first() { None } else { Some(again(router, tries, deadline).await?) };
    let ask = Ask {
        profile: profile.clone(),
        client: manner.client,
        class: manner.class,
        bytes: manner.bytes,
        deadline: router.now().plus(deadline - Instant::now()),
        tried: tries.rows().to_vec(),
        advised: tries.advised_row(),
        context: manner.context,
        prompt: manner.prompt.clone(),
    };
    let (grant, place) = match router.dispatcher.arrive(ask) {
        Arrived::Go(grant) => (grant, None),
        Arrived::Refused(refusal) => return Err(refused(router, profile, tries, &refusal)),
        Arrived::Waits(mut line, place) => {
            // The right to try again is not held while waiting for a slot: others could use it.
            retry = None;
            match line.word().await {
                Some(Fate::Go(grant)) => (grant, Some(place)),
                Some(Fate::Refused(refusal)) => return Err(refused(router, profile, tries, &refusal)),
                None => return Err(Problem::Draining.into()),
            }
        }
    };
    let ticket = granted(router, grant);
    if retry.is_none() && !tries.is_first() {
        retry = Some(again(router, tries, deadline).await?);
    }
    Ok(Admitted { ticket, retry, place })
}

fn granted(router: &Router, grant: Box<Grant>) -> Ticket {
    router.ring().push(Arc::clone(&grant.decision));
    Ticket::of(grant, router)
}

/// The right to try again.
async fn again<'a>(router: &'a Router, tries: &Tries, deadline: Instant) -> Result<Retry<'a>, Ended> {
    let retry = router.budget.retry(&router.scene.counters, deadline).await;
    let seconds = router.limits.wait.as_secs();
    let name = || tries.written.clone();
    let retry_after = std::time::Duration::from_secs(u64::from(crate::rescue::RETRY_AFTER_S));
    retry.ok_or_else(|| Problem::QueueTimeout { name: name(), seconds, retry_after }.into())
}

fn refused(router: &Router, profile: &Profile, tries: &mut Tries, refusal: &Refusal) -> Ended {
    if let Refusal::Decided(decision) = refusal {
        router.ring().push(Arc::clone(decision));
    }
    if let Refusal::Lacking(field) = refusal
        && field.lack() == Lack::Exhausted
    {
        // Only the tries of this request know how each of them ended, and those who loaded for it.
        for out in field.eliminated.iter().filter(|out| out.why == Elimination::Tried) {
            if !tries.rows().contains(&out.row)
                && let Some(failed) = router.loads.failed(out.row, &profile.model)
            {
                tries.load_failed(&out.node, failed);
            }
        }
        return tries.exhausted();
    }
    lacking::problem(refusal, (&router.snapshot(), router.limits.wait), profile, &tries.written).into()
}
