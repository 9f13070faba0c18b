//! Watches over whoever waits for bytes of a backend: now and then it looks whether that can still come to anything.
//! Sets no limit on how long that may take; what speaks against it is for `fleet/hang.rs`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use herdwick_fleet::hang::{LOOK, Sign, Watch};
use herdwick_fleet::{ModelName, RowId};
use tokio::time::{Instant, Sleep, sleep};

use crate::scene::Scene;

/// Between two looks at an answer that has begun: its client has read something, and its backend is known to work.
const SELDOM: Duration = Duration::from_secs(1);

/// Somebody's watch over one backend.
pub(crate) struct Vigil {
    scene: Arc<Scene>,
    row: RowId,
    model: ModelName,
    watch: Watch,
    pause: Duration,
    /// Only once somebody waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Vigil {
    /// Over a request that was sent and is not answered yet.
    pub(crate) fn over_request(scene: &Arc<Scene>, row: RowId, model: &ModelName) -> Self {
        let (scene, model) = (Arc::clone(scene), model.clone());
        Self { scene, row, model, watch: Watch::default(), pause: LOOK, timer: None }
    }

    /// From now on over the rest of its answer.
    pub(crate) fn goes_on(&mut self) {
        (self.pause, self.timer, self.watch) = (SELDOM, None, Watch::default());
    }

    /// Waits for `work`, unless a sign says first that nothing will come of it.
    pub(crate) async fn over<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Sign> {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.poll(context).map(Err),
        })
        .await
    }

    /// Returns the sign that says that nothing will come any more. To be asked whenever nothing is here yet.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Sign> {
        let pause = self.pause;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(pause)));
        while timer.as_mut().poll(context).is_ready() {
            let snapshot = self.scene.snapshot();
            let backend = snapshot.backends().iter().find(|backend| backend.row == self.row);
            let sign = backend.and_then(|backend| self.watch.look(backend, &self.model, self.scene.now()));
            if let Some(sign) = sign {
                return Poll::Ready(sign);
            }
            timer.as_mut().reset(Instant::now() + pause);
        }
        Poll::Pending
    }
}
