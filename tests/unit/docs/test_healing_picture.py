"""The picture of the README is drawn from what the page says that the demo prints, and fetches nothing."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[3]
spec = importlib.util.spec_from_file_location("docs_healing_picture", ROOT / "docs" / "healing_picture.py")
drawing = importlib.util.module_from_spec(spec)
spec.loader.exec_module(drawing)

PAGE = drawing.PAGE.read_text()


def test_the_picture_is_up_to_date():
    assert drawing.PICTURE.read_text() == drawing.draw(PAGE), "run: python docs/healing_picture.py"


def test_it_shows_the_end_of_both_faults_and_no_address():
    shown = drawing.draw(PAGE)
    assert "pod_oom_killed" in shown
    assert "bad_release" in shown
    assert "127.0.0.1" not in shown
    assert "url(http" not in shown.replace('"', "")
    assert "@font-face" not in shown
