from ostinato.engine.marks import Marks


def test_a_long_run_keeps_the_mark_it_began_with() -> None:
    marks = Marks()
    marks.add(1000, is_anchor=True)

    for turn in range(1, 200):
        marks.add(1000 + 300 * turn, is_anchor=False)

    assert 1000 in marks
    assert 1000 + 300 * 199 in marks
    assert len(marks) <= 1 + 12


def test_marks_thin_out_with_the_distance() -> None:
    marks = Marks()
    for turn in range(1, 500):
        marks.add(100 * turn, is_anchor=True)

    for turn in range(1, 499):
        place = 100 * turn
        assert place - marks.last_before(place) <= 49_900 - place


def test_the_mark_that_is_let_go_is_told() -> None:
    marks = Marks()

    told = {marks.add(10 * turn, is_anchor=False) for turn in range(1, 40)} - {None}

    assert told == {10 * turn for turn in range(1, 40)} - set(marks)


def test_an_anchor_stays_one() -> None:
    marks = Marks()
    marks.add(5, is_anchor=True)
    marks.add(5, is_anchor=False)

    assert marks.items() == [(5, True)]
    assert marks.up_to(4).items() == []
    assert marks.up_to(5).items() == [(5, True)]
