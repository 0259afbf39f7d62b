"""The model on ciw: one node of many servers, and one with room for all where failed tasks rest until their retry."""

import random

import ciw

import model

WORK, REST = 1, 2


class Rest(ciw.dists.Distribution):
    """How long a task rests, which depends on how often it failed."""

    def __init__(self, rng):
        self.rng = rng

    def sample(self, t=None, ind=None):
        return model.retry_delay_seconds(self.rng, ind.failures)


class AfterWork(ciw.routing.NodeRouting):
    """A failed task rests, unless it failed too often; all others leave."""

    def __init__(self, rng, fail_share):
        self.rng = rng
        self.fail_share = fail_share

    def next_node(self, ind):
        failures = getattr(ind, "failures", 0)
        if failures == model.MAX_RETRIES or self.rng.random() >= self.fail_share:
            return self.simulation.nodes[-1]
        ind.failures = failures + 1
        return self.simulation.nodes[REST]


def simulate(seconds, seed, fail_share):
    ciw.seed(seed)
    rng = random.Random(seed)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=model.ARRIVALS_PER_SECOND), None],
        service_distributions=[ciw.dists.Exponential(rate=1 / model.MEAN_SERVICE_SECONDS), Rest(rng)],
        number_of_servers=[model.SERVERS, float("inf")],
        routing=ciw.routing.NetworkRouting(routers=[AfterWork(rng, fail_share), ciw.routing.Direct(to=WORK)]),
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(seconds)
    arrivals = simulation.nodes[0].number_of_individuals
    # ciw records a stay when it ends: the end of a service at work, a retry coming due at rest.
    stays = simulation.get_all_records()
    waits = [stay.waiting_time for stay in stays if stay.node == WORK]
    return arrivals + len(stays), sum(waits) / len(waits)


if __name__ == "__main__":
    model.measure(simulate)
