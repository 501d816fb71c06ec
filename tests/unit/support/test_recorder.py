"""The recorder of real cases."""

from types import SimpleNamespace

from builders import INCIDENT, NOW
from support.cases import recorder

from prunella_operator.reporting.recorded_incident import RecordedIncident, parse_recorded

RECORDED = RecordedIncident(incident=INCIDENT, opened_at=NOW)
CASE_RUN = SimpleNamespace(
    case=SimpleNamespace(name="oom"), incidents=lambda: [{"metadata": {"uid": uid}} for uid in ("a", "b")]
)


def test_every_incident_with_a_workflow_is_exported(monkeypatch, tmp_path):
    def read(settings, query):
        assert settings.temporal_address == "127.0.0.1:7999"
        return [RECORDED] if query == "WorkflowId = 'incident-b'" else []

    monkeypatch.setattr(recorder, "read_recorded", read)
    recorder.record_decisions([CASE_RUN], "127.0.0.1:7999")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("PRUNELLA_TEST_RECORD", str(tmp_path / "new"))
    recorder.record_decisions([CASE_RUN], "127.0.0.1:7999")
    (file,) = (tmp_path / "new").iterdir()
    assert (file.name, parse_recorded(file.read_text(), file.name)) == ("oom-2.json", RECORDED)
