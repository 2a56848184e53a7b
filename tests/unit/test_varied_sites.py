from ebpftrace.model.epochs import epoch_at
from ebpftrace.snapshot.loading import load
from scripts.bench import varied_sites


def test_no_two_sites_of_some_blocks_are_alike():
    sites = [
        site for site in varied_sites.snapshot(200, 4000).picture.sites if site.counts.blocks > 1
    ]
    assert len({site.cohorts for site in sites}) == len(sites) > 150
    assert len({site.at.frames for site in sites}) == len(sites)


def test_its_blocks_are_those_of_its_cohorts():
    snapshot = varied_sites.snapshot(50, 1000)
    assert snapshot.blocks is not None
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for columns in snapshot.blocks():
        for site, size, born in zip(columns.site, columns.size, columns.born_ns, strict=True):
            at = site, epoch_at(born / 1e9)
            blocks, held = found.get(at, (0, 0))
            found[at] = blocks + 1, held + size
    cohorts = {
        (index, one.epoch): (one.blocks, one.bytes)
        for index, site in enumerate(snapshot.picture.sites)
        for one in site.cohorts
    }
    assert found == cohorts
    assert snapshot.picture.totals.blocks == 1000


def test_the_file_holds_all_of_it(tmp_path):
    varied_sites.write(tmp_path / "varied.ebpftrace", 50, 1000)
    assert (
        load(str(tmp_path / "varied.ebpftrace")).picture == varied_sites.snapshot(50, 1000).picture
    )
