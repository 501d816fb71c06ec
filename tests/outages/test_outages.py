"""Healing across outages: each of them really stops a process, and every patient is healed by exactly one write."""

import os
import signal
import time

import pytest
from support.api import until
from support.outage import away, child_of, readiness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def healed_once(*wards_and_patients):
    for ward, patients in wards_and_patients:
        for patient in patients:
            patient.assert_healed_once(ward.writes(patient.namespace))


def healed_in(*patients):
    """From the fault to health, as the incidents tell it."""
    return ", ".join(f"{patient.name} {patient.incidents()[0]['status'].get('healedIn')}" for patient in patients)


def test_the_api_server_goes_away_in_the_middle_of_repair_and_verification(whole, apart, control_plane, tell):
    """Killed for 20 seconds at the moment of a write, while others are at every other point of their way."""
    ours, theirs = whole.patients("api", 4), apart.patients("api", 4)
    pids = [process.pid for ward in (whole, apart) for process in ward.processes.values()]
    for pair in zip(ours, theirs, strict=True):
        for one in pair:
            one.break_it()
        time.sleep(1.5)
    ours[3].written()
    tell(f"a repair was just written; the others are {[our.phase() for our in (*ours, *theirs)]}")
    control_plane.kill("kube-apiserver")
    since = time.monotonic()
    tell("the API server is killed")
    away(20, since)
    control_plane.mend()
    tell("the API server is back")
    healed_once((whole, ours), (apart, theirs))
    tell(f"all are healed: {healed_in(*ours, *theirs)}")
    assert [process.pid for ward in (whole, apart) for process in ward.processes.values() if process.running] == pids
    for ward in (whole, apart):
        ward.ready()


def test_etcd_and_the_api_server_are_both_killed(whole, apart, control_plane, tell):
    patients = {ward.kind: ward.patients("etcd", 1) for ward in (whole, apart)}
    for (one,) in patients.values():
        one.break_it()
    for (one,) in patients.values():
        one.reaches("Verifying")
    control_plane.kill("etcd", "kube-apiserver")
    since = time.monotonic()
    tell("etcd and the API server are killed")
    away(5, since)
    control_plane.mend()
    tell("both are back")
    healed_once((whole, patients["whole"]), (apart, patients["apart"]))


def test_temporal_goes_away(whole, apart, tell):
    """One Prunella starts its own server again; the other waits for somebody to do that, and says so."""
    (mine, my_next), (theirs, their_next) = whole.patients("temporal", 2), apart.patients("temporal", 2)
    mine.break_it()
    theirs.break_it()
    mine.reaches("Verifying")
    theirs.reaches("Verifying")
    run, operator = whole.processes["run"], apart.processes["operator"]
    embedded = child_of(run, "start-dev")
    os.kill(embedded, signal.SIGKILL)
    apart.temporal.kill()
    tell("both Temporals are killed")
    my_next.break_it()
    their_next.break_it()

    def waits():
        (incident,) = their_next.incidents() or [{}]
        status = incident.get("status") or {}
        return (status.get("phase"), status.get("reason")) == ("Pending", "TemporalUnavailable")

    until(waits, 60, "the new incident says that it waits for Temporal")
    _, text = until(lambda: found if (found := readiness(operator))[0] == 503 else None, 30, "/readyz says 503")
    assert any(line.startswith("temporal: ") and line != "temporal: ok" for line in text.splitlines()), text
    assert theirs.phase() == "Verifying", "what has begun keeps its story"
    worker = apart.processes["worker"]
    assert worker.running
    tell("the new incident waits, and the operator is not ready")
    assert child_of(run, "start-dev") != embedded
    run.wait_ready(30)
    apart.temporal.start()
    tell("the other Temporal is back")
    healed_once((whole, [mine, my_next]), (apart, [theirs, their_next]))
    tell(f"all are healed: {healed_in(mine, my_next, theirs, their_next)}")
    for one in (operator, worker):
        one.wait_ready(30)


def test_prunella_itself_is_killed(whole, apart, tell):
    """At the moment of a write, while verifying, and with a fault that happens while nobody watches."""
    (verifying, writing, unseen), (their_verifying, their_writing, their_unseen) = (
        ward.patients("kill", 3) for ward in (whole, apart)
    )
    run, operator, worker = whole.processes["run"], apart.processes["operator"], apart.processes["worker"]
    verifying.break_it()
    their_verifying.break_it()
    verifying.reaches("Repairing", "Verifying")
    their_verifying.reaches("Repairing", "Verifying")
    writing.break_it()
    writing.written()
    run.kill()
    tell("`prunella run` is killed")
    their_writing.break_it()
    their_writing.written()
    worker.kill()
    operator.kill()
    tell("operator and worker are killed")
    unseen.break_it()
    their_unseen.break_it()
    time.sleep(3)
    for one in (run, operator, worker):
        one.start()
    for one in (run, operator, worker):
        one.wait_ready()
    tell("all are back")
    ours, theirs = [verifying, writing, unseen], [their_verifying, their_writing, their_unseen]
    healed_once((whole, ours), (apart, theirs))
    tell(f"all are healed: {healed_in(*ours)}; {healed_in(*theirs)}")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_it_stops_within_seconds_and_goes_on_later(whole, apart, tell, how):
    """Also in the middle of a verification: the next start goes on where it stopped."""
    patients = {ward.kind: ward.patients("stop", 1) for ward in (whole, apart)}
    busy = how is signal.SIGTERM
    if busy:
        for (one,) in patients.values():
            one.break_it()
        for (one,) in patients.values():
            one.reaches("Verifying")
    processes = [process for ward in (whole, apart) for process in ward.processes.values()]
    for process in processes:
        seconds, code, said = ends(process, how)
        assert (code, seconds < 8) == (0, True), f"code {code} after {seconds:.1f} s:\n{process.tail()}"
        assert "Traceback" not in said, said
    tell(f"all have stopped by {how.name}")
    for process in processes:
        process.start()
    for process in processes:
        process.wait_ready()
    if busy:
        healed_once((whole, patients["whole"]), (apart, patients["apart"]))
        tell("what was under way is healed")


def ends(process, how):
    """Send the signal; how long it took, the exit code, and what it said meanwhile."""
    before = process.log.stat().st_size
    began = time.monotonic()
    os.kill(process.pid, how)
    code = process._process.wait(40)
    took = time.monotonic() - began
    process.stop()  # nothing may be left of it
    return took, code, process.log.read_bytes()[before:].decode(errors="replace")
