"""One read serves every thread that asked before it began, and none that asked later."""

import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import pytest

from prunella_operator.activities.repair.single_flight import SingleFlight


class Slow:
    """A numbered read that blocks until it is released."""

    def __init__(self):
        self.began, self.go = [], threading.Semaphore(0)

    def __call__(self):
        self.began.append(monotonic())
        number = len(self.began)
        self.go.acquire()
        if number in self.failing:
            raise OSError(number)
        return number

    failing = ()


@pytest.fixture
def look():
    return Slow()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(20) as made:
        yield made


def eventually(condition):
    end = monotonic() + 5
    while not condition():
        assert monotonic() < end
        sleep(0.001)


def waiting(combined):
    return len(combined._changed._waiters)


def test_who_comes_alone_looks_himself(look):
    look.go.release(2)
    combined = SingleFlight(look)
    assert [combined(), combined()] == [1, 2]


def test_who_comes_while_another_looks_shares_the_next_look(look, pool):
    combined = SingleFlight(look)
    first = pool.submit(combined)
    eventually(lambda: look.began)
    rest = [pool.submit(combined) for _ in range(10)]
    eventually(lambda: waiting(combined) == 10)
    look.go.release()
    assert first.result(5) == 1
    eventually(lambda: len(look.began) == 2)
    late = pool.submit(combined)
    eventually(lambda: waiting(combined) == 10)
    look.go.release()
    assert {future.result(5) for future in rest} == {2}
    look.go.release()
    assert late.result(5) == 3


def test_who_waits_for_a_look_that_fails_looks_again(look, pool):
    look.failing = (2,)
    combined = SingleFlight(look)
    first = pool.submit(combined)
    eventually(lambda: look.began)
    rest = [pool.submit(combined) for _ in range(5)]
    eventually(lambda: waiting(combined) == 5)
    look.go.release(3)
    assert first.result(5) == 1
    errors = [future.exception(5) for future in rest]
    assert [type(error) for error in errors if error] == [OSError], "the one who looked hears of it"
    assert {future.result() for future in rest if not future.exception()} == {3}


def test_a_look_always_begins_after_it_was_asked_for(pool):
    combined = SingleFlight(monotonic)
    asked = list(pool.map(lambda _: (monotonic(), combined()), range(2000)))
    assert all(began >= moment for moment, began in asked)
