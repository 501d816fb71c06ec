"""An incident with the facts and the decision of each diagnosis, and the statements about its writes.

The file that is exported, and its reader.
"""

import json
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from prunella_operator.json_text import InvalidFile, parse_json
from prunella_workflows.contracts.healing import DiagnoseReport, DiagnoseRequest
from prunella_workflows.model.base import Value
from prunella_workflows.model.facts import Facts
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.incident_status import IncidentStatus
from prunella_workflows.model.labels import GROUP
from prunella_workflows.model.redaction import redact_texts
from prunella_workflows.model.validation import first_error

FORMAT = f"{GROUP}/recorded-incident/v1"


class RecordedDiagnosis(Value):
    """One diagnosis at its time. `facts` are None where they were not kept, and the report has no `record`."""

    at: datetime
    request: DiagnoseRequest
    facts: Facts | None = None
    report: DiagnoseReport

    def to_compact(self) -> dict[str, Any]:
        """Convert to JSON types without defaults; a plan is whole, because they say which action it has."""
        value = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {**value, "report": {**value["report"], "plan": self.report.plan.to_object()}}


class RecordedIncident(Value):
    """An incident as its workflow recorded it. `status` is that of its end; None while it is open.

    `statements` are the JSON objects that were hashed and signed; `proof.statement.Statement` reads them.
    """

    format: str = FORMAT
    incident: IncidentRef
    opened_at: datetime
    diagnoses: tuple[RecordedDiagnosis, ...] = ()
    status: IncidentStatus | None = None
    statements: tuple[dict[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.incident.namespace}/{self.incident.name}"

    def to_json(self) -> str:
        """The file: the same bytes for the same incident, and once more without secrets."""
        value = {**self.to_object(), "diagnoses": [diagnosis.to_compact() for diagnosis in self.diagnoses]}
        if not self.statements:
            del value["statements"]
        return json.dumps(redact_texts(value), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def parse_recorded(text: str, place: str) -> RecordedIncident:
    """Read a file that `place` names.

    Raises:
        InvalidFile: it is truncated, or no exported incident; the message names the place.
    """
    return validate(parse_object(text, place), place)


def parse_object(text: str, place: str) -> dict[str, Any]:
    """The JSON object of the file, as it stands there. Raises InvalidFile like `parse_recorded`."""
    value = parse_json(text, place)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InvalidFile(f"{place}: this is no exported incident: expected an object with format {FORMAT}")
    return value


def validate(value: dict[str, Any], place: str) -> RecordedIncident:
    """The incident of that object. Raises InvalidFile like `parse_recorded`."""
    try:
        return RecordedIncident.model_validate(value)
    except ValidationError as error:
        raise InvalidFile(f"{place}: {first_error(error)}") from error
