"""The evaluation asks the edge's own rules."""

from dataclasses import replace

import numpy as np

from model_export.faults_on_series import with_faults
from model_export.rule_marks import rule_marks
from tests.model_export.homes import small_homes
from wattline.features import FeatureState


def test_a_drop_out_is_marked_when_values_come_again_and_little_else() -> None:
    [home] = small_homes(homes=1, days=70)
    faulty = with_faults(home, "drop_out", 1)
    cut = replace(faulty.intervals, meter=np.zeros(len(faulty.intervals), np.int64))
    marked = cut.start_ms[rule_marks("energy_kwh")(cut, FeatureState(1).advance(cut))]
    assert {fault.end_ms for fault in faulty.faults} <= set(marked.tolist())
    assert len(marked) <= len(faulty.faults) + 2


def test_no_intervals_break_no_rule() -> None:
    [home] = small_homes(homes=1, days=1)
    nothing = home.intervals.take(np.zeros(len(home.intervals), np.bool_))
    assert len(rule_marks("")(nothing, FeatureState(1).advance(nothing))) == 0
