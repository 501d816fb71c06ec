"""A bounded number of messages, then one summary, and nothing lost."""

import threading

from prunella_operator.integrations.notifiers.limiter import AlreadySent, Limiter, Send, Wait


def a_limiter():
    return Limiter(limit=3, window=60)


def test_so_many_and_no_more():
    limiter = a_limiter()
    answers = [limiter.request("c", f"k{n}", f"t{n}", 0.0) for n in range(4)]
    assert [type(answer) for answer in answers] == [Send, Send, Send, Wait]
    assert answers[3] == Wait(60.0)
    assert isinstance(limiter.request("other", "k", "t", 0.0), Send)


def test_the_first_whose_time_has_come_carries_all_that_wait():
    limiter = a_limiter()
    for n in range(100):
        limiter.request("c", f"k{n}", f"t{n}", 0.0)
    carrier = limiter.request("c", "k50", "t50", 60.0)
    assert isinstance(carrier, Send)
    assert len(carrier.others) == 96
    assert limiter.request("c", "k51", "t51", 60.0) == Wait(5.0)  # under way with the other one
    limiter.sent("c", carrier)
    assert limiter.request("c", "k51", "t51", 61.0) == AlreadySent(in_summary=True)
    assert limiter.request("c", "k50", "t50", 61.0) == AlreadySent(in_summary=False)


def test_a_summary_that_fails_is_sent_by_the_next_one():
    limiter = a_limiter()
    for n in range(5):
        limiter.request("c", f"k{n}", f"t{n}", 0.0)
    failed = limiter.request("c", "k3", "t3", 60.0)
    limiter.failed("c", failed)
    again = limiter.request("c", "k4", "t4", 61.0)
    assert isinstance(again, Send)
    assert again.others == {}
    limiter.sent("c", again)
    assert isinstance(limiter.request("c", "k3", "t3", 62.0), Send)


def test_a_message_of_which_the_answer_was_lost_is_not_sent_again():
    limiter = a_limiter()
    send = limiter.request("c", "k", "t", 0.0)
    limiter.sent("c", send)
    assert limiter.request("c", "k", "t", 10.0) == AlreadySent(in_summary=False)


def test_one_that_failed_is_sent_again():
    limiter = a_limiter()
    send = limiter.request("c", "k", "t", 0.0)
    limiter.failed("c", send)
    assert isinstance(limiter.request("c", "k", "t", 10.0), Send)


def test_memory_is_bounded():
    limiter = Limiter(limit=10_000, window=60)
    for n in range(3000):
        limiter.sent("c", limiter.request("c", f"k{n}", "t", 0.0))
    assert len(limiter._channels["c"].delivered) == 1000


def test_many_threads_never_exceed_the_limit():
    limiter, answers = Limiter(limit=10, window=60), []

    def ask(n):
        answers.append(limiter.request("c", f"k{n}", "t", 0.0))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(answer, Send) for answer in answers) == 10
