"""No read that starts after a clear, a delete or a set returns what was there before."""

import pytest
from racing import Race
from servers import stations

from cachu.testing.suite.colours import Plain

CHANGES = 20  # benchmarks/soak has 40,000 reads


@pytest.mark.parametrize("distributed", [True, False], ids=["distributed", "alone"])
@pytest.mark.parametrize("change", ["clear", "clear_tag", "delete", "set"])
def test_no_read_is_stale(station, tmp_path, change, distributed):
    options = {**stations.patiently(station), "redis_distributed": distributed}
    writer = Plain({"backend": "redis", **options})
    f = writer.cached(name="truth", tag="users")
    how = {
        "clear": lambda _: writer.clear(),
        "clear_tag": lambda _: writer.clear(tag="users"),
        "delete": lambda _: f.invalidate(1),
        "set": lambda number: f.set(number, 1),
    }[change]
    with Race(writer.package, options, tmp_path) as race:
        for _ in range(CHANGES):
            race.change(how)
        reads, stale, failed, misses = race.results()
    writer.close()
    assert failed == []
    assert stale == 0
    assert reads >= CHANGES
    assert misses >= CHANGES or change == "set"
