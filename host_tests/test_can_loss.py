"""docs/can.md says what a controller loses: the measurement, row by row."""

from host_tests import can_loss


def test_the_documented_losses_are_the_measured_ones() -> None:
    documented = (can_loss.ROOT / "docs" / "can.md").read_text(encoding="utf-8").splitlines()
    for kind in can_loss.HOLDS_ms:
        for row in can_loss.rows(kind):
            assert row in documented, row


def test_a_longer_hold_and_a_faster_bus_lose_more() -> None:
    table = can_loss.measure()
    for bitrate in can_loss.RATES:
        assert table[bitrate, 1] <= table[bitrate, 2] <= table[bitrate, 5]
    assert all(table[500_000, hold] > table[250_000, hold] for hold in can_loss.HOLDS_ms["mcp2515"])
