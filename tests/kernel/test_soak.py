"""The soak, in short: `sudo scripts/soak` goes on for hours."""

from scripts.soaking.soak import Soak, Truth
from tests.kernel.harness import TIME_SCALE


def test_totals_are_right_over_three_lives_of_a_program_and_as_many_dashboards():
    soak = Soak(seconds=12.0 * TIME_SCALE, rate=20_000, life_s=4.0 * TIME_SCALE)
    found = soak.run()
    assert found.wrong == []
    assert found.lives >= 2
    assert found.dashboards >= 2
    assert found.keys
    assert found.counted == found.truth != Truth()
