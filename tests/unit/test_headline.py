"""Which site a picture is about."""

from ebpftrace.analysis.headline import headline
from ebpftrace.model.epochs import epoch_at
from ebpftrace.model.picture import Cohort
from tests.unit.builders import counts, picture, site

MINUTE = range(60)


def grown(name, each, growth=0.0):
    """So many bytes in each of sixty seconds."""
    cohorts = tuple(Cohort(epoch_at(second), 1, each) for second in MINUTE)
    return site(
        name, id=name, counts=counts(60, 60 * each), cohorts=cohorts, growth=growth or float(each)
    )


def still(name, size):
    """All of it is from the first second."""
    cohorts = (Cohort(0, 9, size),)
    return site(name, id=name, counts=counts(9, size), cohorts=cohorts, growth=0.0)


def of(*sites):
    drawn = picture(*sites, since_attach_s=60.0)
    return headline(drawn, [one.counts.bytes for one in sites])


def test_it_is_the_one_that_grows_fastest_and_not_the_largest():
    found = of(still("large", 10_000_000), grown("slow", 50), grown("fast", 500))
    assert found.site is not None
    assert found.site.at.id == "fast"
    assert found.trend is not None
    assert found.trend.word == "growing"
    assert found.share == 500 / 550


def test_where_nothing_grows_there_is_none():
    assert of(still("large", 10_000_000), still("small", 10)) == (None, None, None)


def test_of_no_site_there_is_none():
    assert of() == (None, None, None)


def test_one_that_holds_little_but_has_just_grown_most_is_looked_at():
    crowd = [still(f"still{n}", 1_000_000 + n) for n in range(300)]
    found = of(*crowd, grown("fast", 40))
    assert found.site is not None
    assert found.site.at.id == "fast"


def test_growth_that_is_not_known_does_no_harm():
    assert of(site("new", growth=None, counts=counts(1, 10))).site is None


def test_a_cache_that_is_larger_and_just_grew_more_does_not_hide_it():
    cache = still("cache", 900_000_000)._replace(growth=1e6)
    found = of(cache, grown("leak", 40))
    assert found.site is not None
    assert found.site.at.id == "leak"
    assert found.share == 40 / 1_000_040


def test_one_that_has_not_grown_just_now_has_no_share():
    found = of(grown("leak", 40)._replace(growth=-1.0), still("other", 100))
    assert found.site is not None
    assert found.share is None
