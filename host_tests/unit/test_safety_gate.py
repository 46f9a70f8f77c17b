# The gate as a whole: what a healthy session sends leaves, everything else does not.
from host_tests.unit.safety_rig import Rig


def test_a_session_that_charges_is_never_refused():
    rig = Rig().charging()
    rig.tick(100)
    assert rig.current_A == 30
    assert rig.gate.refused == 0
    assert rig.gate.trip == 0


def test_a_session_that_discharges_is_never_refused():
    rig = Rig().discharging()
    rig.tick(100)
    assert rig.current_A == -30
    assert rig.gate.refused == 0
    assert rig.gate.trip == 0
