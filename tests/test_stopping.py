"""Signals: one ends the process at once, or work that heeds it once it is kept."""

from __future__ import annotations

import os
import signal

import pytest

from splitgen.stopping import Terminated, check_stop, heeding, is_asked, terminated_by


@pytest.fixture
def told():
    """What was said of signals that were heard."""
    said: list[str] = []
    with terminated_by(signal.SIGUSR1, signal.SIGUSR2, tell=lambda: said.append("heard")):
        yield said


def test_a_signal_ends_what_does_not_heed_it_where_it_is(told):
    with pytest.raises(Terminated) as ended:
        os.kill(os.getpid(), signal.SIGUSR1)
    assert ended.value.number == signal.SIGUSR1
    assert told == []


def test_work_that_heeds_signals_ends_when_it_asks(told):
    with heeding():
        check_stop()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert is_asked()
        assert told == ["heard"]
        with pytest.raises(Terminated) as ended:
            check_stop()
    assert ended.value.number == signal.SIGUSR1


def test_a_second_signal_does_not_wait(told):
    with heeding():
        os.kill(os.getpid(), signal.SIGUSR1)
        with pytest.raises(Terminated) as ended:
            os.kill(os.getpid(), signal.SIGUSR2)
    assert ended.value.number == signal.SIGUSR2


def test_signals_are_as_before_when_the_block_has_ended():
    before = signal.getsignal(signal.SIGUSR1)
    with terminated_by(signal.SIGUSR1, tell=lambda: None), heeding():
        os.kill(os.getpid(), signal.SIGUSR1)
        assert is_asked()
    assert signal.getsignal(signal.SIGUSR1) == before
    assert not is_asked()


def test_a_signal_that_the_process_is_to_ignore_is_ignored():
    """As `nohup` has it of SIGHUP, and a shell of SIGINT for what it runs in the background."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with terminated_by(signal.SIGUSR1, tell=lambda: None):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert not is_asked()
    finally:
        signal.signal(signal.SIGUSR1, before)
