"""Healing across outages: each test stops a real process, and every workload is healed by exactly one write."""

import os
import signal
import time

import pytest
from support.api import until
from support.outage import away, child_of, readiness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def healed_once(*wards_and_patients):
    for system, workloads in wards_and_patients:
        for workload in workloads:
            workload.assert_healed_once(system.writes(workload.namespace))


def healed_in(*workloads):
    """Time from the fault to health, as the incidents report it."""
    return ", ".join(f"{workload.name} {workload.incidents()[0]['status'].get('healedIn')}" for workload in workloads)


def test_the_api_server_goes_away_in_the_middle_of_repair_and_verification(
    single, separate, control_plane, log_progress
):
    """The API server is down for 20 seconds from the moment of a write, while others are at every other point."""
    ours, theirs = single.workloads("api", 4), separate.workloads("api", 4)
    pids = [process.pid for system in (single, separate) for process in system.processes.values()]
    for pair in zip(ours, theirs, strict=True):
        for workload in pair:
            workload.break_it()
        time.sleep(1.5)
    ours[3].written()
    log_progress(f"a repair was just written; the others are {[workload.phase() for workload in (*ours, *theirs)]}")
    control_plane.kill("kube-apiserver")
    since = time.monotonic()
    log_progress("the API server is killed")
    away(20, since)
    control_plane.restore()
    log_progress("the API server is back")
    healed_once((single, ours), (separate, theirs))
    log_progress(f"all are healed: {healed_in(*ours, *theirs)}")
    assert [
        process.pid for system in (single, separate) for process in system.processes.values() if process.running
    ] == pids
    for system in (single, separate):
        system.ready()


def test_etcd_and_the_api_server_are_both_killed(single, separate, control_plane, log_progress):
    workloads = {system.kind: system.workloads("etcd", 1) for system in (single, separate)}
    for (workload,) in workloads.values():
        workload.break_it()
    for (workload,) in workloads.values():
        workload.reaches("Verifying")
    control_plane.kill("etcd", "kube-apiserver")
    since = time.monotonic()
    log_progress("etcd and the API server are killed")
    away(5, since)
    control_plane.restore()
    log_progress("both are back")
    healed_once((single, workloads["whole"]), (separate, workloads["apart"]))


def test_temporal_goes_away(single, separate, log_progress):
    """One Prunella starts its own server again; the other waits for its external server, and reports so."""
    (mine, my_next), (theirs, their_next) = (
        single.workloads("temporal", 2),
        separate.workloads("temporal", 2),
    )
    mine.break_it()
    theirs.break_it()
    mine.reaches("Verifying")
    theirs.reaches("Verifying")
    run, operator = single.processes["run"], separate.processes["operator"]
    embedded = child_of(run, "start-dev")
    os.kill(embedded, signal.SIGKILL)
    separate.temporal.kill()
    log_progress("both Temporals are killed")
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
    worker = separate.processes["worker"]
    assert worker.running
    log_progress("the new incident waits, and the operator is not ready")
    assert child_of(run, "start-dev") != embedded
    run.wait_ready(30)
    separate.temporal.start()
    log_progress("the other Temporal is back")
    healed_once((single, [mine, my_next]), (separate, [theirs, their_next]))
    log_progress(f"all are healed: {healed_in(mine, my_next, theirs, their_next)}")
    for process in (operator, worker):
        process.wait_ready(30)


def test_prunella_itself_is_killed(single, separate, log_progress):
    """Kill it at the moment of a write, while verifying, and with a fault while no operator runs."""
    (verifying, writing, unseen), (their_verifying, their_writing, their_unseen) = (
        system.workloads("kill", 3) for system in (single, separate)
    )
    run, operator, worker = (
        single.processes["run"],
        separate.processes["operator"],
        separate.processes["worker"],
    )
    verifying.break_it()
    their_verifying.break_it()
    verifying.reaches("Repairing", "Verifying")
    their_verifying.reaches("Repairing", "Verifying")
    writing.break_it()
    writing.written()
    run.kill()
    log_progress("`prunella run` is killed")
    their_writing.break_it()
    their_writing.written()
    worker.kill()
    operator.kill()
    log_progress("operator and worker are killed")
    unseen.break_it()
    their_unseen.break_it()
    time.sleep(3)
    for process in (run, operator, worker):
        process.start()
    for process in (run, operator, worker):
        process.wait_ready()
    log_progress("all are back")
    ours, theirs = [verifying, writing, unseen], [their_verifying, their_writing, their_unseen]
    healed_once((single, ours), (separate, theirs))
    log_progress(f"all are healed: {healed_in(*ours)}; {healed_in(*theirs)}")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_it_stops_within_seconds_and_goes_on_later(single, separate, log_progress, how):
    """Stop it also in the middle of a verification: the next start continues where it stopped."""
    workloads = {system.kind: system.workloads("stop", 1) for system in (single, separate)}
    busy = how is signal.SIGTERM
    if busy:
        for (workload,) in workloads.values():
            workload.break_it()
        for (workload,) in workloads.values():
            workload.reaches("Verifying")
    processes = [process for system in (single, separate) for process in system.processes.values()]
    for process in processes:
        seconds, code, said = ends(process, how)
        assert (code, seconds < 8) == (0, True), f"code {code} after {seconds:.1f} s:\n{process.tail()}"
        assert "Traceback" not in said, said
    log_progress(f"all have stopped by {how.name}")
    for process in processes:
        process.start()
    for process in processes:
        process.wait_ready()
    if busy:
        healed_once((single, workloads["whole"]), (separate, workloads["apart"]))
        log_progress("what was under way is healed")


def ends(process, how):
    """Send the signal; return the seconds until the end, the exit code, and the output meanwhile."""
    before = process.log.stat().st_size
    began = time.monotonic()
    os.kill(process.pid, how)
    code = process._process.wait(40)
    took = time.monotonic() - began
    process.stop()  # nothing may be left of it
    return took, code, process.log.read_bytes()[before:].decode(errors="replace")
