"""The model on SimPy, written as its manual would: a process per task and a resource with many slots."""

import random

import simpy

import model


class Queue:
    def __init__(self, seed, fail_share):
        self.rng = random.Random(seed)
        self.fail_share = fail_share
        self.environment = simpy.Environment()
        self.servers = simpy.Resource(self.environment, capacity=model.SERVERS)
        self.events = 0
        self.waits = 0
        self.waited_seconds = 0.0

    def arrivals(self):
        while True:
            self.events += 1
            self.environment.process(self.task())
            yield self.environment.timeout(self.rng.expovariate(model.ARRIVALS_PER_SECOND))

    def task(self):
        failures = 0
        while True:
            ready = self.environment.now
            with self.servers.request() as server:
                yield server
                self.waits += 1
                self.waited_seconds += self.environment.now - ready
                yield self.environment.timeout(self.rng.expovariate(1 / model.MEAN_SERVICE_SECONDS))
                self.events += 1
            if failures == model.MAX_RETRIES or self.rng.random() >= self.fail_share:
                return
            failures += 1
            yield self.environment.timeout(model.retry_delay_seconds(self.rng, failures))
            self.events += 1


def simulate(seconds, seed, fail_share):
    queue = Queue(seed, fail_share)
    queue.environment.process(queue.arrivals())
    queue.environment.run(until=seconds)
    return queue.events, queue.waited_seconds / queue.waits


if __name__ == "__main__":
    model.measure(simulate)
