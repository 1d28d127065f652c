from __future__ import annotations

from imagegenservice.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock) -> Breaker:
    breaker = Breaker(limit=3, pause=30, clock=clock)
    for _ in range(3):
        assert breaker.attempt()
        breaker.failed()
    return breaker


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(limit=3, clock=Clock())
    for _ in range(2):
        breaker.failed()
    assert breaker.attempt()
    breaker.failed()
    assert breaker.open
    assert not breaker.attempt()


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = Breaker(limit=3, clock=Clock())
    for _ in range(10):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert not breaker.open


def test_after_the_pause_one_caller_tries_and_the_others_wait() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 29.9
    assert not breaker.attempt()
    clock.now += 0.2
    assert breaker.attempt()
    assert not breaker.attempt()


def test_a_success_closes_it_and_a_failure_lets_the_pause_begin_anew() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 31
    assert breaker.attempt()
    breaker.failed()
    clock.now += 29
    assert not breaker.attempt()
    clock.now += 2
    assert breaker.attempt()
    breaker.succeeded()
    assert all(breaker.attempt() for _ in range(5))


def test_a_trial_that_never_ended_does_not_keep_it_open_for_ever() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 31
    assert breaker.attempt()
    clock.now += 31
    assert breaker.attempt()
