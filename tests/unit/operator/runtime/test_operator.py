"""The parts of the operator: each watch counts for readiness and has its metrics."""

import pytest
from fakes.apiserver import FakeApi
from fakes.kube import FakeRest

from prunella_operator.config.settings import Settings
from prunella_operator.incidents.intake import Intake
from prunella_operator.incidents.known_good import KnownGoodRecorder
from prunella_operator.kubernetes.track_records import WatchedTrackRecords
from prunella_operator.policies.earned_levels import EarnedLevels
from prunella_operator.policies.status_writer import PolicyStatusWriter
from prunella_operator.runtime.operator import _sources


@pytest.mark.parametrize(
    ("namespaces", "policies"),
    [("", {"policies"}), ("shop,lab", {"policies in shop", "policies in lab"})],
)
def test_the_watches_of_policies_count_as_all_others_do(namespaces, policies):
    settings, access, rest = Settings.load({"namespaces": namespaces}), FakeApi().access, FakeRest()
    writer = PolicyStatusWriter(access, rest, EarnedLevels(WatchedTrackRecords(rest)), settings.namespaces)
    sources = dict(_sources(settings, access, Intake(rest), KnownGoodRecorder(rest, 60.0), writer))
    assert {name for name in sources if "polic" in name} == {*policies, "cluster policies"}
    assert "namespaces" in sources
    assert all(source.stats.problem().startswith("the first list") for source in sources.values())
