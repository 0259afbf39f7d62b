//! Being told to stop, whatever is being waited for.

use tokio::sync::watch;

/// Tells whether a drill is to be stopped: how often somebody has asked for it.
#[derive(Debug, Clone)]
pub struct Abort(watch::Receiver<u32>);

impl Abort {
    /// Listens to a counter of requests. One that is gone is a request.
    #[must_use]
    pub fn new(requests: watch::Receiver<u32>) -> Self {
        Self(requests)
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits until somebody has asked.
    pub async fn asked(&self) {
        self.times(1).await;
    }

    /// Waits until somebody has asked a second time: then nothing is waited for that can be left out.
    pub async fn urged(&self) {
        self.times(2).await;
    }

    async fn times(&self, times: u32) {
        // An error says that nobody is left to ask, so nobody is left to run for.
        let _ = self.0.clone().wait_for(|count| *count >= times).await;
    }

    /// Does `work`, unless somebody asks before it is done. Then it is dropped where it is.
    pub async fn unless_asked<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.asked() => None,
            done = work => Some(done),
        }
    }
}
