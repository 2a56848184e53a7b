"""What was before the picture that is shown."""

from ebpftrace.tui.past import Past
from tests.unit.builders import picture


def live() -> Past:
    return Past(lambda _: None)


def test_pictures_of_one_watch_have_one_past():
    past = live()
    pictures = [picture(since_attach_s=second, watch="one") for second in (1.0, 2.0, 3.0)]
    for shown in pictures:
        past.add(shown)
        assert not past.turns_to(shown)
    assert [point.at for point in past.points(pictures[-1])] == [1.0, 2.0, 3.0]


def test_another_watch_begins_anew_even_where_it_is_later_than_the_first_was():
    past = live()
    first, second = picture(since_attach_s=0.3, watch="one"), picture(since_attach_s=0.4, watch="b")
    past.add(first)
    past.turns_to(first)
    past.add(second)
    assert past.turns_to(second)
    assert [point.at for point in past.points(second)] == [0.4]
