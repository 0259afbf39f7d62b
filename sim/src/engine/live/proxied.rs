//! The proxy of the team's that its workers go through, between the plan's turns: what others do to it is no doing of the plan's, and in a
//! rehearsal may end what is.

use super::fleet::Meddled;
use super::hands::Hands;
use super::link::{TeamLink, Touched};
use super::stand::{AtWork, Stand};
use firedrill_reports::record::Meddling;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// Real time between looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who looks at it again and again.
pub(super) struct Proxied {
    found: UnboundedReceiver<Touched>,
    _looks: AtWork,
}

impl Proxied {
    /// Begins to look. What Toxiproxy does not tell is asked again.
    pub(super) fn watch(team: Arc<TeamLink>) -> Self {
        let (found_tx, found) = mpsc::unbounded_channel();
        let looks = tokio::spawn(async move {
            loop {
                if let Ok(touched) = team.look().await
                    && touched.is_news()
                    && found_tx.send(touched).is_err()
                {
                    return;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self {
            found,
            _looks: AtWork(looks),
        }
    }

    /// What others have done to it; never, where nobody looks.
    pub(super) async fn next(proxied: &mut Option<Self>) -> Touched {
        if let Some(proxied) = proxied
            && let Some(touched) = proxied.found.recv().await
        {
            return touched;
        }
        std::future::pending().await
    }
}

impl Touched {
    fn is_news(&self) -> bool {
        !self.saw.is_empty() || self.is_free.is_some()
    }
}

impl Stand {
    /// Takes in what others have done to the proxy; steps that are over by it are people's to end.
    pub(super) async fn proxy_was_touched(&mut self, touched: Touched, hands: Option<&mut Hands>) {
        self.tells_of_proxy(&touched.saw);
        let Some(team) = self.links.team() else {
            return;
        };
        // What was seen before the plan did something says nothing of that.
        let is_free = touched.is_free == Some(team.pulls().await);
        let id = team.proxy().clone();
        if let Some(hands) = hands.filter(|_| is_free) {
            let saw =
                format!("proxy {id} does nothing of the drill's any more; a greeting is answered");
            self.has_healed(hands, saw);
        }
    }

    /// Tells what others have done to the proxy.
    pub(super) fn tells_of_proxy(&self, saw: &[String]) {
        if let Some(team) = self.links.team().filter(|_| !saw.is_empty()) {
            let (what, now) = (Meddling::Proxy, self.clock.now());
            let subject = format!("proxy {}", team.proxy());
            self.roster.tell(what, &subject, now, None, saw.join(", "));
        }
    }

    /// What others had done to it by the end of the drill, and was not told of.
    pub(super) async fn last_look_at_proxy(&mut self) -> Option<Meddled> {
        let team = self.links.team()?;
        let subject = format!("proxy {}", team.proxy());
        let mut saw = Vec::new();
        if let Some(proxied) = &mut self.proxied {
            while let Ok(touched) = proxied.found.try_recv() {
                saw.extend(touched.saw);
            }
        }
        let (what, saw) = match team.look().await {
            Ok(touched) => {
                saw.extend(touched.saw);
                (Meddling::Proxy, saw.join(", "))
            }
            Err(error) => (
                Meddling::Unreachable,
                format!("what was done to it is not known: {error}"),
            ),
        };
        (!saw.is_empty()).then_some(Meddled {
            subject,
            what,
            saw,
            at: None,
        })
    }
}
