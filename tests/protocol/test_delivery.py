"""When a creator is tried again after a failed fetch, and when it is given up."""

from learnae.protocol.delivery import (
    FAILURES_PER_DELIVERY,
    MAX_FAILURES,
    MAX_RETRY_AFTER,
    RETRY_AFTER,
    TRIAL_AFTER,
    Delivery,
)


def test_each_failure_doubles_the_wait_up_to_a_limit() -> None:
    delivery, waits = Delivery(), []
    for _ in range(7):
        delivery.fail(10.0, last_arrival=0.0)
        waits.append(delivery.not_before - 10.0)
    assert waits == [min(RETRY_AFTER * 2**failures, MAX_RETRY_AFTER) for failures in range(7)]
    assert waits[-1] == waits[-2] == MAX_RETRY_AFTER


def test_only_who_delivered_and_has_not_failed_since_is_reliable() -> None:
    delivery = Delivery()
    assert not delivery.reliable and not delivery.failing
    delivery.succeed(1.0)
    assert delivery.reliable
    delivery.fail(2.0, last_arrival=1.0)
    assert not delivery.reliable and delivery.failing
    delivery.succeed(3.0)
    assert delivery.reliable and delivery.not_before == 0.0


def test_who_never_delivers_while_others_do_is_given_up() -> None:
    delivery = Delivery()
    for second in range(MAX_FAILURES):
        assert not delivery.given_up
        delivery.fail(second + 1.0, last_arrival=second + 0.5)
    assert delivery.given_up and not delivery.failing


def test_while_nothing_arrives_from_anybody_nobody_is_given_up() -> None:
    delivery = Delivery()
    for second in range(1000):
        delivery.fail(10.0 + second, last_arrival=5.0)
    assert delivery.charged == 1 and delivery.failing


def test_each_delivery_allows_some_more_failures() -> None:
    delivery, failures = Delivery(), 0
    delivery.succeed(0.5)
    while not delivery.given_up:
        delivery.fail(failures + 1.0, last_arrival=failures + 0.75)
        failures += 1
    assert failures == MAX_FAILURES + FAILURES_PER_DELIVERY


def given_up() -> Delivery:
    delivery = Delivery()
    for second in range(MAX_FAILURES):
        delivery.fail(second + 1.0, last_arrival=second + 0.5)
    return delivery


def test_who_is_given_up_is_tried_again_after_waits_that_double_whatever_it_announces() -> None:
    delivery, now, waits = given_up(), float(MAX_FAILURES), []
    for _ in range(4):
        delivery.announced()
        waits.append(delivery.not_before - now)
        now = delivery.not_before
        delivery.fail(now, last_arrival=now - 0.5)
    assert waits == [TRIAL_AFTER * 2**trial for trial in range(4)]


def test_one_delivered_model_ends_this_and_allows_as_many_failures_as_it_always_does() -> None:
    delivery = given_up()
    delivery.fail(100.0, last_arrival=99.0)
    delivery.succeed(200.0)
    assert delivery.reliable and not delivery.given_up
    for failures in range(FAILURES_PER_DELIVERY):
        assert not delivery.given_up
        delivery.fail(201.0 + failures, last_arrival=200.5 + failures)
    assert delivery.given_up and delivery.not_before - 203.0 == 2 * TRIAL_AFTER * 2


def test_a_new_announcement_ends_as_many_waits_as_models_were_delivered() -> None:
    delivery = Delivery()
    delivery.fail(1.0, last_arrival=0.0)
    delivery.announced()
    assert delivery.not_before > 1.0
    delivery.succeed(2.0)
    delivery.announced()
    for renewed in (True, False):
        delivery.fail(3.0, last_arrival=0.0)
        delivery.announced()
        assert (delivery.not_before == 0.0) is renewed
